"""When an exchange is open: sessions with their hours, and the bars that should exist.

Intraday bars are judged against regular hours only, from the open to the close of each session,
daylight saving and half days included. Bars before the open or after the close may exist or not:
neither is a defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.resample import DAY, MICROS, bucket_starts

Times = NDArray[np.int64]
CALENDAR_START = "1990-01-01"
CALENDAR_END = "2030-12-31"
ALWAYS_OPEN = "24/7"
LONG = ("1w", "1mo")


@dataclass(frozen=True, slots=True)
class Hours:
    """Sessions of an exchange in microseconds: midnight UTC of the day, its open, its close."""

    days: Times
    opens: Times
    closes: Times


@lru_cache(maxsize=8)
def hours(calendar: str) -> Hours:
    """Return the sessions of an exchange, 1990 to 2030.

    Building a calendar takes about a second, hence the cache.
    """
    import exchange_calendars

    found = exchange_calendars.get_calendar(calendar, start=CALENDAR_START, end=CALENDAR_END)
    return Hours(_micros(found.sessions), _micros(found.opens), _micros(found.closes))


def _micros(moments: object) -> Times:
    from pandas import DatetimeIndex

    stamps = DatetimeIndex(moments).tz_localize(None).to_numpy()  # type: ignore[arg-type]
    return np.asarray(stamps.astype("M8[us]").astype(np.int64))


def sessions(calendar: str) -> Times:
    """Return midnight UTC of every session of an exchange, 1990 to 2030, in microseconds."""
    return hours(calendar).days


def expected_times(
    calendar: str, timeframe: str, first: int, last: int, ts: Times | None = None
) -> Times:
    """Return the bars that should exist from ``first`` to ``last``, both included.

    Parameters
    ----------
    ts
        Bars that are there: they tell whether hours are counted from the open of the session or
        on the clock. Only bars longer than half an hour differ.
    """
    if timeframe in LONG:
        days = _whole_days(calendar, first, last)
        starts = np.unique(bucket_starts(days, timeframe)) if len(days) else days
        return starts[(starts >= first) & (starts <= last)]
    step = seconds_of(timeframe) * MICROS
    if calendar == ALWAYS_OPEN:
        return np.arange(first, last + 1, step, dtype=np.int64)
    open_hours = hours(calendar)
    if timeframe == "1d":
        return _between(open_hours.days, first, last)
    return _within_sessions(open_hours, step, first, last, ts)


def _whole_days(calendar: str, first: int, last: int) -> Times:
    if calendar == ALWAYS_OPEN:
        return np.arange(first // DAY * DAY, last + 1, DAY, dtype=np.int64)
    return _between(sessions(calendar), first, last)


def _between(times: Times, first: int, last: int) -> Times:
    return times[np.searchsorted(times, first) : np.searchsorted(times, last, side="right")]


def _within_sessions(
    open_hours: Hours, step: int, first: int, last: int, ts: Times | None
) -> Times:
    low = int(np.searchsorted(open_hours.closes, first, side="right"))
    high = int(np.searchsorted(open_hours.opens, last, side="right"))
    opens, closes = open_hours.opens[low:high], open_hours.closes[low:high]
    from_open = _between(_lay_out(opens, closes, step), first, last)
    on_clock = _between(_lay_out(opens // step * step, closes, step), first, last)
    if ts is None or np.array_equal(from_open, on_clock):
        return from_open
    is_clock = present(on_clock, ts).sum() > present(from_open, ts).sum()
    return on_clock if is_clock else from_open


def _lay_out(starts: Times, closes: Times, step: int) -> Times:
    """Return ``start, start + step, …`` below the close of each session."""
    counts = np.maximum(-((starts - closes) // step), 0)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(np.repeat(starts, counts) + within * step)


def present(expected: Times, ts: Times) -> NDArray[np.bool_]:
    """Return which expected times are among ``ts``, which ascends."""
    if not len(ts):
        return np.zeros(len(expected), np.bool_)
    at = np.minimum(np.searchsorted(ts, expected), len(ts) - 1)
    return np.asarray(ts[at] == expected)
