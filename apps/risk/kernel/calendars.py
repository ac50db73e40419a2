"""Prices on different calendars: returns over common sessions, and horizons in own periods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.risk.kernel.samples import Floats

Stamps = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Aligned:
    """Returns between the moments at which every instrument has a price, and what was left out."""

    names: tuple[str, ...]
    ts: Stamps
    returns: Floats
    left_out: dict[str, int]
    notes: tuple[str, ...]


def common_sessions(prices: Mapping[str, tuple[Any, Any]]) -> Aligned:
    """Return joint returns of instruments that trade on calendars of their own.

    Parameters
    ----------
    prices
        Name to ``(ts, close)``: increasing times (integers) and prices; NaN is a missing price.

    Returns
    -------
    Aligned
        A crypto's return from Friday to Monday is compounded over the weekend beside a share's:
        no price is carried on, and no return is filled with zero.

    Raises
    ------
    Invalid
        ``risk.empty`` without prices, ``risk.no_price`` naming the instruments without any,
        ``risk.price`` for one that is not above 0, ``risk.too_few`` with fewer than three common
        moments.
    """
    if not prices:
        message = "There are no positions; a book without any has no risk to measure."
        raise Invalid(message, code="risk.empty")
    seen = {name: _clean(name, *pair) for name, pair in prices.items()}
    unpriced = sorted(name for name, (ts, _) in seen.items() if not len(ts))
    if unpriced:
        message = f"No price of {', '.join(unpriced)}; load its bars or leave it out by name."
        raise Invalid(message, code="risk.no_price", details={"instruments": unpriced})
    common = seen[next(iter(seen))][0]
    for ts, _ in seen.values():
        common = np.intersect1d(common, ts, assume_unique=True)
    if len(common) < 3:
        message = f"The instruments have {len(common)} moments in common; three are needed."
        raise Invalid(message, code="risk.too_few")
    closes = np.stack([close[np.searchsorted(ts, common)] for ts, close in seen.values()], axis=1)
    left = {name: len(ts) - len(common) for name, (ts, _) in seen.items()}
    notes = tuple(
        f"{count} price(s) of {name} lie between common sessions; returns span them."
        for name, count in left.items()
        if count
    )
    return Aligned(tuple(seen), common, closes[1:] / closes[:-1] - 1.0, left, notes)


def _clean(name: str, ts: Any, close: Any) -> tuple[Stamps, Floats]:
    times, prices = np.asarray(ts, dtype=np.int64), np.asarray(close, dtype=np.float64)
    if times.shape != prices.shape or times.ndim != 1 or np.any(np.diff(times) <= 0):
        message = f"{name}: give one price per time, the times rising."
        raise Invalid(message, code="risk.price", details={"instrument": name})
    known = ~np.isnan(prices)
    if np.any(prices[known] <= 0.0) or np.any(np.isinf(prices)):
        message = f"{name} has a price that is not above 0 or not finite; repair its bars."
        raise Invalid(message, code="risk.price", details={"instrument": name})
    return times[known], prices[known]


def periods_in(days: float, periods_per_year: float) -> int:
    """Return how many periods of a calendar ``days`` calendar days hold, at least 1.

    Ten days are 7 sessions of an exchange (252 a year) and 10 of a crypto venue (365).

    Raises ``Invalid`` (``risk.horizon``) unless both are above 0.
    """
    if not (days > 0.0 and periods_per_year > 0.0):
        message = f"{days} days of {periods_per_year} periods a year; both must be above 0."
        raise Invalid(message, code="risk.horizon", details={"field": "horizon"})
    return max(round(days * periods_per_year / 365.0), 1)
