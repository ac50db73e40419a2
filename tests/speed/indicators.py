"""EMA, RSI, ADX and Bollinger bands on a million points, against pandas and against TA-Lib itself.

The lab's functions are those its strategies call. Recursive averages begin differently in pandas,
so results are compared once the beginnings are forgotten; those of TA-Lib are the same throughout.
"""

import time
from statistics import median

import numpy as np
import pandas as pd

POINTS, ROUNDS, SETTLED = 1_000_000, 9, 2_000
GOALS = {"ema": 2.0, "rsi": 8.0, "adx": 8.0, "bollinger": 8.0}
TALIB_GOAL = 1.5


def bars():
    rng = np.random.default_rng(11)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.0005, POINTS)))
    reach = close * np.abs(rng.normal(0, 0.0004, (2, POINTS)))
    return close + reach[0], close - reach[1], close


def lab(high, low, close):
    from apps.strategies.kernel.indicators.own import adx, bands, ta

    return {
        "ema": lambda: ta("EMA", close, timeperiod=20),
        "rsi": lambda: ta("RSI", close, timeperiod=14),
        "adx": lambda: adx(high, low, close, 14),
        "bollinger": lambda: bands(close, 20, 2.0),
    }


def talib(high, low, close):
    import talib as t

    return {
        "ema": lambda: t.EMA(close, timeperiod=20),
        "rsi": lambda: t.RSI(close, timeperiod=14),
        "adx": lambda: t.ADX(high, low, close, timeperiod=14),
        "bollinger": lambda: t.BBANDS(close, timeperiod=20, nbdevup=2.0, nbdevdn=2.0),
    }


def pandas(high, low, close):
    high, low, close = pd.Series(high), pd.Series(low), pd.Series(close)

    def wilder(values):
        return values.ewm(alpha=1 / 14, adjust=False).mean()

    def rsi():
        change = close.diff()
        up, down = wilder(change.clip(lower=0.0)), wilder(-change.clip(upper=0.0))
        return 100.0 - 100.0 / (1.0 + up / down)

    def adx():
        up, down = high.diff(), -low.diff()
        plus = up.where((up > down) & (up > 0.0), 0.0)
        minus = down.where((down > up) & (down > 0.0), 0.0)
        before = close.shift()
        spread = np.maximum(high, before) - np.minimum(low, before)
        reach = wilder(spread)
        rise, fall = 100.0 * wilder(plus) / reach, 100.0 * wilder(minus) / reach
        return wilder(100.0 * (rise - fall).abs() / (rise + fall))

    def bollinger():
        window = close.rolling(20)
        middle, reach = window.mean(), 2.0 * window.std(ddof=0)
        return middle + reach, middle, middle - reach

    return {
        "ema": lambda: close.ewm(span=20, adjust=False).mean(),
        "rsi": rsi,
        "adx": adx,
        "bollinger": bollinger,
    }


def timed(once):
    started = time.perf_counter()
    once()
    return time.perf_counter() - started


def apart(mine, other):
    pairs = zip(np.atleast_2d(mine), np.atleast_2d(other), strict=True)
    return max(float(np.abs(m[SETTLED:] / o[SETTLED:] - 1.0).max()) for m, o in pairs)


def indicators():
    series = bars()
    ours, frames, library = lab(*series), pandas(*series), talib(*series)
    checked = max(apart(ours[name](), frames[name]()) for name in GOALS)
    assert checked < 1e-6, checked
    for name in GOALS:
        np.testing.assert_allclose(ours[name](), library[name](), rtol=1e-11)
    spent = {name: ([], [], []) for name in GOALS}
    sides = (ours, frames, library)
    for turn in range(ROUNDS):
        for name in GOALS:
            # Each goes first in turn: the first finds the bars out of the cache.
            for k in np.roll(range(3), turn):
                spent[name][k].append(timed(sides[k][name]))
    mid = {name: tuple(1000 * median(times) for times in spent[name]) for name in GOALS}
    ratios = {name: round(peer / mine, 1) for name, (mine, peer, _) in mid.items()}
    return {
        "name": "indicators",
        "value": round(sum(mine for mine, _, _ in mid.values()), 2),
        "unit": "ms",
        "peer": "pandas",
        "peer_value": round(sum(peer for _, peer, _ in mid.values()), 2),
        # The row is as good as its worst indicator; EMA has a goal of its own.
        "ratio": min(ratios[name] for name in GOALS if name != "ema"),
        "goal": 8,
        "checked": checked,
        "ratios": ratios,
        "goals": GOALS,
        "of_talib": {name: round(mine / third, 2) for name, (mine, _, third) in mid.items()},
        "of_talib_goal": TALIB_GOAL,
    }
