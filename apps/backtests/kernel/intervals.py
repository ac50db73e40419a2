"""How sure each figure of a run is: bootstrap intervals, the same for the same run every time.

Figures of returns and of the book come from worlds of blocks of the past (stationary bootstrap),
so that what clusters stays together; figures of trades from trades drawn with replacement. All
limits are percentiles of the figure over the worlds (Efron): they follow any monotone change of
scale and stay where the figure can be. Nothing here knows about the search that found the run;
that is what the deflated Sharpe ratio is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.worlds import MIN_BARS, block_length
from apps.backtests.kernel.metrics import METRICS
from apps.backtests.kernel.reports import LEVELS, TAIL_METHODS

Floats = NDArray[np.float64]
Rows = dict[str, dict[str, Any]]
LEVEL = 0.95
WORLDS, LEAST_WORLDS = 1000, 200
# Numbers drawn per answer; longer runs get fewer worlds, never under LEAST_WORLDS.
MOST_DRAWN = 12_500_000
THREADS = 2
# A figure that so many worlds have no value of has no interval.
MOST_UNTOLD = 0.1
NAMES = tuple(METRICS)
TAILS = tuple(
    f"{method}_{level * 100:g}.{name}"
    for method in TAIL_METHODS
    for level in LEVELS
    for name in ("var", "es")
)
BLOCKS = "stationary block bootstrap, percentile"
DRAWS = "bootstrap over trades, percentile"
BOOK = ("exposure", "time_in_market", "turnover", "fees_paid")
TRADES = (
    "win_rate",
    "profit_factor",
    "mean_return",
    "mean_bars",
    "mean_mae",
    "mean_mfe",
    "pnl",
)
NO_INTERVAL = {
    "best": "the largest of a sample has no interval by resampling",
    "worst": "the smallest of a sample has no interval by resampling",
}


@dataclass(frozen=True, slots=True)
class Book:
    """What was held and traded by bar: shares of equity, money, fees."""

    exposure: Floats
    traded: Floats
    fees: Floats
    equity: Floats
    start_cash: float


def seed_of(digest: str) -> int:
    """Return the seed that belongs to a run: the first 60 bits of its digest."""
    return int(digest[:15] or "0", 16)


def worlds_for(n: int) -> int:
    """Return how many worlds a series of ``n`` gets."""
    return max(LEAST_WORLDS, min(WORLDS, MOST_DRAWN // max(n, 1)))


def return_intervals(
    returns: Floats,
    benchmark: Floats | None,
    ts: NDArray[np.int64],
    *,
    periods: float,
    seed: int,
    worlds: int | None = None,
    block: float | None = None,
    level: float = LEVEL,
) -> Rows:
    """Return an interval for each figure of ``METRICS`` and of the tail (``historical_95.var``).

    Parameters
    ----------
    returns, benchmark
        ``(n,)`` simple returns; rows without a return are left out, one without a benchmark only
        counts for figures that need none.
    ts
        ``(n,)`` microseconds since 1970: the calendar the worlds are laid on.

    Returns
    -------
    dict
        By name ``low``, ``high`` (None with a ``reason``), ``level``, ``method``, ``n`` (worlds),
        ``block`` (mean length in bars) and ``observations``.

    References
    ----------
    Politis and Romano (1994), Journal of the American Statistical Association 89(428). Politis and
    White (2004), Econometric Reviews 23(1). Efron (1981), Canadian Journal of Statistics 9(2).
    """
    there = np.isfinite(returns)
    count = int(there.sum())
    if count < MIN_BARS:
        return _untold((*NAMES, *TAILS), f"{count} returns; {MIN_BARS} are needed", BLOCKS)
    market = np.full(count, np.nan) if benchmark is None else benchmark[there]
    source = np.ascontiguousarray(np.column_stack([returns[there], market]))
    mean = block_length(source[:, 0]) if block is None else float(block)
    number = worlds_for(count) if worlds is None else worlds
    drawn = _drawn(source, ts[there], periods, mean, seed, number)
    names = (*NAMES, *TAILS)
    told = {"method": BLOCKS, "block": round(mean, 2), "observations": count}
    rows = {name: _limits(drawn[:, i], level, told) for i, name in enumerate(names)}
    if benchmark is None:
        rows = {n: row for n, row in rows.items() if n not in METRICS or not METRICS[n].benchmark}
    return rows


def _drawn(
    source: Floats,
    ts: NDArray[np.int64],
    periods: float,
    mean: float,
    seed: int,
    worlds: int,
) -> Floats:
    """Return every figure of every world, ``(worlds, names)``."""
    from apps.backtests.kernel import interval_loops as loops
    from apps.backtests.kernel.integrity.world_loops import blocks_2d

    normal = NormalDist()
    tails = np.array([1.0 - level for level in LEVELS])
    scores = np.array([normal.inv_cdf(tail) for tail in tails])
    densities = np.array([normal.pdf(score) for score in scores])
    has_market = bool(np.isfinite(source[:, 1]).sum() >= 2)
    out = np.full((worlds, len(NAMES) + len(TAILS)), np.nan)
    keys = _keys(seed, worlds)

    def some(first: int) -> None:
        world = np.empty_like(source)
        for i in range(first, worlds, THREADS):
            blocks_2d(source, mean, keys[i], world)
            loops.path_1d(world, ts, periods, out[i])
            loops.gains_1d(world, periods, out[i])
            loops.spread_1d(world, periods, out[i])
            if has_market:
                loops.market_1d(world, periods, out[i])
            loops.tail_1d(np.sort(world[:, 0]), tails, scores, densities, out[i])

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(some, range(THREADS)))
    return out


def _keys(seed: int, worlds: int) -> NDArray[np.uint64]:
    """Return a stream of draws for each world, no two alike."""
    first, second = np.random.SeedSequence(seed).generate_state(2, np.uint64) | np.uint64(1)
    odd = 2 * np.arange(worlds, dtype=np.uint64) + np.uint64(1)
    return np.asarray(first ^ (second * odd), dtype=np.uint64)


def book_intervals(
    book: Book, *, periods: float, seed: int, worlds: int | None = None, level: float = LEVEL
) -> Rows:
    """Return intervals of exposure, time in the market, turnover and fees.

    Bars are drawn in blocks whose length is that of the exposure, which changes slowly.
    """
    from apps.backtests.kernel.integrity.world_loops import blocks_2d

    n = len(book.equity)
    known = np.nan_to_num(book.exposure)
    if n < MIN_BARS:
        return _untold(BOOK, f"{n} bars; {MIN_BARS} are needed", BLOCKS)
    held = (known > 0.0).astype(np.float64)
    source = np.column_stack([known, held, book.traded, book.fees, book.equity])
    source = np.ascontiguousarray(source)
    mean = block_length(known)
    number = worlds_for(5 * n) if worlds is None else worlds
    world, sums = np.empty_like(source), np.empty((number, source.shape[1]))
    for i, key in enumerate(_keys(seed + 1, number)):
        blocks_2d(source, mean, key, world)
        sums[i] = world.sum(axis=0)
    told = {"method": BLOCKS, "block": round(mean, 2), "observations": n}
    return {name: _limits(row, level, told) for name, row in _book(sums, book, periods).items()}


def _book(sums: Floats, book: Book, periods: float) -> dict[str, Floats]:
    n = len(book.equity)
    years = max(n - 1, 1) / periods
    known = max(int(np.isfinite(book.exposure).sum()), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        turnover = np.where(sums[:, 4] > 0.0, sums[:, 2] / 2.0 / (sums[:, 4] / n) / years, np.nan)
    return {
        "exposure": sums[:, 0] / known,
        "time_in_market": sums[:, 1] / n,
        "turnover": turnover,
        "fees_paid": sums[:, 3] / book.start_cash,
    }


def trade_intervals(
    trades: Mapping[str, Any], *, seed: int, worlds: int | None = None, level: float = LEVEL
) -> Rows:
    """Return intervals of the figures of round trips; trades are taken to be independent.

    Parameters
    ----------
    trades
        Columns ``pnl``, ``return``, ``bars_held``, ``mae``, ``mfe``; what is missing is left out.
    """
    pnl = np.asarray(trades["pnl"], dtype=np.float64)
    n = len(pnl)
    if n < 2:
        return _untold(TRADES, f"{n} trade{'' if n == 1 else 's'}; 2 are needed", DRAWS)
    number = worlds_for(n) if worlds is None else worlds
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 2])))
    measures = _measures(trades)
    drawn = {name: np.empty(number) for name in measures}
    for i in range(number):
        rows = rng.integers(0, n, n)
        for name, measure in measures.items():
            drawn[name][i] = measure(rows)
    told = {"method": DRAWS, "block": 1.0, "observations": n}
    return {name: _limits(values, level, told) for name, values in drawn.items()} | {
        name: {"low": None, "high": None, "reason": why, "level": level, "method": DRAWS, "n": 0}
        for name, why in NO_INTERVAL.items()
    }


def _measures(trades: Mapping[str, Any]) -> dict[str, Callable[[NDArray[np.int64]], float]]:
    pnl = np.asarray(trades["pnl"], dtype=np.float64)
    won, gain, lost = pnl > 0.0, np.maximum(pnl, 0.0), np.maximum(-pnl, 0.0)
    columns = {
        "mean_return": "return",
        "mean_bars": "bars_held",
        "mean_mae": "mae",
        "mean_mfe": "mfe",
    }
    found: dict[str, Callable[[NDArray[np.int64]], float]] = {
        "win_rate": lambda rows: float(won[rows].mean()),
        "profit_factor": lambda rows: _ratio(float(gain[rows].sum()), float(lost[rows].sum())),
        "pnl": lambda rows: float(pnl[rows].sum()),
    }
    for name, column in columns.items():
        if column in trades:
            found[name] = _mean_of(np.asarray(trades[column], dtype=np.float64))
    return found


def _mean_of(values: Floats) -> Callable[[NDArray[np.int64]], float]:
    return lambda rows: float(values[rows].mean())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else float("nan")


def _limits(values: Floats, level: float, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the two percentiles of a figure over the worlds that have it."""
    known = values[np.isfinite(values)]
    row = {"level": level, "n": len(known), **told}
    if len(known) < (1.0 - MOST_UNTOLD) * len(values):
        share = 1.0 - len(known) / len(values)
        return {**row, "low": None, "high": None, "reason": f"undefined in {share:.0%} of worlds"}
    low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return {**row, "low": float(low), "high": float(high)}


def _untold(names: tuple[str, ...], why: str, method: str) -> Rows:
    row = {"low": None, "high": None, "reason": why, "level": LEVEL, "method": method, "n": 0}
    return {name: dict(row) for name in names}
