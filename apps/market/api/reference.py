"""REST: reference data: index members, renames, rates."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Status

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.reading import Day
from apps.market import schemas, selectors, services
from apps.market.api.router import router


@router.get("/indices", response=list[schemas.IndexOut])
@permission("team.read")
def list_indices(request: HttpRequest) -> Any:
    """List the indices whose members by day are known."""
    return selectors.list_indices(team_id=signed_in(request).team)


@router.get("/indices/{name}/members", response=schemas.MembersOut)
@permission("team.read")
def list_members(request: HttpRequest, name: str, on: Day, as_of: str | None = None) -> Any:
    """List who was in an index on a day, by what is known or was known at a time."""
    team_id = signed_in(request).team
    found = selectors.members_on(team_id=team_id, index=name, on=on, as_of=as_of)
    return {"index": name, "on": on, "as_of": as_of, "symbols": found}


@router.post("/indices/{name}/members", response={202: schemas.Started})
@permission("data.write")
def ask_for_members(request: HttpRequest, name: str, body: schemas.MembersIn) -> Any:
    """Start fetching who was in an index, from when until when, from a provider."""
    actor, now = signed_in(request), clock.now()
    job = services.ask_for_members(actor=actor, index=name, now=now, **body.dict())
    return Status(202, {"id": str(job.pk), "job": jobs.as_dict(job, now)})


@router.get("/renames", response=list[schemas.RenameOut])
@permission("team.read")
def list_renames(request: HttpRequest, symbol: str = "", as_of: str | None = None) -> Any:
    """List tickers that became others, by what is known or was known at a time."""
    return selectors.list_renames(team_id=signed_in(request).team, symbol=symbol, as_of=as_of)


@router.get("/fx", response=schemas.RateOut)
@permission("team.read")
def get_rate(request: HttpRequest, query: Query[schemas.RateQuery]) -> Any:
    """Answer what one unit of a currency was worth in another, by the last close known then."""
    return selectors.rate_at(team_id=signed_in(request).team, **query.dict())
