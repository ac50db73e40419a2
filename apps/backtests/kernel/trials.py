"""One combination of a sweep: computed like a run, of which only the figures are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.backtests.kernel import metrics
from apps.backtests.kernel.integrity.streams import Stream, compact
from apps.backtests.kernel.reports import play, run_figures
from apps.backtests.kernel.requests import Request
from apps.core.errors import Conflict, Invalid, LabError, Unavailable
from apps.market.kernel.bars import Panel, periods_per_year
from apps.strategies.kernel.decisions import decisions_of
from apps.strategies.kernel.interface import Params, Strategy, check_panel, check_params

# What a sweep may be ranked by, and whether more of it is better.
OBJECTIVES = {
    "sharpe": True,
    "sortino": True,
    "calmar": True,
    "cagr": True,
    "total_return": True,
    "volatility": False,
    "max_drawdown": False,
    "equity_final": True,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one combination came to, or why it could not be computed."""

    params: Params
    values: dict[str, float | None]
    trades: int | None = None
    digest: str = ""
    error: dict[str, Any] | None = None
    refused: bool = False
    stream: Stream | None = None
    periods: float = 0.0

    def objective(self, name: str) -> float | None:
        """Return the figure the sweep is ranked by, higher is better; None when there is none."""
        value = self.values.get(name)
        if value is None or not math.isfinite(value):
            return None
        return value if OBJECTIVES[name] else -value


def check_objective(name: str) -> str:
    """Return the name. Raises ``Invalid`` for one that sweeps are not ranked by."""
    if name not in OBJECTIVES:
        message = f"objective = {name!r}; choose one of {', '.join(OBJECTIVES)}."
        raise Invalid(message, code="sweep.objective", details={"field": "objective"})
    return name


def measure(
    panel: Panel, strategy: Strategy, combinations: Sequence[Params], request: Request
) -> list[Figures]:
    """Return the figures of each combination on a panel, in their order.

    A combination that the strategy refuses (fast above slow, a warm-up longer than the panel) is
    returned as refused, with the reason; it stops no other.
    """
    return [_measured(panel, strategy, params, request) for params in combinations]


def _measured(panel: Panel, strategy: Strategy, params: Params, request: Request) -> Figures:
    try:
        full = check_params(strategy.spec, params)
        check_panel(strategy.spec, strategy.warmup(full), panel)
        result = play(panel, decisions_of(strategy, panel, full), request)
    except (Conflict, Unavailable):
        raise  # no combination can run: the text is not approved, or nothing holds it here
    except LabError as error:
        why: dict[str, Any] = {"code": error.code, "message": error.message}
        why |= {name: error.details[name] for name in ("line",) if name in error.details}
        return Figures(params, {}, error=why, refused=isinstance(error, Invalid))
    except Exception as error:  # noqa: BLE001 one combination that raises must not end a sweep
        why = {"code": "strategy.raised", "message": f"{type(error).__name__}: {error}"[:500]}
        return Figures(params, {}, error=why)
    periods = periods_per_year(panel.timeframe, continuous=panel.continuous)
    found = metrics.metrics(result.returns, periods=periods, ts=panel.ts[1:])
    values = {name: found.get(name) for name in OBJECTIVES if name != "equity_final"}
    values["equity_final"] = float(result.equity[-1])
    of_run, _ = run_figures(result, periods)
    values |= {name: of_run[name] for name in ("exposure", "turnover")}
    return Figures(
        params,
        values,
        trades=len(result.trades),
        digest=result.digest,
        stream=compact(result.returns, panel.ts[1:]),
        periods=periods,
    )
