"""REST operations of Monte Carlo over the trades of a run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query

from apps.backtests import schemas, selectors
from apps.backtests.api.router import router
from apps.backtests.charts import reshuffles as charts
from apps.backtests.selectors import reshuffles
from apps.core.doors import permission, signed_in


@router.get("/backtests/{run_id}/monte-carlo")
@permission("team.read")
def read_monte_carlo(
    request: HttpRequest, run_id: UUID, asked: Query[schemas.MonteCarloAsk]
) -> Any:
    """Tell drawdown, growth and Sharpe over other orders of a run: quantiles, probabilities.

    ``method`` is shuffle (the trades in random order), trades (drawn with replacement) or bars
    (stationary bootstrap of returns by bar); ``n`` is how many paths.
    """
    run = selectors.get_done_run(run_id, signed_in(request).team)
    return reshuffles.reshuffled(run, **asked.dict())


@router.get("/backtests/{run_id}/monte-carlo/fan")
@permission("team.read")
def draw_monte_carlo_fan(
    request: HttpRequest, run_id: UUID, asked: Query[schemas.MonteCarloAsk]
) -> Any:
    """Draw bands of the paths' equity beside the run's, as a Plotly figure."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    found = reshuffles.reshuffled(run, **asked.dict())
    return charts.fan_figure(found, selectors.subtitle_of(run))


@router.get("/backtests/{run_id}/monte-carlo/drawdowns")
@permission("team.read")
def draw_monte_carlo_drawdowns(
    request: HttpRequest, run_id: UUID, asked: Query[schemas.MonteCarloAsk]
) -> Any:
    """Draw how deep the paths fell, as a Plotly figure."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    found = reshuffles.reshuffled(run, **asked.dict())
    return charts.drawdowns_figure(found, selectors.subtitle_of(run))
