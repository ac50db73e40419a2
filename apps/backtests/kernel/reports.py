"""A whole backtest as a sum: panel, strategy and request in, report out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel import engine, metrics
from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.feeding import fed, funding_words
from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.kernel.laid import lay_orders, lay_weights, lots_of
from apps.backtests.kernel.limits import limits_from
from apps.backtests.kernel.requests import Request
from apps.backtests.kernel.sessions import FLOW_KINDS
from apps.core.errors import Invalid
from apps.core.kernel.hashing import digest_arrays, digest_json
from apps.market.kernel.bars import Panel, periods_per_year
from apps.risk.kernel.expected_shortfall import expected_shortfall
from apps.risk.kernel.value_at_risk import value_at_risk
from apps.strategies.kernel.decisions import ByBar, Decided, decisions_of
from apps.strategies.kernel.interface import Params, Strategy, check_panel

Floats = NDArray[np.float64]
Tell = Callable[[float, float, str], None]
LEVELS = (0.95, 0.99)
TAIL_METHODS = ("historical", "gaussian")


@dataclass(frozen=True)
class Benchmark:
    """What a run is compared with: a sentence and its value at each bar, from 1."""

    label: str
    value: Floats


@dataclass(frozen=True)
class Report:
    """Everything a run came to; figures are JSON-ready, arrays are by bar."""

    panel: Panel
    result: engine.Result
    benchmark: Benchmark | None
    drawdown: Floats
    figures: metrics.Figures
    reasons: dict[str, str]
    benchmark_figures: metrics.Figures
    tail: dict[str, Any]
    trade_figures: dict[str, Any]
    periods: float
    digest: str
    decided: object = None


def _quiet(done: float, total: float, note: str) -> None:
    """Tell nobody."""


def compute(
    panel: Panel,
    strategy: Strategy,
    params: Params,
    request: Request,
    *,
    benchmark: Benchmark | None = None,
    tell: Tell = _quiet,
) -> Report:
    """Return the report of a strategy on a panel.

    Parameters
    ----------
    benchmark
        A benchmark read elsewhere; without it, and unless the request says ``none``, equal weights
        bought and held.
    tell
        Called with what is done, of how much, and a note.

    Raises
    ------
    Invalid
        When the panel is too short for the strategy or the request can't be.
    """
    warmup = strategy.warmup(params)
    check_panel(strategy.spec, warmup, panel)
    tell(1, 5, "computing signals")
    given = request.given
    has_weights = bool(given.targets or given.signals)
    targets = lay_weights(given, panel) if has_weights else decisions_of(strategy, panel, params)
    tell(2, 5, f"playing {panel.n_bars} bars")
    result = play(panel, targets, request)
    tell(3, 5, "computing figures")
    market = benchmark
    if market is None and request.benchmark != "none":
        market = equal_weight(panel, request)
    report = _measured(panel, result, market)
    content = {
        "engine": engine.ENGINE_VERSION,
        "data": panel.digest,
        "strategy": strategy.spec.name,
        "params": params,
        "terms": request.terms(),
        "result": result.digest,
        "benchmark": digest_arrays(value=market.value) if market else "",
    }
    known = None if isinstance(targets, ByBar) else targets
    return replace(report, digest=digest_json(content), decided=known)


def play(panel: Panel, targets: Decided, request: Request) -> engine.Result:
    """Return the engine's result on the request's terms, its orders beside the targets."""
    return player(request)(panel, targets)


def player(
    request: Request, *, cash: float | None = None, costs: Costs | None = None
) -> Callable[[Panel, Decided], engine.Result]:
    """Return what plays panels on the request's terms, which are read once.

    ``cash`` and ``costs`` stand in for those of the request.
    """
    execution, limits = Execution(**request.execution), limits_from(request.limits)
    costs = request.costs if costs is None else costs
    start, given = request.cash if cash is None else cash, request.given.orders

    def play(panel: Panel, targets: Decided) -> engine.Result:
        lots = lots_of(panel, request.execution, request.units)
        return engine.run(
            fed(panel),
            targets,
            cash=start,
            costs=costs,
            execution=execution,
            fill=request.fill,
            units=request.units,
            limits=limits,
            finalize=request.finalize,
            orders=lay_orders(given, panel, lots),
        )

    return play


def equal_weight(panel: Panel, request: Request) -> Benchmark:
    """Return equal weights bought at the first close that has prices, held, free of costs."""
    there = np.isfinite(panel.close)
    targets = np.full(panel.close.shape, np.nan)
    first = int(np.argmax(there.any(axis=1)))
    targets[first] = there[first] / max(int(there[first].sum()), 1)
    held = engine.run(fed(panel), targets, cash=1.0, fill=request.fill)
    count = int(there[first].sum())
    names = panel.symbols[0] if panel.n_assets == 1 else f"{count} instruments in equal weights"
    return Benchmark(f"{names}, bought and held without costs", held.equity)


def _measured(panel: Panel, result: engine.Result, market: Benchmark | None) -> Report:
    periods = periods_per_year(panel.timeframe, continuous=panel.continuous)
    returns, ts = result.returns, panel.ts[1:]
    against = None if market is None else _returns(market.value)
    figures, reasons = metrics.explain(returns, periods=periods, benchmark=against, ts=ts)
    theirs: metrics.Figures = {}
    if against is not None:
        theirs = metrics.metrics(against, periods=periods, ts=ts)
    more, why = run_figures(result, periods)
    return Report(
        panel=panel,
        result=result,
        benchmark=market,
        drawdown=metrics.drawdowns(np.nan_to_num(returns)),
        figures={**figures, **more},
        reasons={**reasons, **why},
        benchmark_figures=theirs,
        tail=tail_losses(returns),
        trade_figures=trade_figures(result),
        periods=periods,
        digest="",
    )


def _returns(value: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = value[1:] / value[:-1] - 1.0
    return np.where(np.isfinite(found), found, np.nan)


RUN_METRICS: dict[str, metrics.Metric] = {
    "exposure": metrics.Metric(
        "Exposure", "mean over bars of gross value / equity", "fraction", metrics.total_return
    ),
    "time_in_market": metrics.Metric(
        "Time in market", "bars with a position / bars", "fraction", metrics.total_return
    ),
    "turnover": metrics.Metric(
        "Turnover",
        "value traded / 2 / mean equity / years",
        "fraction",
        metrics.total_return,
        annualised=True,
    ),
    "fees_paid": metrics.Metric(
        "Fees", "sum of fees / starting cash", "fraction", metrics.total_return
    ),
}


def run_figures(result: engine.Result, periods: float) -> tuple[metrics.Figures, dict[str, str]]:
    """Return figures that need more than returns: exposure, turnover, fees."""
    exposure, equity = result.exposure, result.equity
    known = exposure[np.isfinite(exposure)]
    traded = result.fills.traded
    years = max(len(equity) - 1, 1) / periods
    mean = float(equity.mean())
    figures: metrics.Figures = {
        "exposure": float(known.mean()) if len(known) else None,
        "time_in_market": float(np.mean(result.curve[:, 2] > 0.0)),
        "turnover": traded / 2.0 / mean / years if mean > 0.0 else None,
        "fees_paid": float(result.fills.fee.sum()) / result.start_cash,
    }
    reasons = {
        name: "equity fell to zero or below" for name, value in figures.items() if value is None
    }
    return figures, reasons


def tail_losses(returns: Floats) -> dict[str, Any]:
    """Return VaR and ES by method and level, losses positive; None where they can't be told."""
    out: dict[str, Any] = {}
    for method in TAIL_METHODS:
        for level in LEVELS:
            entry: dict[str, Any] = {"var": None, "es": None}
            try:
                entry["var"] = float(value_at_risk(returns, level, method=method))
                entry["es"] = float(expected_shortfall(returns, level, method=method))
            except Invalid as error:
                entry["reason"] = error.message
            out[f"{method}_{level * 100:g}"] = entry
    return out


