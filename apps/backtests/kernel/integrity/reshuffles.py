"""Monte Carlo over trades: what a run's drawdown and growth were like in another order.

One history has one drawdown, and a lucky order of the same trades makes it small. Here the same
steps come in other orders, or others like them are drawn, and each path is measured like the run.

- ``shuffle``: the run's trades, each once, in random order. Growth stays what it was; drawdown
  and time under water change.
- ``trades``: as many trades drawn from them with replacement. Growth changes too.
- ``bars``: blocks of the run's returns by bar, of random place and length (stationary bootstrap),
  so that what hung together in time still does, losses within trades too.

Path ``i`` depends on ``seed`` and ``i`` alone: the same bytes on any number of threads.

References
----------
Efron and Tibshirani (1993), An Introduction to the Bootstrap, ch. 13 and 16.
Politis and Romano (1994), Journal of the American Statistical Association 89(428).
Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9(1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.worlds import MIN_BARS, THREADS, block_length, keys_of
from apps.core.errors import Invalid

Floats = NDArray[np.float64]
METHODS = {
    "shuffle": "the same trades in random order",
    "trades": "trades drawn from them with replacement",
    "bars": "blocks of bars of random place and length (stationary bootstrap)",
}
UNITS = {"shuffle": "trades", "trades": "trades", "bars": "bars"}
LEAST = {"shuffle": 2, "trades": 5, "bars": MIN_BARS}
FEWEST_PATHS, MOST_PATHS, USUAL_PATHS = 100, 20_000, 2_000
# Steps over all paths: about two seconds of one core.
MOST_STEPS = 400_000_000
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BANDS = (0.05, 0.25, 0.5, 0.75, 0.95)
LIMITS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
RUIN = 0.5
MOST_MARKS = 120
BINS = 40


@dataclass(frozen=True, slots=True)
class Paths:
    """Figures of each path, ``(n_paths,)`` each, and the value of 1 along it.

    ``under_water`` is in steps, ``mean`` and ``spread`` (sample) are of a step's return;
    ``values`` is ``(n_paths, len(marks))``, the value after so many steps as ``marks`` says.
    """

    method: str
    block: float | None
    n_steps: int
    drawdown: Floats
    under_water: Floats
    final: Floats
    lowest: Floats
    mean: Floats
    spread: Floats
    marks: NDArray[np.int64]
    values: Floats


def trade_steps(pnl: Floats, cash: float) -> Floats:
    """Return what each trade did to the equity of those closed before it, as a fraction.

    Parameters
    ----------
    pnl
        ``(n,)`` profit after fees, in the order in which trades ended.
    cash
        Equity before the first.

    Notes
    -----
    f_i = pnl_i / E_{i-1}, E_i = E_{i-1} + pnl_i. Compounding them gives the last equity exactly,
    whatever the order. Trades that overlapped stand one after the other.

    Raises
    ------
    Invalid
        When the equity of closed trades falls to 0 with trades still to come.
    """
    gains = np.asarray(pnl, dtype=np.float64)
    before = np.concatenate(([cash], cash + np.cumsum(gains)))[:-1]
    if (before <= 0.0).any():
        place = int(np.argmax(before <= 0.0))
        message = (
            f"After {place} of {len(gains)} trades the equity of closed ones is "
            f"{before[place]:,.2f}; there is nothing left to compound. Choose method bars."
        )
        raise Invalid(message, code="reshuffle.ruined", details={"field": "method"})
    return gains / before


def seed_of(digest: str, method: str) -> int:
    """Return the seed of a run's paths: told by its digest, so that every worker draws alike."""
    return int.from_bytes(sha256(f"{digest}:{method}".encode()).digest()[:8], "big")


