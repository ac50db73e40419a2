"""Indicators composed of others or made here; arrays of one instrument in, ``(n_bars,)`` out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.windows import rolling_max, rolling_min, rolling_sum, shift

Floats = NDArray[np.float64]
Named = dict[str, Floats]
# Functions used here that give more than one array.
OUTPUTS = {"AROON": 2, "STOCHF": 2}


def ta(name: str, *arrays: Floats, **params: Any) -> Any:
    """Call TA-Lib's function ``name``; shorter series than it can take give NaN."""
    import talib

    function = getattr(talib, name)
    if len(arrays[0]) < 2 or not all(_any_known(array) for array in arrays):
        nothing = np.full(len(arrays[0]), np.nan)
        outputs = OUTPUTS.get(name, 1)
        return nothing if outputs == 1 else tuple(nothing.copy() for _ in range(outputs))
    return function(*arrays, **params)


def _any_known(values: Floats) -> bool:
    # Most series end with a number, which spares looking at all of them.
    return bool(np.isfinite(values[-1]) or np.isfinite(values).any())


def atr(high: Floats, low: Floats, close: Floats, period: int) -> Floats:
    """Return Wilder's average true range; TA-Lib's of one bar is the true range itself."""
    found: Floats = ta("ATR", high, low, close, timeperiod=period)
    return found


def adx(high: Floats, low: Floats, close: Floats, period: int) -> Floats:
    """Return Wilder's average directional index: TA-Lib's ADX but for the last digits, faster."""
    from apps.strategies.kernel.indicators import loops

    out = np.full(len(close), np.nan)
    known = np.isfinite(high) & np.isfinite(low) & np.isfinite(close)
    if known.any():
        top, bottom, last = (np.ascontiguousarray(column) for column in (high, low, close))
        loops.adx_1d(top, bottom, last, period, int(known.argmax()), out)
    return out


def macd(close: Floats, fast: int, slow: int, signal: int) -> Named:
    """Return MACD with each average begun by itself, as Appel (1979) has it."""
    quick, calm = ta("EMA", close, timeperiod=fast), ta("EMA", close, timeperiod=slow)
    gap = quick - calm
    line = ta("EMA", gap, timeperiod=signal)
    return {
        "macd": gap,
        "signal": line,
        "histogram": gap - line,
        "fast_ema": quick,
        "slow_ema": calm,
    }


def bands(close: Floats, period: int, deviations: float) -> tuple[Floats, Floats, Floats]:
    """Return upper band, middle and lower band; ``close`` has no gaps. TA-Lib's BBANDS, faster."""
    from apps.strategies.kernel.indicators import loops

    upper, middle, lower = (np.empty(len(close)) for _ in range(3))
    for band in (upper, middle, lower):
        band[: period - 1] = np.nan
    loops.bands_1d(np.ascontiguousarray(close), period, deviations, upper, middle, lower)
    return upper, middle, lower


def bollinger(close: Floats, period: int, deviations: float) -> Named:
    """Return Bollinger's bands with the population deviation, as Bollinger (2001) has them."""
    upper, middle, lower = bands(close, period, deviations)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "sma": middle,
            "upper_band": upper,
            "lower_band": lower,
            "percent_b": (close - lower) / (upper - lower),
            "z_score": (close - middle) / ((upper - middle) / deviations),
            "width": (upper - lower) / middle,
        }


def stdev(close: Floats, period: int) -> Named:
    """Return the population deviation, the mean and the z-score of the close."""
    deviation, mean = ta("STDDEV", close, timeperiod=period), ta("SMA", close, timeperiod=period)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"stdev": deviation, "mean": mean, "z_score": (close - mean) / deviation}


def stochastic(
    high: Floats, low: Floats, close: Floats, period: int, signal: int, smooth: int
) -> Named:
    """Return Lane's slow stochastic: %K smoothed, %D its average, and J = 3 K - 2 D."""
    raw, _ = ta("STOCHF", high, low, close, fastk_period=period, fastd_period=1)
    k = ta("SMA", raw, timeperiod=smooth) if smooth > 1 else raw
    d = ta("SMA", k, timeperiod=signal) if signal > 1 else k
    return {"k": k, "d": d, "j": 3.0 * k - 2.0 * d}


def keltner(
    high: Floats, low: Floats, close: Floats, period: int, multiplier: float, atr_period: int
) -> Named:
    """Return Keltner's channel in Raschke's form: EMA plus and minus a multiple of the ATR."""
    middle = ta("EMA", close, timeperiod=period)
    reach = multiplier * atr(high, low, close, atr_period)
    return {
        "upper_band": middle + reach,
        "centerline": middle,
        "lower_band": middle - reach,
        "width": 2.0 * reach / middle,
    }


