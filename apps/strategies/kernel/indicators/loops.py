"""Compiled loops of indicators that TA-Lib lacks. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Bars after which moving sums are begun anew.
ANEW = 512
# What TA-Lib takes for zero.
NOTHING = 1e-14


@njit(cache=True)
def supertrend_1d(close: Any, middle: Any, reach: Any) -> Any:
    """Return the trailing line and its side: 1 below the price, -1 above it."""
    size = len(close)
    line, side = np.full(size, np.nan), np.full(size, np.nan)
    upper, lower, bullish, begun = 0.0, 0.0, True, False
    for i in range(1, size):
        if np.isnan(reach[i]):
            continue
        top, bottom = middle[i] + reach[i], middle[i] - reach[i]
        if not begun:
            bullish, upper, lower, begun = close[i] >= middle[i], top, bottom, True
        if top < upper or close[i - 1] > upper:
            upper = top
        if bottom > lower or close[i - 1] < lower:
            lower = bottom
        bullish = close[i] > (lower if bullish else upper)
        line[i], side[i] = (lower, 1.0) if bullish else (upper, -1.0)
    return line, side


@njit(cache=True)
def pivots_1d(values: Any, left: int, right: int, sign: float) -> Any:
    """Return at each bar the index of the pivot it confirms, else -1.

    Bar j is a pivot when its value (times ``sign``) is the highest of the ``left`` bars before and
    the ``right`` bars after it; of equals the first. It is known only ``right`` bars later.
    """
    size = len(values)
    out = np.full(size, -1)
    for i in range(left + right, size):
        j = i - right
        top = values[j] * sign
        peak = not np.isnan(top)
        for k in range(j - left, i + 1):
            other = values[k] * sign
            if k != j and not (other < top or (other == top and k > j)):
                peak = False
                break
        if peak:
            out[i] = j
    return out


@njit(cache=True)
def rank_1d(values: Any, window: int) -> Any:
    """Return the average rank of the newest value in its window as a share of ``window``."""
    size = len(values)
    out = np.full(size, np.nan)
    for i in range(window - 1, size):
        score = 1.0 + (values[i] - values[i])
        for k in range(1, window):
            old = values[i - k]
            score += (0.5 if old == values[i] else 1.0 * (old < values[i])) + (old - old)
        out[i] = score / window
    return out


@njit(cache=True)
def bands_1d(
    values: Any, window: int, deviations: float, upper: Any, middle: Any, lower: Any
) -> None:
    """Fill in mean and mean plus and minus ``deviations`` population deviations of each window.

    Mean and squares about it move along with the window (Welford's update), and are taken anew
    every ``ANEW`` bars, so that no noise of old bars is carried for long.
    """
    size = len(values)
    share = 1.0 / window
    for begin in range(window - 1, size, ANEW):
        mean, squares = 0.0, 0.0
        for k in range(begin - window + 1, begin + 1):
            mean += values[k]
        mean *= share
        for k in range(begin - window + 1, begin + 1):
            squares += (values[k] - mean) ** 2
        still, k = 0, begin
        while k > begin - window + 1 and values[k] == values[k - 1]:
            still, k = still + 1, k - 1
        if still == window - 1:
            squares = 0.0
        reach = deviations * np.sqrt(squares * share)
        upper[begin], middle[begin], lower[begin] = mean + reach, mean, mean - reach
        for i in range(begin + 1, min(begin + ANEW, size)):
            new, old = values[i], values[i - window]
            step = new - old
            before = mean
            mean += step * share
            squares += step * (new - mean + old - before)
            # A window that stands still has no width: what is left then is rounding.
            still = still + 1 if new == values[i - 1] else 0
            if still >= window - 1 or squares < 0.0:
                squares = 0.0
            reach = deviations * np.sqrt(squares * share)
            upper[i], middle[i], lower[i] = mean + reach, mean, mean - reach


@njit(cache=True, error_model="numpy")
def adx_1d(high: Any, low: Any, close: Any, period: int, first: int, out: Any) -> None:
    """Fill in Wilder's average directional index from bar ``first`` on, begun as TA-Lib begins.

    The sum of ranges cancels in the index but for bars without any range, which leave the average
    as it was; so two of TA-Lib's three divisions are spared, and those by the period.
    """
    share, begun = 1.0 / period, first + 2 * period - 1
    keep = 1.0 - share
    up, down, reach, total, average = 0.0, 0.0, 0.0, 0.0, 0.0
    out[: min(begun, len(close))] = np.nan
    for i in range(first + 1, len(close)):
        rise, fall = high[i] - high[i - 1], low[i - 1] - low[i]
        before = close[i - 1]
        spread = max(high[i] - low[i], abs(high[i] - before), abs(low[i] - before))
        grown = rise if (rise > 0.0) & (rise > fall) else 0.0
        shrunk = fall if (fall > 0.0) & (fall > rise) else 0.0
        if i < first + period:
            up, down, reach = up + grown, down + shrunk, reach + spread
            continue
        up, down, reach = up * keep + grown, down * keep + shrunk, reach * keep + spread
        both = up + down
        # What is missing stays missing: a range less itself is 0, or NaN.
        index = 100.0 * abs(up - down) / both + (reach - reach)
        is_flat = (reach < NOTHING) | (100.0 * both < NOTHING * reach)
        if i <= begun:
            total += 0.0 if is_flat else index
            average = total * share
        else:
            average = average if is_flat else average * keep + index * share
        if i >= begun:
            out[i] = average