def check_paths(method: str, n_paths: int | None, n_steps: int) -> int:
    """Return how many paths to make; as many as usual, or fit, when ``None`` is asked.

    Raises ``Invalid`` for an unknown method, too few steps, too few or too many paths.
    """
    if method not in METHODS:
        message = f"method = {method!r}; choose one of {', '.join(METHODS)}."
        raise Invalid(message, code="reshuffle.method", details={"field": "method"})
    if n_steps < LEAST[method]:
        message = f"{n_steps} {UNITS[method]}; {method} needs {LEAST[method]} at least."
        raise Invalid(message, code="reshuffle.few", details={"field": "method"})
    most = min(MOST_PATHS, MOST_STEPS // n_steps)
    wanted = min(USUAL_PATHS, most) if n_paths is None else n_paths
    if most < FEWEST_PATHS:
        message = f"{n_steps:,} {UNITS[method]} make paths too long for {FEWEST_PATHS} of them."
        raise Invalid(message, code="reshuffle.long", details={"field": "method"})
    if not FEWEST_PATHS <= wanted <= most:
        message = f"n = {wanted}; ask for {FEWEST_PATHS} to {most:,} paths of {n_steps:,} steps."
        raise Invalid(message, code="reshuffle.paths", details={"field": "n"})
    return wanted


def reshuffle(
    steps: Floats,
    method: str,
    n_paths: int | None,
    seed: int,
    *,
    block: float | None = None,
    threads: int = THREADS,
) -> Paths:
    """Return paths made of a run's steps.

    Parameters
    ----------
    steps
        ``(n,)`` simple returns: of ``trade_steps``, or by bar for ``bars``.
    method
        One of ``METHODS``.
    n_paths
        How many; None for 2,000 or as many as fit.
    block
        Mean length of blocks of ``bars``, that of ``block_length`` without.

    Raises
    ------
    Invalid
        For missing or infinite steps, and as ``check_paths``.
    """
    from apps.backtests.kernel.integrity import reshuffle_loops as loops

    source = np.ascontiguousarray(steps, dtype=np.float64)
    wanted = check_paths(method, n_paths, len(source))
    if not np.isfinite(source).all():
        message = "The steps hold missing or infinite values; leave such ones out first."
        raise Invalid(message, code="reshuffle.not_finite", details={"field": "method"})
    kind = (loops.SHUFFLE, loops.DRAW, loops.BLOCKS)[list(METHODS).index(method)]
    mean = _block(source, block) if method == "bars" else 0.0
    keys, marks = keys_of(seed, wanted), _marks(len(source))
    figures, values = np.empty((wanted, loops.N_FIGURES)), np.empty((wanted, len(marks)))

    def some(first: int, last: int) -> None:
        parts = keys[first:last], marks, figures[first:last], values[first:last]
        loops.paths_2d(source, kind, mean, *parts)

    edges = np.linspace(0, wanted, max(threads, 1) + 1).astype(int).tolist()
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(lambda ends: some(*ends), pairwise(edges)))
    columns = [np.ascontiguousarray(figures[:, place]) for place in range(loops.N_FIGURES)]
    return _paths(method, mean or None, len(source), columns, marks, values)


def _paths(
    method: str,
    block: float | None,
    n_steps: int,
    columns: Sequence[Floats],
    marks: NDArray[np.int64],
    values: Floats,
) -> Paths:
    deep, under, final, lowest, mean, spread = columns
    return Paths(method, block, n_steps, deep, under, final, lowest, mean, spread, marks, values)


def measured(steps: Floats) -> Floats:
    """Return the figures of the steps in the order they came, one row like those of paths."""
    from apps.backtests.kernel.integrity import reshuffle_loops as loops

    source = np.ascontiguousarray(steps, dtype=np.float64)
    out = np.empty(loops.N_FIGURES)
    loops.walk_1d(source, np.empty(0, np.int64), out, np.empty(0))
    return out


def _block(source: Floats, given: float | None) -> float:
    mean = block_length(source) if given is None else float(given)
    if not 1.0 <= mean <= len(source):
        message = f"block = {mean}; give a mean length of 1 to {len(source)} bars."
        raise Invalid(message, code="reshuffle.block", details={"field": "block"})
    return mean


def _marks(n_steps: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n_steps, min(n_steps, MOST_MARKS) + 1).round().astype(int))[1:]


def mean_p_value(paths: Paths, mean: float) -> float | None:
    """Return how likely a mean return so high is where the true one is 0; None for ``shuffle``.

    Notes
    -----
    Steps less their mean have none, so their bootstrapped mean m* - m is what luck makes of a
    true mean of 0: p = (1 + #{m* - m >= m}) / (n + 1), against "the true mean is at most 0".
    """
    if paths.method == "shuffle":
        return None
    lucky = int(np.count_nonzero(paths.mean - mean >= mean))
    return (1 + lucky) / (len(paths.mean) + 1)


