"""A strategy over many parameters at once: figures only, in memory that does not grow with them.

Runs are spread over threads, each run on one of them, so that the answer is the same bytes for any
number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from multiprocessing import cpu_count, current_process
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel import engine
from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.fills import check_units, get_fill_rule
from apps.market.kernel.bars import Panel, periods_per_year
from apps.strategies.kernel.decisions import decisions_of
from apps.strategies.kernel.interface import Params, Strategy, check_params
from apps.strategies.kernel.windows import TIE

Floats = NDArray[np.float64]
# Averages of all windows are held at once up to this many numbers; beyond, run by run.
MOST_SUMS = 16_000_000
PIECES_PER_THREAD = 2


@dataclass(frozen=True, slots=True)
class Swept:
    """Figures by parameters, in the order given; ``sharpe`` and ``max_drawdown`` when asked."""

    equity_final: Floats
    fills: NDArray[np.int64]
    sharpe: Floats | None = None
    max_drawdown: Floats | None = None


def sweep(
    panel: Panel,
    strategy: Strategy,
    grid: Sequence[Params],
    *,
    cash: float,
    fee_bps: float = 0.0,
    slippage_bps: float = 0.0,
    fill: str = "next_open",
    units: str = "fractional",
    with_figures: bool = False,
    threads: int = 2,
) -> Swept:
    """Return the figures of every set of parameters.

    Parameters
    ----------
    grid
        Parameters by run; each is checked as for a single run.
    with_figures
        Sharpe (per year) and the largest drawdown beside the final equity.
    threads
        How many to use.

    Raises
    ------
    Invalid
        For parameters, costs or rules that a single run refuses.
    """
    terms = {"fee_bps": fee_bps, "slippage_bps": slippage_bps, "fill": fill, "units": units}
    engine.check_cash(cash)
    if _is_crossover(panel, strategy, grid):
        out = _crossovers(panel, strategy, grid, cash, terms, with_figures, threads)
    else:
        out = np.array([_one(panel, strategy, params, cash, terms) for params in grid])
        out = out.reshape(len(grid), 5)
    if not with_figures:
        return Swept(out[:, 0], out[:, 1].astype(np.int64))
    periods = periods_per_year(panel.timeframe, continuous=panel.continuous)
    with np.errstate(invalid="ignore", divide="ignore"):
        sharpe = np.where(out[:, 3] > 0.0, out[:, 2] / out[:, 3] * np.sqrt(periods), np.nan)
    return Swept(out[:, 0], out[:, 1].astype(np.int64), sharpe, out[:, 4])


def _is_crossover(panel: Panel, strategy: Strategy, grid: Sequence[Params]) -> bool:
    if strategy.spec.name != "sma_crossover" or panel.n_assets != 1 or not len(grid):
        return False
    if any(params.get("short") for params in grid):
        return False
    windows = {params.get(name) for params in grid for name in ("fast", "slow")}
    low = min(panel.close.min(), panel.open.min())
    there = np.isfinite(panel.close.sum() + panel.open.sum()) and low > 0.0
    return bool(there) and len(windows) * panel.n_bars <= MOST_SUMS


def _crossovers(
    panel: Panel,
    strategy: Strategy,
    grid: Sequence[Params],
    cash: float,
    terms: Mapping[str, Any],
    with_figures: bool,
    threads: int,
) -> Floats:
    from apps.backtests.kernel import loops

    rule = get_fill_rule(terms["fill"])
    costs = Costs(terms["fee_bps"], terms["slippage_bps"])
    spans = _spans(strategy, grid)
    windows, place = np.unique(spans, return_inverse=True)
    close = np.ascontiguousarray(panel.close[:, 0])
    prices = np.ascontiguousarray(getattr(panel, rule.price)[:, 0])
    sums = loops.sums_2d(close, windows)
    pairs = np.ascontiguousarray(place.reshape(spans.shape))
    lot = 1.0 if check_units(terms["units"]) == "whole" else 0.0
    out = np.full((len(grid), loops.N_FIGURES), np.nan)

    def play(start: int, stop: int) -> None:
        loops.crossovers_1d(
            prices,
            close,
            sums,
            pairs[start:stop],
            spans[start:stop],
            TIE,
            rule.delay,
            float(cash),
            costs.fee,
            costs.slippage,
            lot,
            with_figures,
            out[start:stop],
        )

    _spread(play, len(grid), threads)
    return out


def _spans(strategy: Strategy, grid: Sequence[Params]) -> NDArray[np.int64]:
    """Return fast and slow windows by run, each checked as for a single run."""
    declared = {parameter.name: parameter for parameter in strategy.spec.parameters}
    fast, slow = declared["fast"], declared["slow"]
    found = np.array([(p.get("fast", fast.default), p.get("slow", slow.default)) for p in grid])
    names_known = all(params.keys() <= declared.keys() for params in grid)
    low, high = ([getattr(p, end) for p in (fast, slow)] for end in ("low", "high"))
    plain = names_known and found.dtype == np.int64
    if (
        not plain
        or (found < low).any()
        or (found > high).any()
        or (found[:, 0] >= found[:, 1]).any()
    ):
        checked = [check_params(strategy.spec, params) for params in grid]
        for params in checked:
            strategy.warmup(params)
        found = np.array([(params["fast"], params["slow"]) for params in checked])
    return np.ascontiguousarray(found, dtype=np.int64)


def _one(
    panel: Panel, strategy: Strategy, given: Params, cash: float, terms: Mapping[str, Any]
) -> list[float]:
    params = check_params(strategy.spec, given)
    strategy.warmup(params)
    result = engine.run(panel, decisions_of(strategy, panel, params), cash=cash, **terms)
    returns = result.returns
    peak = np.maximum.accumulate(np.concatenate(([cash], result.equity[1:])))
    worst = float((1.0 - result.equity[1:] / peak[1:]).max(initial=0.0))
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else np.nan
    mean = float(returns.mean()) if len(returns) else np.nan
    return [float(result.equity[-1]), float(len(result.fills)), mean, spread, worst]


def _spread(play: Any, count: int, threads: int) -> None:
    """Call ``play(start, stop)`` over ``count`` runs: here, and on ``threads - 1`` others."""
    if threads == 1:
        play(0, count)
        return
    pieces = threads * PIECES_PER_THREAD
    edges = [count * k // pieces for k in range(pieces + 1)]
    waiting = list(pairwise(edges))

    def work() -> None:
        while True:
            try:
                start, stop = waiting.pop()
            except IndexError:
                return
            play(start, stop)

    pool = _pool(current_process().pid)
    others = [pool.submit(work) for _ in range(threads - 1)]
    work()
    for other in others:
        other.result()


@cache
def _pool(_process: int | None) -> ThreadPoolExecutor:
    """Return threads of this process, kept: starting one costs as much as a hundred runs.

    They don't survive a fork, so each process has its own.
    """
    return ThreadPoolExecutor(cpu_count(), thread_name_prefix="sweep")
