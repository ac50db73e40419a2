"""Which bars are missing against the exchange's own calendar, and how healthy a series is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.cleaning import Suspicion
from apps.market.kernel.resample import MICROS

Times = NDArray[np.int64]
CALENDAR_START = "1990-01-01"
CALENDAR_END = "2030-12-31"
ALWAYS_OPEN = "24/7"
MAX_OUTLIER_PENALTY = 20.0
OUTLIER_PENALTY = 2.0


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of missing bars: open of the first and of the last one, and how many."""

    first: int
    last: int
    bars: int


@lru_cache(maxsize=8)
def sessions(calendar: str) -> Times:
    """Return midnight UTC of every session of an exchange, 1990 to 2030, in microseconds.

    Building a calendar takes about a second, hence the cache.
    """
    import exchange_calendars

    found = exchange_calendars.get_calendar(calendar, start=CALENDAR_START, end=CALENDAR_END)
    return np.asarray(found.sessions.to_numpy().astype("M8[us]").astype(np.int64))


def expected_times(calendar: str, timeframe: str, first: int, last: int) -> Times | None:
    """Return the bars that should exist from ``first`` to ``last``; None when not judged.

    Intraday bars of exchanges that close are not judged: auctions and half days differ by vendor.
    """
    if calendar == ALWAYS_OPEN:
        return np.arange(first, last + 1, seconds_of(timeframe) * MICROS, dtype=np.int64)
    if timeframe != "1d":
        return None
    days = sessions(calendar)
    return days[np.searchsorted(days, first) : np.searchsorted(days, last, side="right")]


def find_gaps(ts: Times, expected: Times) -> list[Gap]:
    """Return runs of expected bars that are not there."""
    missing = ~np.isin(expected, ts)
    if not missing.any():
        return []
    edges = np.diff(np.concatenate([[0], missing.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [
        Gap(int(expected[a]), int(expected[b - 1]), int(b - a))
        for a, b in zip(starts, stops, strict=True)
    ]


def health_score(coverage: float, suspicions: Sequence[Suspicion]) -> float:
    """Return 0 to 100: coverage in percent less two points per suspicion, at most twenty."""
    penalty = min(OUTLIER_PENALTY * len(suspicions), MAX_OUTLIER_PENALTY)
    return max(round(100.0 * coverage - penalty, 1), 0.0)
