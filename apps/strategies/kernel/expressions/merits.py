"""How well values tell returns that follow: rank correlations, spreads, turnover.

References
----------
Grinold, R. C. and Kahn, R. N. (2000), Active Portfolio Management, 2nd ed., McGraw-Hill, on the
information coefficient; ranks after Spearman (1904).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.expressions.evaluation import Evaluator
from apps.strategies.kernel.expressions.nodes import Node
from apps.strategies.kernel.expressions.running import (
    SORTED_ROWS,
    deal,
    key_bits,
    run_whole,
    sorted_keys,
)

Floats = NDArray[np.float64]
# Instruments with a value and a return that a rank correlation takes at least.
FEWEST = 3


def returns_ahead(panel: Panel, horizon: int = 1) -> Floats:
    """Return what each instrument earns after each bar, ``(n_bars, n_assets)``.

    From the open after the bar, where an order decided at its close is filled, to the open
    ``horizon`` bars later; NaN where either open is missing, or not there yet.
    """
    out = np.full(panel.open.shape, np.nan)
    opens = panel.open[1:]
    if len(opens) > horizon:
        with np.errstate(all="ignore"):
            out[: len(opens) - horizon] = opens[horizon:] / opens[:-horizon] - 1.0
    out[~np.isfinite(out)] = np.nan
    return out


class Ahead:
    """Returns ahead, sorted once for many formulas to be compared with."""

    def __init__(self, returns: Floats, threads: int = 1) -> None:
        self.returns, self.threads = np.ascontiguousarray(returns), threads
        self.keys = sorted_keys(self.returns, threads)
        self.ranks, self.squares = self._ranked()

    def _ranked(self) -> tuple[Floats, Floats]:
        """Return the returns' ranks by row less their mean, and the sums of their squares."""
        from apps.strategies.kernel import loops

        x = self.returns
        bits, ranks, squares = key_bits(x.shape[1]), np.empty(x.shape), np.empty(len(x))

        def task(low: int, high: int) -> None:
            loops.middled_2d(x, low, bits, self.keys[low:high], ranks, squares)

        deal(task, len(x), self.threads)
        return ranks, squares

    def rank_ic(self, values: Floats) -> Floats:
        """Return Spearman's correlation of each row of values with the returns, ``(n_bars,)``.

        Over instruments that have both; NaN with fewer than three, or when either is all the same.
        """
        from apps.strategies.kernel import loops

        x = np.ascontiguousarray(values)
        bits, out = key_bits(x.shape[1]), np.empty(len(x))

        def task(low: int, high: int) -> None:
            for top in range(low, high, SORTED_ROWS):
                stop = min(top + SORTED_ROWS, high)
                keys = np.empty((stop - top, x.shape[1]))
                loops.keys_2d(x, top, bits, keys)
                keys.sort(axis=1)
                others = (self.keys[top:stop], self.ranks, self.squares)
                loops.rank_ic_2d(x, self.returns, top, bits, keys, *others, FEWEST, out)

        deal(task, len(x), self.threads)
        return out


def rank_ic(values: Floats, ahead: Floats, threads: int = 1) -> Floats:
    """Return the rank correlation of each row of values with the returns ahead, ``(n_bars,)``."""
    return Ahead(ahead, threads).rank_ic(values)


def population_ic(nodes: Sequence[Node], panel: Panel, ahead: Ahead, memory: int) -> Floats:
    """Return the rank correlations of many formulas, ``(n_formulas, n_bars)``.

    What formulas share is computed once, in at most about ``memory`` bytes of remembered arrays.
    """
    found = np.empty((len(nodes), panel.n_bars))
    evaluator = Evaluator(panel, memory=memory, threads=ahead.threads)
    for place, values in enumerate(evaluator.values(nodes)):
        found[place] = ahead.rank_ic(values)
    return found


def book_of(values: Floats, threads: int = 1) -> Floats:
    """Return the rank-weighted book of each row: weights sum to 0, their sizes to 1, else to 0."""
    there = np.isfinite(values)
    weights = _middled(values, there, there.sum(axis=1), threads)
    size = np.abs(weights).sum(axis=1, keepdims=True)
    book: Floats = np.divide(weights, size, out=np.zeros_like(weights), where=size > 0)
    return book


def turnover(values: Floats, threads: int = 1) -> Floats:
    """Return which share of the rank-weighted book each bar changes, ``(n_bars,)``; first is NaN.

    Half the sum of the changes of weights: 1 when all is sold and something else is bought.
    """
    book = book_of(values, threads)
    out = np.full(len(book), np.nan)
    held = np.abs(book).sum(axis=1) > 0
    changes = 0.5 * np.abs(np.diff(book, axis=0)).sum(axis=1)
    out[1:] = np.where(held[1:] & held[:-1], changes, np.nan)
    return out


def returns_by_bucket(
    values: Floats, ahead: Floats, buckets: int, threads: int = 1
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the mean return ahead of each bucket of values, lowest first, and how many it has.

    Returns are less the mean of their bar, so that buckets are compared and not markets.
    """
    both = np.isfinite(values) & np.isfinite(ahead)
    ranks = run_whole("rank", [np.where(both, values, np.nan)], (), threads)
    with np.errstate(all="ignore"):
        about = ahead - np.sum(ahead, axis=1, where=both, keepdims=True) / both.sum(
            axis=1, keepdims=True
        )
        places = np.ceil(ranks[both] * buckets - 1e-9).astype(np.int64) - 1
    places = np.clip(places, 0, buckets - 1)
    counts = np.bincount(places, minlength=buckets)
    sums = np.bincount(places, weights=about[both], minlength=buckets)
    return np.divide(sums, counts, out=np.full(buckets, np.nan), where=counts > 0), counts


def t_of(series: Floats, step: int = 1) -> float:
    """Return the t statistic of the mean of every ``step``-th value, those that overlap left out.

    NaN with fewer than three values, or when all are the same.
    """
    found = series[::step]
    found = found[np.isfinite(found)]
    if len(found) < FEWEST:
        return float("nan")
    spread = float(found.std(ddof=1))
    return float(found.mean() / spread * np.sqrt(len(found))) if spread > 0 else float("nan")


def _middled(values: Floats, there: NDArray[np.bool_], count: Floats, threads: int) -> Floats:
    """Return ranks less their mean where a value is there, else 0."""
    ranks = run_whole("rank", [np.where(there, values, np.nan)], (), threads)
    middle = (count[:, None] + 1.0) / (2.0 * np.maximum(count[:, None], 1))
    return np.where(there, ranks - middle, 0.0)
