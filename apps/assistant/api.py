"""REST operations of the assistant: searches, hypotheses, models."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from apps.assistant import schemas, selectors, services
from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page

router = Router(tags=["hypotheses"])


@router.post("/hypotheses", response={202: schemas.SearchStarted})
@permission("research.write")
def find_hypotheses(request: HttpRequest, body: schemas.SearchIn) -> Any:
    """Start a search for hypotheses by a worker."""
    actor, now = signed_in(request), clock.now()
    asked = body.dict(exclude_none=True)
    search, job = services.find_hypotheses(actor=actor, request=asked, now=now)
    return Status(202, {"id": search.pk, "job": jobs.as_dict(job, now)})


@router.get("/hypotheses", response=Page[schemas.HypothesisOut])
@permission("team.read")
def list_hypotheses(
    request: HttpRequest, paging: Query[Paging], status: str = "", search: int | None = None
) -> Any:
    """List hypotheses, newest first, in one state or of one search if given."""
    team = signed_in(request).team
    rows = selectors.list_hypotheses(team_id=team, status=status, search_id=search)
    return page(rows, request, limit=paging.limit)


@router.get("/hypotheses/{hypothesis_id}", response=schemas.HypothesisOut)
@permission("team.read")
def read_hypothesis(request: HttpRequest, hypothesis_id: int) -> Any:
    """Show a hypothesis."""
    return selectors.get_hypothesis(hypothesis_id, signed_in(request).team)


@router.post("/hypotheses/{hypothesis_id}/judge", response=schemas.HypothesisOut)
@permission("research.write")
def judge_hypothesis(request: HttpRequest, hypothesis_id: int, body: schemas.VerdictIn) -> Any:
    """Accept a hypothesis, or kill it with a note."""
    return services.judge_hypothesis(
        actor=signed_in(request),
        hypothesis_id=hypothesis_id,
        verdict=body.verdict,
        note=body.note,
        now=clock.now(),
    )


@router.post("/hypotheses/{hypothesis_id}/version", response=schemas.PromotedOut)
@permission("research.write")
def promote_hypothesis(request: HttpRequest, hypothesis_id: int) -> Any:
    """Make a strategy version of a hypothesis, ready for a backtest and for governance."""
    row, version = services.promote_hypothesis(
        actor=signed_in(request), hypothesis_id=hypothesis_id, now=clock.now()
    )
    return {
        "hypothesis_id": row.pk,
        "version_id": version.id,
        "strategy_id": version.strategy_id,
        "digest": version.digest,
    }


@router.get("/searches", response=Page[schemas.SearchOut])
@permission("team.read")
def list_searches(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List searches, newest first."""
    rows = selectors.list_searches(team_id=signed_in(request).team)
    return page(rows, request, limit=paging.limit)


@router.get("/searches/{search_id}", response=schemas.SearchOut)
@permission("team.read")
def read_search(request: HttpRequest, search_id: int) -> Any:
    """Show a search."""
    return selectors.get_search(search_id, signed_in(request).team)


@router.post("/assistant/code", response={201: schemas.DraftedOut})
@permission("research.write")
def submit_code(request: HttpRequest, body: schemas.DraftIn) -> Any:
    """Store a text that a model wrote, and propose that it may run; nothing runs yet."""
    made = services.submit_code(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(201, made)


@router.post("/assistant/code/drafts", response={202: schemas.DraftStarted})
@permission("research.write")
def request_code(request: HttpRequest, body: schemas.WishIn) -> Any:
    """Have a language model write a Python strategy; what is sound becomes a proposal."""
    now = clock.now()
    job = services.request_code(actor=signed_in(request), now=now, **body.dict())
    return Status(202, {"job": jobs.as_dict(job, now)})


@router.get("/assistant/models", response=list[schemas.ModelOut])
@permission("team.read")
def list_models(request: HttpRequest) -> Any:  # noqa: ARG001 a door takes the request
    """List language models and whether they can be asked; none is needed."""
    return selectors.list_models()


@router.get("/assistant/usage", response=Page[schemas.UsageOut])
@permission("team.read")
def list_usage(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List what models were asked, what it took and how it ended."""
    rows = selectors.list_usage(team_id=signed_in(request).team)
    return page(rows, request, limit=paging.limit)
