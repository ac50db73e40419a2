"""REST operations of the trial ledger: what was tried, families, overfitting, holdouts."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Status

from apps.backtests import schemas, selectors, services
from apps.backtests.api.router import router
from apps.backtests.charts import trials as charts
from apps.backtests.selectors import holdouts, trials
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page


@router.get("/trials", response=Page[schemas.TrialEntryOut])
@permission("team.read")
def list_trials_counted(
    request: HttpRequest, paging: Query[Paging], door: str = "", family: int | None = None
) -> Any:
    """List everything the team ever tried, newest first; nothing leaves this list.

    ``door`` is run, sweep or forge.
    """
    rows = trials.list_entries(team_id=signed_in(request).team, door=door, family=family)
    return page(rows, request, limit=paging.limit, row=trials.entry_row)


@router.get("/trials/families")
@permission("team.read")
def list_trial_families(request: HttpRequest) -> Any:
    """List the families of trials, the most tried first."""
    return {"items": trials.list_family_rows(team_id=signed_in(request).team)}


@router.get("/trials/families/{family_id}")
@permission("team.read")
def read_trial_family(request: HttpRequest, family_id: int) -> Any:
    """Show a family: its trials by door, effective number, overfitting, best runs."""
    return trials.family_detail(trials.get_family(family_id, signed_in(request).team))


@router.get("/trials/families/{family_id}/figures/logits")
@permission("team.read")
def draw_family_logits(request: HttpRequest, family_id: int) -> Any:
    """Draw the logits of a family's overfitting, as a Plotly figure."""
    family = trials.get_family(family_id, signed_in(request).team)
    return charts.logits_figure(trials.whole_of(family).split)


@router.post("/trials/families/{family_id}/join", response={200: dict[str, Any]})
@permission("research.write")
def join_trial_family(request: HttpRequest, family_id: int, body: schemas.JoinIn) -> Any:
    """Let a family count with another from now on; there is no way back."""
    joined = services.join_families(
        actor=signed_in(request), family_id=family_id, now=clock.now(), **body.dict()
    )
    return trials.family_detail(joined)


@router.get("/trials/sweeps/{sweep_id}")
@permission("team.read")
def read_sweep_overfitting(request: HttpRequest, sweep_id: UUID) -> Any:
    """Show the overfitting of a sweep's combinations; empty while fewer than two are done."""
    return trials.overfitting_of_sweep(selectors.get_sweep(sweep_id, signed_in(request).team))


@router.get("/trials/sweeps/{sweep_id}/figures/logits")
@permission("team.read")
def draw_sweep_logits(request: HttpRequest, sweep_id: UUID) -> Any:
    """Draw the logits of a sweep's overfitting, as a Plotly figure."""
    sweep = selectors.get_sweep(sweep_id, signed_in(request).team)
    return charts.logits_figure(trials.overfitting_of_sweep(sweep))


@router.get("/trials/sweeps/{sweep_id}/figures/degradation")
@permission("team.read")
def draw_sweep_degradation(request: HttpRequest, sweep_id: UUID) -> Any:
    """Draw what the best of a sweep came to outside of what it was chosen on."""
    sweep = selectors.get_sweep(sweep_id, signed_in(request).team)
    return charts.degradation_figure(trials.overfitting_of_sweep(sweep))


@router.get("/holdouts", response=Page[schemas.HoldoutOut])
@permission("team.read")
def list_holdouts(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List the team's holdouts with looks taken, alpha left and what the next look costs."""
    rows = holdouts.list_holdouts(team_id=signed_in(request).team)
    return page(rows, request, limit=paging.limit, row=holdouts.holdout_row)


@router.post("/holdouts", response={201: schemas.HoldoutOut})
@permission("research.write")
def mark_holdout(request: HttpRequest, body: schemas.HoldoutIn) -> Any:
    """Mark days as a family's holdout; what had read them before counts as looks."""
    actor = signed_in(request)
    made = services.mark_holdout(actor=actor, now=clock.now(), **body.dict())
    return Status(201, holdouts.holdout_row(holdouts.get_holdout(made.pk, actor.team)))


@router.get("/holdouts/price")
@permission("team.read")
def price_look(
    request: HttpRequest,
    version_id: int,
    start: date | None = None,
    end: date | None = None,
    looks: int = 1,
) -> Any:
    """Tell what a run of these days would cost of each holdout it reads, before it is made."""
    found = holdouts.price_of(
        team_id=signed_in(request).team,
        version_id=version_id,
        request={"start": start, "end": end},
        looks=looks,
    )
    return {"items": found}


@router.get("/holdouts/{holdout_id}")
@permission("team.read")
def read_holdout(request: HttpRequest, holdout_id: UUID) -> Any:
    """Show a holdout with every look at it."""
    return holdouts.holdout_detail(holdouts.get_holdout(holdout_id, signed_in(request).team))