def order_p_value(paths: Paths, drawdown: float) -> float:
    """Return how often chance makes a drawdown no deeper than the run's: near 0, it was lucky."""
    calm = int(np.count_nonzero(paths.drawdown <= drawdown * (1.0 + 1e-12)))
    return (1 + calm) / (len(paths.drawdown) + 1)


def summary(
    paths: Paths,
    steps: Floats,
    *,
    years: float,
    start: float = 1.0,
    limits: Sequence[float] = LIMITS,
    ruin: float = RUIN,
) -> dict[str, Any]:
    """Return paths as JSON: quantiles beside what was observed, probabilities, pictures.

    Parameters
    ----------
    steps
        Those the paths are made of, in the order they came.
    years
        How long the record is; CAGR is final^(1 / years) - 1, the Sharpe ratio mean / sample sd
        · √(steps / years).
    start
        Equity at the beginning.
    limits
        Drawdowns (fractions) whose probability is told.
    ruin
        The loss of the starting equity (a fraction) that counts as ruin.
    """
    rows = _figures(paths, years, start)
    seen = measured(steps)
    own = _paths(
        paths.method, None, len(steps), list(seen[:, None]), paths.marks[:0], paths.values[:0]
    )
    observed = {name: values[0] for name, values in _figures(own, years, start).items()}
    n = len(paths.final)
    return {
        "method": paths.method,
        "says": METHODS[paths.method],
        "unit": UNITS[paths.method],
        "paths": n,
        "steps": paths.n_steps,
        "block": paths.block,
        "years": years,
        "start": start,
        "figures": {
            name: {"observed": _number(observed[name]), **_quantiles(values)}
            for name, values in rows.items()
        },
        "drawdown_beyond": [
            {"limit": limit, **_share(paths.drawdown > limit)} for limit in limits
        ],
        "loss": _share(paths.final < 1.0),
        "ruin": {"limit": ruin, **_share(paths.lowest <= 1.0 - ruin)},
        "p_value": mean_p_value(paths, float(own.mean[0])),
        "p_drawdown": order_p_value(paths, float(own.drawdown[0])),
        "fan": _fan(paths, steps, start),
        "histogram": _histogram(paths.drawdown, float(own.drawdown[0])),
    }


def _figures(paths: Paths, years: float, start: float) -> dict[str, Floats]:
    flat = paths.spread <= 1e-13 * np.maximum(np.abs(paths.mean), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(flat, np.nan, paths.mean / paths.spread)
        growth = paths.final ** (1.0 / years) - 1.0
    return {
        "max_drawdown": paths.drawdown,
        "under_water": paths.under_water,
        "equity_final": paths.final * start,
        "cagr": growth,
        "sharpe": ratio * math.sqrt(paths.n_steps / years),
    }


def _quantiles(values: Floats) -> dict[str, float | None]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {f"q{100 * level:g}": None for level in LEVELS}
    found = np.quantile(known, LEVELS)
    return {
        f"q{100 * level:g}": _number(value) for level, value in zip(LEVELS, found, strict=True)
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _share(hits: NDArray[np.bool_]) -> dict[str, float]:
    """Return a share of paths and the standard error of having drawn no more of them."""
    share = float(hits.mean())
    return {"probability": share, "error": math.sqrt(share * (1.0 - share) / len(hits))}


def _fan(paths: Paths, steps: Floats, start: float) -> dict[str, list[float]]:
    bands = np.quantile(paths.values, BANDS, axis=0) * start
    own = np.maximum(np.cumprod(1.0 + np.maximum(steps, -1.0)), 0.0)[paths.marks - 1] * start
    named = {f"q{100 * level:g}": row for level, row in zip(BANDS, bands, strict=True)}
    fan = {name: [start, *row.tolist()] for name, row in {**named, "observed": own}.items()}
    return {"steps": [0, *paths.marks.tolist()], **fan}


def _histogram(drawdown: Floats, own: float) -> dict[str, list[float]]:
    low, high = (f(float(f(drawdown)), own) for f in (min, max))
    if high - low < 1e-9:
        low, high = max(low - 0.005, 0.0), high + 0.005
    counts, edges = np.histogram(drawdown, BINS, (low, high))
    return {"edges": edges.tolist(), "counts": counts.tolist()}
