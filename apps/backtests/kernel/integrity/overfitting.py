"""Probability of backtest overfitting, by combinatorially symmetric cross-validation (CSCV).

The record is cut into blocks of equal length; half of them choose the best of the trials, the
other half judge it, for every way of choosing half. How often the chosen one does no better than
the middle of all on the half it was not chosen on is the probability of overfitting.

Of each trial only the sums of returns and squares by block are needed, so that much is kept of
trials whose returns are not.

References
----------
Bailey, Borwein, López de Prado and Zhu, "The probability of backtest overfitting", Journal of
Computational Finance 20 (2017).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.sharpe import FLAT

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
BLOCKS = 16
# Ratios outside of each so-many-th split enter the distribution of "any trial".
EVERY = 8
BINS = 200


@dataclass(frozen=True, slots=True)
class Sums:
    """Returns of trials on the same bars, added up by block.

    ``ones`` and ``squares`` are ``(blocks, n_trials)``, ``counts`` is ``(blocks,)``.
    """

    ones: Floats
    squares: Floats
    counts: Floats


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What came out of all splits. Ratios are per observation; each array has one per split."""

    pbo: float
    logits: Floats
    inside: Floats
    outside: Floats
    n_trials: int
    blocks: int
    slope: float
    intercept: float
    r_squared: float
    loss: float
    dominates: bool
    dominates_second: bool


def block_sums(returns: Floats, blocks: int = BLOCKS) -> Sums:
    """Return ``(n_obs, n_trials)`` returns added up by block; blocks differ by one at most.

    Raises
    ------
    ValueError
        For fewer than two observations in a block, or one missing.
    """
    sample = np.asarray(returns, dtype=np.float64)
    sample = sample.reshape(len(sample), -1)
    if len(sample) < 2 * blocks:
        message = f"{len(sample)} observations do not make {blocks} blocks of at least two"
        raise ValueError(message)
    edges = [len(sample) * k // blocks for k in range(blocks + 1)]
    parts = [sample[low:high] for low, high in pairwise(edges)]
    ones = np.array([part.sum(axis=0) for part in parts])
    squares = np.array([np.einsum("ij,ij->j", part, part) for part in parts])
    if not np.isfinite(squares).all():
        message = "returns have gaps; trials are compared on the same bars"
        raise ValueError(message)
    return Sums(ones, squares, np.diff(edges).astype(np.float64))


def overfitting(sums: Sums, *, threads: int = 2) -> Overfitting:
    """Return the probability that the best of the trials was picked for luck.

    Parameters
    ----------
    sums
        Of at least two trials in an even number of blocks.

    Raises
    ------
    ValueError
        For one trial alone, or an odd number of blocks.

    Notes
    -----
    The best is that of the highest Sharpe ratio; a trial without variation counts as 0. The rank
    outside runs from 1 to N, ties share their middle; ω = rank / (N + 1), the logit is
    ln(ω / (1 - ω)), and the probability is the share of logits at or below 0.
    """
    blocks, n_trials = sums.ones.shape
    if n_trials < 2 or blocks % 2:
        message = f"{n_trials} trials in {blocks} blocks; at least two, and an even number, needed"
        raise ValueError(message)
    found, bins, low, width = _splits(sums, threads)
    inside, outside, rank = np.moveaxis(found, 2, 0).reshape(3, -1)
    share = rank / (n_trials + 1.0)
    logits = np.log(share / (1.0 - share))
    slope, intercept, r_squared = _line(inside, outside)
    first, second = _dominance(outside, bins, low, width)
    return Overfitting(
        pbo=float((logits <= 0.0).mean()),
        logits=logits,
        inside=inside,
        outside=outside,
        n_trials=n_trials,
        blocks=blocks,
        slope=slope,
        intercept=intercept,
        r_squared=r_squared,
        loss=float((outside < 0.0).mean()),
        dominates=first,
        dominates_second=second,
    )


@lru_cache(4)
def half_masks(blocks: int) -> Counts:
    """Return which blocks are inside, as bits, for half of all splits: those with the last block.

    The others are their mirror images.
    """
    every = np.arange(2**blocks, dtype=np.int64)
    bits = (every[:, None] >> np.arange(blocks)) & 1
    chosen = (bits.sum(axis=1) == blocks // 2) & (bits[:, -1] == 1)
    found: Counts = every[chosen]
    return found


def _splits(sums: Sums, threads: int) -> tuple[Floats, Counts, float, float]:
    from apps.backtests.kernel.integrity import loops

    ones, squares = _subsets(sums.ones), _subsets(sums.squares)
    counts = _subsets(sums.counts[:, None])[:, 0]
    masks = half_masks(len(sums.counts))
    found = np.empty((len(masks), 2, 3))
    low, width = _bin_range(sums)
    cuts = [len(masks) * k // threads // EVERY * EVERY for k in range(threads)] + [len(masks)]
    bins = np.zeros((threads, BINS), np.int64)

    def judge(part: int) -> None:
        mine = slice(cuts[part], cuts[part + 1])
        terms = (EVERY, FLAT, low, width)
        loops.splits_1d(ones, squares, counts, masks[mine], *terms, found[mine], bins[part])

    if threads == 1:
        judge(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(judge, range(threads)))
    return found, bins.sum(axis=0), low, width


def _subsets(rows: Floats) -> Floats:
    """Return the sums over every set of the first half of the rows, then of the second."""
    half = len(rows) // 2
    out = np.zeros((2, 2**half, rows.shape[1]))
    for part, own in zip(out, (rows[:half], rows[half:]), strict=True):
        for k, row in enumerate(own):
            np.add(part[: 2**k], row, out=part[2**k : 2 ** (k + 1)])
    return out.reshape(-1, rows.shape[1])


def _bin_range(sums: Sums) -> tuple[float, float]:
    """Return where bins begin and their width: from the worst to the best, and room for chance."""
    n = sums.counts.sum()
    total, square = sums.ones.sum(axis=0), sums.squares.sum(axis=0)
    spread = np.sqrt(np.maximum(square - total**2 / n, FLAT * square) / (n - 1.0))
    ratio = np.divide(total / n, spread, out=np.zeros_like(spread), where=spread > 0.0)
    reach = 6.0 / np.sqrt(n / 2.0)
    low = float(ratio.min() - reach)
    return low, float(ratio.max() + reach - low) / BINS


def _line(inside: Floats, outside: Floats) -> tuple[float, float, float]:
    """Return slope, intercept and R² of the ratio outside on the ratio inside."""
    gaps = inside - inside.mean()
    spread = float(gaps @ gaps)
    if spread <= 0.0:
        return 0.0, float(outside.mean()), 0.0
    slope = float(gaps @ (outside - outside.mean())) / spread
    intercept = float(outside.mean() - slope * inside.mean())
    left = float(((outside - outside.mean()) ** 2).sum())
    return slope, intercept, slope**2 * spread / left if left > 0.0 else 0.0


def _dominance(outside: Floats, bins: Counts, low: float, width: float) -> tuple[bool, bool]:
    """Return whether the chosen one beats any trial outside, in the first and second order."""
    places = np.clip(((outside - low) / width).astype(np.int64), 0, len(bins) - 1)
    mine = np.cumsum(np.bincount(places, minlength=len(bins))) / len(outside)
    others = np.cumsum(bins) / bins.sum()
    gap = others - mine
    first = bool((gap >= -1e-12).all() and (gap > 0.0).any())
    area = np.cumsum(gap)
    return first, bool((area >= -1e-9).all() and (area > 0.0).any())
