"""Longer bars from shorter ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.core.kernel.timeframes import SECONDS, seconds_of
from apps.market.kernel.columns import Columns

MICROS = 1_000_000
DAY = 86400 * MICROS
MONDAY = 4 * DAY  # 1970-01-05
# Volume is summed step by step up these, so that the sum of floats is the same to the bit in a
# database that keeps each step and builds the next from it.
LADDER = ("5m", "15m", "1h", "4h", "1d")
NEVER = np.iinfo(np.int64).max
# From here on the compiled loop gains more than it costs to load.
MANY = 1_000_000


def bucket_starts(ts: NDArray[np.int64], timeframe: str) -> NDArray[np.int64]:
    """Return the open of the bar of ``timeframe`` each time falls in; weeks start on Monday."""
    if timeframe == "1mo":
        return ts.astype("M8[us]").astype("M8[M]").astype("M8[us]").astype(np.int64)
    length = seconds_of(timeframe) * MICROS
    offset = MONDAY if timeframe == "1w" else 0
    return np.asarray((ts - offset) // length * length + offset)


def bucket_end(start: int, timeframe: str) -> int:
    """Return when the bar that opens at ``start`` closes."""
    if timeframe == "1mo":
        following = np.datetime64(start, "us").astype("M8[M]") + 1
        return int(following.astype("M8[us]").astype(np.int64))
    return start + seconds_of(timeframe) * MICROS


def bucket_ends(starts: NDArray[np.int64], timeframe: str) -> NDArray[np.int64]:
    """Return when the bars that open at ``starts`` close."""
    if timeframe == "1mo":
        following = starts.astype("M8[us]").astype("M8[M]") + 1
        return np.asarray(following.astype("M8[us]").astype(np.int64))
    return np.asarray(starts + seconds_of(timeframe) * MICROS)


def resample(bars: Columns, timeframe: str, *, source: str, complete: bool) -> Columns:
    """Return bars of ``timeframe`` from bars of ``source``, stamped by their open.

    Parameters
    ----------
    bars
        In time order.
    complete
        Leave out a last bar that has not closed yet. Venues that close overnight end a week
        before it is over: pass False for them.

    Raises
    ------
    Invalid
        ``resample.finer`` when ``timeframe`` is not a whole multiple of ``source``.
    """
    if timeframe == source or not len(bars):
        return bars
    check_coarser(timeframe, source)
    rungs = rungs_between(source, timeframe)
    longer = _by_loop(bars, rungs) if _is_long(bars, timeframe) else _by_array(bars, rungs)
    closed = int(bars.ts[-1]) + seconds_of(source) * MICROS
    if complete and closed < bucket_end(int(longer.ts[-1]), timeframe):
        return longer.take(slice(0, -1))
    return longer


def _is_long(bars: Columns, timeframe: str) -> bool:
    return len(bars) >= MANY and timeframe != "1mo"


def rungs_between(source: str, timeframe: str) -> list[str]:
    """Return the timeframes by which bars of ``source`` become those of ``timeframe``, in order.

    The last is ``timeframe`` itself.
    """
    given, wanted = seconds_of(source), seconds_of(timeframe)
    days = timeframe in {"1w", "1mo"}
    between = [
        name
        for name in LADDER
        if given < SECONDS[name] < wanted
        and SECONDS[name] % given == 0
        and (days or wanted % SECONDS[name] == 0)
    ]
    return [*between, timeframe]


def _by_loop(bars: Columns, rungs: list[str]) -> Columns:
    from apps.market.kernel.loops import longer_bars

    lengths = np.array([seconds_of(name) * MICROS for name in rungs], np.int64)
    offset = MONDAY if rungs[-1] == "1w" else 0
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    ts, figures = longer_bars(*columns, lengths, offset)
    return Columns(ts, *figures)


def _by_array(bars: Columns, rungs: list[str]) -> Columns:
    for timeframe in rungs:
        bars = _one_step(bars, timeframe)
    return bars


def _one_step(bars: Columns, timeframe: str) -> Columns:
    keys = bucket_starts(bars.ts, timeframe)
    begins = np.append(True, keys[1:] != keys[:-1])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(keys)) - 1
    return Columns(
        keys[first],
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        # One after another: ``reduceat`` adds in pairs, and ends in other bits.
        np.asarray(np.bincount(np.cumsum(begins) - 1, weights=bars.volume), np.float64),
    )


def check_coarser(timeframe: str, source: str) -> None:
    """Raise ``Invalid`` unless bars of ``timeframe`` can be made from ``source``."""
    wanted, given = seconds_of(timeframe), seconds_of(source)
    whole = wanted % given == 0 or timeframe in {"1w", "1mo"}
    if wanted < given or not whole:
        message = f"Bars of {timeframe} can't be made from bars of {source}; choose a longer one."
        raise Invalid(message, code="resample.finer", details={"field": "timeframe"})


def finer_than(timeframe: str) -> list[str]:
    """Return the timeframes that ``timeframe`` can be made from, the longest first."""
    wanted = seconds_of(timeframe)
    finer = [
        name
        for name, seconds in SECONDS.items()
        if seconds < wanted
        and (wanted % seconds == 0 or (timeframe in {"1w", "1mo"} and seconds <= SECONDS["1d"]))
    ]
    return finer[::-1]
