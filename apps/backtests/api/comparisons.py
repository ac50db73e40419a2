"""REST operations that put runs beside each other."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Status

from apps.backtests import charts, schemas
from apps.backtests.api.router import router
from apps.backtests.charts.comparisons import overlay_figure
from apps.backtests.selectors import attributions, comparisons
from apps.backtests.services.attributions import attribute_runs
from apps.core import clock
from apps.core.doors import permission, signed_in


@router.get("/backtests/compare")
@permission("team.read")
def compare_backtests(request: HttpRequest, asked: Query[schemas.CompareAsk]) -> Any:
    """Compare 2 to 50 runs: figures with changes, over the common days too, and what differs.

    ``ids`` between commas; or ``study``: its newest runs; or ``parents``: a run and the newest run
    of each earlier version of its strategy.
    """
    return comparisons.comparison(_runs(request, asked), asked.base)


def _runs(request: HttpRequest, asked: schemas.CompareAsk) -> list[Any]:
    team = signed_in(request).team
    return comparisons.runs_to_compare(asked.ids, team, study=asked.study, parents=asked.parents)


@router.get("/backtests/compare/figure")
@permission("team.read")
def draw_comparison(
    request: HttpRequest, asked: Query[schemas.CompareAsk], drawn: Query[schemas.OverlayAsk]
) -> Any:
    """Draw the growth of 1, or the drawdown, of several runs as a Plotly figure."""
    lines = comparisons.lines_of(_runs(request, asked), common=drawn.common)
    return overlay_figure(lines, **drawn.dict())


@router.get("/backtests/compare/parallel")
@permission("team.read")
def draw_runs_parallel(request: HttpRequest, ids: str = "", study: str = "") -> Any:
    """Draw each run as a line over the parameters that vary to its figures; up to 5,000."""
    params, values = comparisons.parallel_of(signed_in(request).team, ids=ids, study=study)
    return charts.parallel_figure("sharpe", params, values)


@router.post("/backtests/compare/attribute", response={202: dict[str, Any]})
@permission("research.write")
def attribute_difference(request: HttpRequest, body: schemas.AttributeIn) -> Any:
    """Queue the runs between two runs, up to six, that tell what made the difference."""
    row = attribute_runs(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(202, attributions.attribution_of(row))


@router.get("/backtests/compare/attribution")
@permission("team.read")
def read_attribution(request: HttpRequest, base: str, other: str) -> Any:
    """Show how much of the difference is the code's, the parameters', the data's, the terms'."""
    return attributions.read_attribution(signed_in(request).team, base, other)
