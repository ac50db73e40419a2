"""Calendar periods of bars, for rebalancing at the first close of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERIODS = ("weekly", "monthly", "quarterly")
MICROSECONDS_PER_DAY = 86_400_000_000
# 1970-01-01 was a Thursday; three days on, periods of seven days begin on Mondays.
MONDAY = 3


def day_period(ts: NDArray[np.int64], days: int) -> NDArray[np.float64]:
    """Return the number of each bar's period of ``days`` calendar days, ``(n_bars,)``."""
    return ((ts // MICROSECONDS_PER_DAY + MONDAY) // days).astype(np.float64)


def calendar_period(ts: NDArray[np.int64], period: str) -> NDArray[np.float64]:
    """Return the number of each bar's week (from Monday), month or quarter, ``(n_bars,)``."""
    if period == "weekly":
        return day_period(ts, 7)
    months = ts.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return (months // (3 if period == "quarterly" else 1)).astype(np.float64)
