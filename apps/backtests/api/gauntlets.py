"""REST operations of gauntlets: runs held against null worlds, break-even cost, capacity."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Status

from apps.backtests import schemas, selectors, services
from apps.backtests.api.router import router
from apps.backtests.charts import gauntlets as charts
from apps.backtests.selectors import gauntlets
from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page


@router.post("/backtests/{run_id}/gauntlets", response={202: schemas.BacktestQueued})
@permission("research.write")
def create_gauntlet(request: HttpRequest, run_id: UUID, body: schemas.GauntletIn) -> Any:
    """Hold a finished run against luck; the same request again gives the same gauntlet."""
    now = clock.now()
    made, job = services.create_gauntlet(
        actor=signed_in(request), run_id=run_id, now=now, **body.dict()
    )
    return Status(202, {"job": jobs.as_dict(job, now), "id": str(made.pk)})


@router.get("/backtests/{run_id}/gauntlets", response=Page[dict[str, Any]])
@permission("team.read")
def list_gauntlets(request: HttpRequest, run_id: UUID, paging: Query[Paging]) -> Any:
    """List the gauntlets of a run, newest first."""
    run = selectors.get_run(run_id, signed_in(request).team)
    rows = gauntlets.list_gauntlets(run)
    return page(rows, request, limit=paging.limit, row=gauntlets.gauntlet_row)


@router.get("/gauntlets/{gauntlet_id}")
@permission("team.read")
def read_gauntlet(request: HttpRequest, gauntlet_id: UUID) -> Any:
    """Show a gauntlet: p-values by kind of world, break-even cost, capacity."""
    found = gauntlets.get_gauntlet(gauntlet_id, signed_in(request).team)
    return gauntlets.gauntlet_detail(found)


@router.get("/gauntlets/{gauntlet_id}/figures/worlds")
@permission("team.read")
def draw_gauntlet_worlds(request: HttpRequest, gauntlet_id: UUID, kind: str = "") -> Any:
    """Draw the Sharpe ratios of a kind's worlds with the run's marked, as a Plotly figure."""
    found = gauntlets.get_done_gauntlet(gauntlet_id, signed_in(request).team)
    return charts.worlds_figure(found.result, found.nulls, kind)


@router.get("/gauntlets/{gauntlet_id}/figures/costs")
@permission("team.read")
def draw_gauntlet_costs(request: HttpRequest, gauntlet_id: UUID) -> Any:
    """Draw what is left of the run at higher costs, as a Plotly figure."""
    found = gauntlets.get_done_gauntlet(gauntlet_id, signed_in(request).team)
    return charts.costs_figure(found.result)


@router.get("/gauntlets/{gauntlet_id}/figures/capacity")
@permission("team.read")
def draw_gauntlet_capacity(request: HttpRequest, gauntlet_id: UUID) -> Any:
    """Draw the Sharpe ratio by the money at work, as a Plotly figure."""
    found = gauntlets.get_done_gauntlet(gauntlet_id, signed_in(request).team)
    return charts.capacity_figure(found.result)
