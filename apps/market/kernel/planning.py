"""What an ingestion has to fetch: wanted stretches less what is there, cut to what one may ask.

All is done on arrays over all symbols at once, so that a market of 40,000 is planned in a second.
Stretches are half open and count the opens of bars in microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.periods import EARLIEST, LATEST

Times = NDArray[np.int64]
MODES = ("missing", "full", "repair")
MICROS = 1_000_000
DAY_SECONDS = 86_400
HALF_HOUR = 1_800
# Bars that vendors may correct or publish late: asked for again by the next run.
OVERLAP = 5
LONGEST_WAIT = 60.0
NONE = EARLIEST - 1


@dataclass(frozen=True, slots=True)
class Stretches:
    """Half-open stretches of time: of which symbol (its number), from when, until when."""

    symbol: NDArray[np.int64]
    low: Times
    high: Times

    def __len__(self) -> int:
        return len(self.symbol)

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Stretches:
        """Return the stretches that ``keep`` selects."""
        return Stretches(self.symbol[keep], self.low[keep], self.high[keep])


def stretches(rows: Sequence[tuple[int, int, int]]) -> Stretches:
    """Return rows of symbol, low and high as arrays."""
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Stretches(table[:, 0], table[:, 1], table[:, 2])


@dataclass(frozen=True, slots=True)
class Held:
    """What is there of each wanted symbol.

    Parameters
    ----------
    first, last
        ``(n,)`` open of the first and of the last stored bar; ``NONE`` where nothing is stored.
    asked
        What was asked for before and answered, in the opens it covered.
    gaps
        Stretches between first and last where bars are missing.
    """

    first: Times
    last: Times
    asked: Stretches
    gaps: Stretches


def nothing_held(n_symbols: int) -> Held:
    """Return what is there of symbols never heard of."""
    none = np.full(n_symbols, NONE, np.int64)
    return Held(none, none, stretches([]), stretches([]))


def covered_high(until: Times | int, step: int) -> Times:
    """Return where the opens end of bars that were over by ``until``."""
    return np.asarray(until, np.int64) - step + 1


def subtract(wanted: Stretches, covered: Stretches) -> Stretches:
    """Return what of ``wanted`` (one stretch per symbol, ascending) no ``covered`` overlaps."""
    n = len(wanted)
    row_of = np.searchsorted(wanted.symbol, covered.symbol)
    known = row_of < n
    known[known] = wanted.symbol[row_of[known]] == covered.symbol[known]
    row_of, covered = row_of[known], covered.take(known)
    rows = np.arange(n)
    # A first stretch that ends where the wanted one begins, a last one that begins at its end.
    row = np.concatenate([rows, row_of, rows])
    low = np.concatenate([np.full(n, EARLIEST - 2), covered.low, wanted.high])
    high = np.concatenate([wanted.low, covered.high, np.full(n, LATEST)])
    order = np.lexsort((low, row))
    row, low, high = row[order], low[order], high[order]
    reached = _running_max(row, high)
    same = row[1:] == row[:-1]
    left = Stretches(
        row[1:][same], reached[:-1][same], np.minimum(low[1:], wanted.high[row[1:]])[same]
    )
    left = left.take(left.low < left.high)
    return Stretches(wanted.symbol[left.symbol], left.low, left.high)


def _running_max(group: NDArray[np.int64], values: Times) -> Times:
    """Return the largest value so far within each group; groups ascend."""
    known, rank = np.unique(values, return_inverse=True)
    # Ranks keep the product of group and value far from the end of an int64.
    keys = np.maximum.accumulate(group * len(known) + rank)
    return np.asarray(known[keys % len(known)])


def plan_missing(since: Times, until: int, step: int, held: Held) -> Stretches:
    """Return what was never asked for, with the last bars again where new ones may follow.

    A symbol that was asked for before has all that was asked for; of another one what lies
    between its first and last bar, except its gaps, is taken as there.
    """
    n = len(since)
    symbols = np.arange(n)
    high = np.full(n, covered_high(until, step))
    wanted = Stretches(symbols, since, np.maximum(high, since))
    covered = _covered(symbols, held)
    left = subtract(wanted, covered)
    left = left.take(_may_hold_a_bar(left, step))
    top = np.full(n, NONE)
    np.maximum.at(top, covered.symbol, covered.high)
    is_tail = left.low == top[left.symbol]
    again = np.maximum(held.last[left.symbol], left.low - OVERLAP * step)
    again = np.maximum(again, since[left.symbol])
    low = np.where(
        is_tail & (held.last[left.symbol] != NONE), np.minimum(left.low, again), left.low
    )
    return Stretches(left.symbol, low, left.high)


def _covered(symbols: NDArray[np.int64], held: Held) -> Stretches:
    is_asked = np.zeros(len(symbols), bool)
    is_asked[held.asked.symbol] = True
    own = np.flatnonzero(~is_asked & (held.first != NONE))
    if not len(own):
        return held.asked
    # The last stored bar may be unfinished: it does not count as there.
    stored = subtract(Stretches(own, held.first[own], held.last[own]), held.gaps)
    return Stretches(
        np.concatenate([held.asked.symbol, stored.symbol]),
        np.concatenate([held.asked.low, stored.low]),
        np.concatenate([held.asked.high, stored.high]),
    )


def _may_hold_a_bar(left: Stretches, step: int) -> NDArray[np.bool_]:
    """Tell which stretches are long enough that a bar may open within: bars open on a grid."""
    seconds = step // MICROS
    if seconds >= DAY_SECONDS:
        seconds = DAY_SECONDS
    elif seconds > HALF_HOUR:
        seconds = HALF_HOUR
    grid = seconds * MICROS
    return np.asarray(-(-left.low // grid) * grid < left.high)


def plan_repair(since: Times, until: int, step: int, held: Held, merge: int) -> Stretches:
    """Return the gaps within what is wanted; those at most ``merge`` bars apart become one."""
    gaps = held.gaps
    low = np.maximum(gaps.low, since[gaps.symbol])
    high = np.minimum(gaps.high, covered_high(until, step))
    keep = low < high
    found = Stretches(gaps.symbol[keep], low[keep], high[keep])
    order = np.lexsort((found.low, found.symbol))
    found = found.take(order)
    if not len(found):
        return found
    reached = _running_max(found.symbol, found.high)
    starts = np.append(
        True,
        (found.symbol[1:] != found.symbol[:-1]) | (found.low[1:] > reached[:-1] + merge * step),
    )
    first = np.flatnonzero(starts)
    return Stretches(found.symbol[first], found.low[first], np.maximum.reduceat(found.high, first))


def plan_full(since: Times, until: int, step: int) -> Stretches:
    """Return all that is wanted, whatever is there."""
    high = np.full(len(since), covered_high(until, step))
    found = Stretches(np.arange(len(since)), since, high)
    return found.take(found.low < found.high)


def cut(found: Stretches, window: int, step: int) -> Stretches:
    """Return stretches of at most ``window`` bars; 0 and open beginnings leave them whole."""
    if not window or not len(found):
        return found
    size = window * step
    pieces = np.where(found.low <= EARLIEST, 1, -(-(found.high - found.low) // size))
    row = np.repeat(np.arange(len(found)), pieces)
    number = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    low = found.low[row] + number * size
    high = np.where(pieces[row] == 1, found.high[row], np.minimum(low + size, found.high[row]))
    return Stretches(found.symbol[row], low, high)


def plan_fetches(
    mode: str, since: Times, until: int, step: int, held: Held, window: int
) -> Stretches:
    """Return what to fetch, by symbol and time.

    Parameters
    ----------
    mode
        ``missing``: what was never asked for; ``full``: all; ``repair``: the gaps.
    since
        ``(n,)`` from when each symbol is wanted, ``EARLIEST`` for all of its history.
    until
        Bars must be over by then.
    step
        Length of a bar in microseconds.
    window
        How many bars one fetch may ask for, 0 for any number.
    """
    if mode == "full":
        found = plan_full(since, until, step)
    elif mode == "repair":
        found = plan_repair(since, until, step, held, merge=(window or 500) // 10)
    else:
        found = plan_missing(since, until, step, held)
    return cut(found, window, step)


def backoff(attempt: int, retry_after: float, chance: float) -> float:
    """Return how many seconds to wait after failed attempt 1, 2, …; ``chance`` in [0, 1)."""
    wait = min(max(retry_after, 2.0 ** (attempt - 1)), LONGEST_WAIT)
    return wait * (1.0 + 0.25 * chance)


def next_time(at_utc: time, weekdays: Sequence[int], after: datetime) -> datetime:
    """Return the first moment after ``after`` at this hour on one of the weekdays (0 Monday).

    No weekdays mean every day.
    """
    day = after.astimezone(UTC).date()
    while True:
        found = datetime.combine(day, at_utc, UTC)
        if found > after and (not weekdays or found.weekday() in weekdays):
            return found
        day += timedelta(days=1)