def trade_figures(result: engine.Result) -> dict[str, Any]:
    """Return figures of the round trips; those still open count as marked at the end."""
    trades = result.trades
    pnl, returns = trades.pnl, trades.returns
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    held = trades.exit_bar - trades.entry_bar
    some = len(trades) > 0
    return {
        "count": len(trades),
        "closed": int((~trades.is_open).sum()),
        "open": int(trades.is_open.sum()),
        "fills": len(result.fills),
        "win_rate": float(len(wins) / len(pnl)) if some else None,
        "profit_factor": float(wins.sum() / -losses.sum()) if len(losses) else None,
        "mean_return": float(returns.mean()) if some else None,
        "best": float(returns.max()) if some else None,
        "worst": float(returns.min()) if some else None,
        "mean_bars": float(held.mean()) if some else None,
        "mean_mae": float(result.excursions[:, 0].mean()) if some else None,
        "mean_mfe": float(result.excursions[:, 1].mean()) if some else None,
        "fees": float(result.fills.fee.sum()),
        "pnl": float(pnl.sum()),
    }


def searchable(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a result that are numbers, by name, for lists that search them."""
    found = {**result.get("trade_figures", {}), **result.get("metrics", {})}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def summary(report: Report, request: Request, params: Params) -> dict[str, Any]:
    """Return the report as the JSON that every door answers with."""
    panel, result = report.panel, report.result
    return {
        "strategy": request.strategy,
        "params": params,
        "metrics": report.figures,
        "metrics_missing": report.reasons,
        "benchmark": {
            "label": report.benchmark.label if report.benchmark else "",
            "metrics": report.benchmark_figures,
        },
        "tail_losses": report.tail,
        "equity_final": float(result.equity[-1]),
        "cash_final": float(result.cash[-1]),
        "trades": report.trade_figures["count"],
        "trade_figures": report.trade_figures,
        "fills": len(result.fills),
        "flows": flow_totals(result),
        "bars": panel.n_bars,
        "first": _day(panel, 0),
        "last": _day(panel, -1),
        "instruments": list(panel.symbols),
        "timeframe": panel.timeframe,
        "periods_per_year": report.periods,
        "fill": get_fill_rule(request.fill).says,
        "survivorship": panel.survivorship,
        "price_mode": panel.price_mode,
        "currency": panel.currency,
        "funding": funding_words(panel, charged=request.costs.funding),
        "digest": report.digest,
        "data_digest": panel.digest,
        "engine_version": engine.ENGINE_VERSION,
    }


def flow_totals(result: engine.Result) -> dict[str, float]:
    """Return what moved without a trade, by kind; positive came in. Splits and calls by count."""
    if result.played is None:
        return {}
    kinds, amounts = result.played.flows[:, 2].astype(int), result.played.flows[:, 3]
    found = {}
    for number, name in enumerate(FLOW_KINDS):
        here = kinds == number
        if name and here.any():
            counted = name in {"split", "margin_call"}
            found[name] = float(here.sum() if counted else amounts[here].sum())
    return found


def _day(panel: Panel, bar: int) -> str:
    return str(panel.ts[bar : bar + 1 or None].astype("datetime64[us]")[0])
