"""REST operations behind a tear sheet: intervals, factors, stretches, holdings, links."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest

from apps.backtests import selectors
from apps.backtests.api.router import router
from apps.backtests.selectors import sheets
from apps.core.doors import permission, signed_in


@router.get("/backtests/{run_id}/intervals")
@permission("team.read")
def read_intervals(request: HttpRequest, run_id: UUID) -> Any:
    """Show the 95 % bootstrap interval of every figure: low, high, level, method, n.

    ``figures`` by the names of the metrics, ``tail`` by ``historical_95.var`` and the like,
    ``trades`` by the names of trade figures. The seed comes from the run's digest, so that the
    same run has the same intervals.
    """
    return sheets.intervals_of(selectors.get_done_run(run_id, signed_in(request).team))


@router.get("/backtests/{run_id}/factors")
@permission("team.read")
def read_factors(request: HttpRequest, run_id: UUID) -> Any:
    """Show the regression on five factors and momentum with Newey-West errors, or why not."""
    return sheets.regression_of(selectors.get_done_run(run_id, signed_in(request).team))


@router.get("/backtests/{run_id}/windows")
@permission("team.read")
def read_windows(request: HttpRequest, run_id: UUID) -> Any:
    """Show known crises within the run's dates, and its worst five drawdowns."""
    return sheets.windows_of(selectors.get_done_run(run_id, signed_in(request).team))


@router.get("/backtests/{run_id}/holdings")
@permission("team.read")
def read_holdings(request: HttpRequest, run_id: UUID) -> Any:
    """Show turnover by month, and the largest weights there were."""
    return sheets.holdings_json(selectors.get_done_run(run_id, signed_in(request).team))
