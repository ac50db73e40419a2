"""Prices across dividends and splits, in an explicit price mode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market.kernel.bars import PRICE_MODES
from apps.market.kernel.columns import Actions, Columns

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def check_mode(price_mode: str) -> str:
    """Return the price mode. Raises ``Invalid`` when there is no such mode."""
    if price_mode not in PRICE_MODES:
        message = f"{price_mode!r} is not a price mode; choose one of {', '.join(PRICE_MODES)}."
        raise Invalid(message, code="price_mode.unknown", details={"field": "price_mode"})
    return price_mode


def split_factor(ratio: float | Floats) -> Floats:
    """Return what earlier prices are multiplied with across a split of ``ratio`` new for old."""
    return np.asarray(1.0 / np.asarray(ratio, np.float64))


def dividend_factor(amount: float | Floats, close: float | Floats) -> Floats:
    """Return what earlier prices are multiplied with across a dividend.

    Parameters
    ----------
    amount
        Cash per share.
    close
        Raw close of the ex-date, in the same currency.

    Notes
    -----
    ``1 / (1 + amount / close)``: with it ``adjusted[t] / adjusted[t-1]`` is
    ``(close[t] + amount) / close[t-1]``, the holder's simple return.
    """
    return np.asarray(1.0 / (1.0 + np.asarray(amount, np.float64) / np.asarray(close, np.float64)))


def action_factors(bars: Columns, actions: Actions) -> tuple[Floats, Floats]:
    """Return the split factor and the dividend factor of each action.

    An action between bars takes effect on the next one; an action after the last bar has
    dividend factor 1, since no price of its day is known.
    """
    at = np.searchsorted(bars.ts, actions.ts)
    known = at < len(bars)
    close = np.where(known, bars.close[np.minimum(at, len(bars) - 1)], np.inf)
    return split_factor(actions.split), dividend_factor(actions.dividend, close)


def back_factor(ts: Times, events: Times, factors: Floats) -> Floats:
    """Return, for each bar, the product of the factors of the events after it.

    Parameters
    ----------
    ts
        ``(n,)`` bar times.
    events
        ``(m,)`` ex-dates, ascending; an event changes bars strictly before it.
    factors
        ``(m,)`` see ``split_factor`` and ``dividend_factor``.
    """
    later = np.append(np.cumprod(factors[::-1])[::-1], 1.0)
    return np.asarray(later[np.searchsorted(events, ts, side="right")])


def adjusted(bars: Columns, price: Floats, split: Floats) -> Columns:
    """Return bars with prices times ``price`` and volume over ``split``."""
    return Columns(
        bars.ts,
        bars.open * price,
        bars.high * price,
        bars.low * price,
        bars.close * price,
        bars.volume / split,
    )


def adjust(bars: Columns, actions: Actions, price_mode: str) -> Columns:
    """Return bars in ``price_mode``; the last bar keeps its price.

    Raises
    ------
    Invalid
        ``price_mode.unknown``.
    """
    if check_mode(price_mode) == "raw" or not len(actions) or not len(bars):
        return bars
    splits, dividends = action_factors(bars, actions)
    split = back_factor(bars.ts, actions.ts, splits)
    if price_mode == "split":
        return adjusted(bars, split, split)
    return adjusted(bars, back_factor(bars.ts, actions.ts, splits * dividends), split)
