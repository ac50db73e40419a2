"""Random entries: what a run held, for as long and as large, at other times on the real prices.

One instrument: its holdings come in random order, longs among longs and shorts among shorts, with
the bars out of the market spread at random between them; two holdings of one side never touch, so
that every world trades as often as the run did. Several instruments: the whole book is begun at a
random bar, goes on around the end, and is dealt anew to the instruments that have the same bars:
what was held together, its turnover and its sum stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.kernel.results import Result
from apps.core.errors import Invalid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ENTRIES = "random_entries"


@dataclass(frozen=True, slots=True)
class Book:
    """What a run held, by the close at which it was decided.

    Parameters
    ----------
    asked
        Weights where something was traded, NaN elsewhere, ``(n_bars, n_assets)``.
    held
        Weights held from each close on.
    first
        The first bar at which something may be decided.
    alike
        The instruments that have the same bars, together.
    """

    asked: Floats
    held: Floats
    first: int
    alike: tuple[Ints, ...]


def book_of(result: Result, warmup: int) -> Book:
    """Return what a run held. Raises ``Invalid`` without a trade, or once equity was lost."""
    if not len(result.fills):
        message = "The run made no trades, so there is nothing to hold against luck."
        raise Invalid(message, code="gauntlet.no_trades", details={"field": "run"})
    if not (result.equity > 0.0).all():
        message = "The run lost all its equity; what it held has no weights from then on."
        raise Invalid(message, code="gauntlet.ruined", details={"field": "kinds"})
    delay = get_fill_rule(result.fill).delay
    positions, close = result.positions, _known(result.close)
    value = np.where(positions == 0.0, 0.0, positions * np.nan_to_num(close))
    weights = value / result.equity[:, None]
    n = len(weights)
    at = np.minimum(np.arange(n) + delay, n - 1)
    held = weights[at]
    asked = np.full_like(held, np.nan)
    fills = np.maximum(result.fills.bar - delay, 0)
    asked[fills, result.fills.asset] = held[fills, result.fills.asset]
    first = int(min(warmup, fills.min()))
    return Book(asked, held, first, _alike(np.isfinite(result.close)))


def _known(close: Floats) -> Floats:
    """Return closes, each missing one by the last known."""
    at = np.where(np.isfinite(close), np.arange(len(close))[:, None], 0)
    return np.take_along_axis(close, np.maximum.accumulate(at, axis=0), axis=0)


def entered(book: Book, rng: np.random.Generator) -> Floats:
    """Return the targets of one world of random entries."""
    if book.asked.shape[1] == 1:
        return _spread(book, rng)
    return _rotated(book, rng)


def _spread(book: Book, rng: np.random.Generator) -> Floats:
    asked, n = book.asked[:, 0], len(book.asked)
    starts, lengths, signs = _stretches(book.held[:, 0], book.first)
    order = _order(signs, rng)
    turn = int(rng.integers(len(order)))
    idle = n - book.first - int(lengths.sum())
    if _touching(np.roll(signs, -turn)).sum() > idle:
        turn = 0
    signs, order = np.roll(signs, -turn), np.roll(order, -turn)
    gaps = _gaps(_touching(signs), idle, rng)
    targets = np.full((n, 1), np.nan)
    at = book.first
    for k, one in enumerate(order):
        at += gaps[k]
        stop = at + lengths[one]
        targets[at:stop, 0] = asked[starts[one] : starts[one] + lengths[one]]
        # The next holding writes over this when it follows at once.
        if stop < n:
            targets[stop, 0] = 0.0
        at = stop
    return targets


def _stretches(held: Floats, first: int) -> tuple[Ints, Ints, Ints]:
    """Return where each holding of one side begins, how long it is, and its side."""
    signs = np.sign(held).astype(np.int64)
    signs[:first] = 0
    edges = np.flatnonzero(np.diff(signs, prepend=0))
    ends = np.append(edges[1:], len(signs))
    some = signs[edges] != 0
    return edges[some], (ends - edges)[some], signs[edges][some]


def _order(signs: Ints, rng: np.random.Generator) -> Ints:
    """Return the holdings in random order, each in a place of its own side."""
    order = np.arange(len(signs))
    for side in (-1, 1):
        places = np.flatnonzero(signs == side)
        order[places] = rng.permutation(places)
    return order


def _touching(signs: Ints) -> Ints:
    """Return 1 for each holding that needs a gap before it: the one before is of its side."""
    return np.concatenate(([0], (signs[1:] == signs[:-1]).astype(np.int64)))


def _gaps(least: Ints, idle: int, rng: np.random.Generator) -> Ints:
    """Return the bars out of the market before each holding; every way of sharing them alike."""
    left = idle - int(least.sum())
    bars = np.sort(rng.permutation(left + len(least))[: len(least)])
    return np.asarray(np.diff(bars, prepend=-1) - 1 + least)


def _rotated(book: Book, rng: np.random.Generator) -> Floats:
    n, m = book.asked.shape
    span = n - book.first
    begin = int(rng.integers(span))
    rows = book.first + (np.arange(span) + begin) % span
    targets = np.full((n, m), np.nan)
    targets[book.first :] = book.asked[rows]
    # At its begin, and where the end meets the first bar, all that is held is asked for anew.
    for at in {0, (span - begin) % span}:
        targets[book.first + at] = book.held[rows[at]]
    dealt = np.arange(m)
    for alike in book.alike:
        dealt[alike] = rng.permutation(alike)
    return np.ascontiguousarray(targets[:, dealt])


def _alike(there: NDArray[np.bool_]) -> tuple[Ints, ...]:
    groups: dict[bytes, list[int]] = {}
    for column in range(there.shape[1]):
        groups.setdefault(there[:, column].tobytes(), []).append(column)
    return tuple(np.array(columns) for columns in groups.values())
