"""Bars of one instrument as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars of one instrument.

    Parameters
    ----------
    ts
        ``(n,)`` int64, the open of each bar in microseconds since 1970 UTC.
    open, high, low, close, volume
        ``(n,)`` float64.
    """

    ts: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, cut: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Columns:
        """Return the rows that ``cut`` selects."""
        return Columns(
            self.ts[cut],
            self.open[cut],
            self.high[cut],
            self.low[cut],
            self.close[cut],
            self.volume[cut],
        )


@dataclass(frozen=True, slots=True)
class Actions:
    """Dividends and splits of one instrument, by the session they take effect on.

    Parameters
    ----------
    ts
        ``(n,)`` int64, midnight UTC of the ex-date in microseconds, ascending.
    dividend
        ``(n,)`` cash per share, 0 without one.
    split
        ``(n,)`` new shares per old one, 1 without one.
    """

    ts: Times
    dividend: Floats
    split: Floats

    def __len__(self) -> int:
        return len(self.ts)


def empty_columns() -> Columns:
    """Return no bars."""
    none = np.empty(0)
    return Columns(np.empty(0, np.int64), none, none, none, none, none)


def no_actions() -> Actions:
    """Return no actions."""
    none = np.empty(0)
    return Actions(np.empty(0, np.int64), none, none)