def donchian(high: Floats, low: Floats, period: int) -> Named:
    """Return Donchian's channel over the ``period`` bars before this one."""
    upper = shift(rolling_max(high, period), 1)
    lower = shift(rolling_min(low, period), 1)
    middle = (upper + lower) / 2.0
    return {
        "upper_band": upper,
        "centerline": middle,
        "lower_band": lower,
        "width": (upper - lower) / middle,
    }


def hull(close: Floats, period: int) -> Floats:
    """Return Hull's (2005) moving average: WMA over √n of 2 WMA(n/2) - WMA(n)."""
    half = ta("WMA", close, timeperiod=max(period // 2, 2))
    whole = ta("WMA", close, timeperiod=period)
    found: Floats = ta("WMA", 2.0 * half - whole, timeperiod=max(int(np.sqrt(period)), 2))
    return found


def ulcer(close: Floats, period: int) -> Floats:
    """Return Martin's (1989) ulcer index in percent: drawdowns from highs within the window."""
    out = np.full(len(close), np.nan)
    if len(close) < period:
        return out
    windows = np.lib.stride_tricks.sliding_window_view(close, period)
    falls = 100.0 * (windows / np.maximum.accumulate(windows, axis=1) - 1.0)
    out[period - 1 :] = np.sqrt((falls**2).mean(axis=1))
    return out


def vwap(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Return the volume-weighted average of typical prices since the first bar."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.cumsum((high + low + close) / 3.0 * volume) / np.cumsum(volume)
    return found


def choppiness(high: Floats, low: Floats, close: Floats, period: int) -> Floats:
    """Return Dreiss's choppiness index: 100 on a sideways path, low on a straight one."""
    before = shift(close, 1)
    tops, bottoms = np.maximum(high, before), np.minimum(low, before)
    path = rolling_sum(tops - bottoms, period)
    span = rolling_max(tops, period) - rolling_min(bottoms, period)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = 100.0 * np.log10(path / span) / np.log10(period)
    return found


def regression(close: Floats, period: int) -> Named:
    """Return slope, intercept, population deviation and R² of the closes on the bar's number.

    The intercept counts bars from the first one of the series, which is number 1.
    """
    slope = ta("LINEARREG_SLOPE", close, timeperiod=period)
    mean, deviation = ta("SMA", close, timeperiod=period), ta("STDDEV", close, timeperiod=period)
    number = np.arange(1, len(close) + 1, dtype=np.float64) - (period - 1) / 2.0
    spread = np.sqrt((period**2 - 1) / 12.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        fit = (slope * spread / deviation) ** 2
    return {
        "slope": slope,
        "intercept": mean - slope * number,
        "stdev": deviation,
        "r_squared": fit,
    }


def supertrend(high: Floats, low: Floats, close: Floats, period: int, multiplier: float) -> Named:
    """Return Seban's supertrend and its side: 1 while the line runs below the price."""
    from apps.strategies.kernel.indicators import loops

    reach = multiplier * atr(high, low, close, period)
    line, side = loops.supertrend_1d(close, (high + low) / 2.0, reach)
    return {
        "super_trend": line,
        "side": side,
        "upper_band": np.where(side < 0, line, np.nan),
        "lower_band": np.where(side > 0, line, np.nan),
    }


def squeeze(
    high: Floats, low: Floats, close: Floats, period: int, deviations: float, multiplier: float
) -> Floats:
    """Return 1 where Bollinger's bands lie within Keltner's channel (Carter 2005), else 0."""
    bands = bollinger(close, period, deviations)
    channel = keltner(high, low, close, period, multiplier, period)
    within = (bands["upper_band"] < channel["upper_band"]) & (
        bands["lower_band"] > channel["lower_band"]
    )
    known = np.isfinite(bands["upper_band"]) & np.isfinite(channel["upper_band"])
    return np.where(known, within, np.nan)


def pivots(values: Floats, left: int, right: int, *, highs: bool) -> NDArray[np.int64]:
    """Return at each bar the index of the pivot it confirms, else -1."""
    from apps.strategies.kernel.indicators import loops

    found: NDArray[np.int64] = loops.pivots_1d(values, left, right, 1.0 if highs else -1.0)
    return found


def pivot_prices(high: Floats, low: Floats, left: int, right: int) -> Named:
    """Return the prices of pivots at the bars that confirm them, NaN at the others."""
    tops, bottoms = pivots(high, left, right, highs=True), pivots(low, left, right, highs=False)
    return {
        "pivot_high": np.where(tops >= 0, high[tops], np.nan),
        "pivot_low": np.where(bottoms >= 0, low[bottoms], np.nan),
    }


def rolling_rank(values: Floats, period: int) -> Floats:
    """Return the rank of the newest close in its window, 1 for the highest; equals share it."""
    from apps.strategies.kernel.indicators import loops

    found: Floats = loops.rank_1d(values, period)
    return found
