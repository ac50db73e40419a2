"""``resample_10m``: ten million bars of a minute into bars of a quarter of an hour."""

import time
from statistics import median

import numpy as np
from numba import njit

BARS = 10_000_000
MINUTE = 60_000_000
ROUNDS = 7


@njit
def bare(ts, open_, high, low, close, volume, width):
    """One loop that keeps the running bar in registers, and does nothing else."""
    out = np.empty((6, len(ts) // 14 + 2))
    at, key = -1, np.int64(-1)
    first, top, bottom, last, total = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(ts)):
        here = ts[i] // width
        if here != key:
            if at >= 0:
                out[1, at], out[2, at], out[3, at] = first, top, bottom
                out[4, at], out[5, at] = last, total
            at += 1
            key = here
            out[0, at] = key * width
            first, top, bottom, total = open_[i], high[i], low[i], 0.0
        top = max(top, high[i])
        bottom = min(bottom, low[i])
        last = close[i]
        total += volume[i]
    out[1, at], out[2, at], out[3, at], out[4, at], out[5, at] = first, top, bottom, last, total
    return out[:, : at + 1]


def minutes():
    from apps.market.kernel.columns import Columns

    rng = np.random.default_rng(7)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 1e-4, BARS)))
    open_ = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) * 1.0001, np.minimum(open_, close) / 1.0001
    ts = MINUTE * np.arange(BARS, dtype=np.int64)
    return Columns(ts, open_, high, low, close, rng.uniform(0, 100, BARS))


def resample_10m():
    from apps.market.kernel.resample import resample

    bars = minutes()
    columns = bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume

    def lab():
        return resample(bars, "15m", source="1m", complete=False)

    def peer():
        return bare(*columns, 15 * MINUTE)

    lab(), peer()  # compile and warm
    spent = {lab: [], peer: []}
    for _ in range(ROUNDS):
        for work in (lab, peer):
            began = time.perf_counter()
            work()
            spent[work].append(time.perf_counter() - began)
    value, other = BARS / median(spent[lab]), BARS / median(spent[peer])
    return {
        "name": "resample_10m",
        "value": round(value),
        "unit": "bars/s",
        "peer": "a bare numba loop",
        "peer_value": round(other),
        "ratio": round(value / other, 2),
        "goal": 0.5,
        "checked": difference(lab(), peer()),
    }


def difference(found, expected):
    """The largest relative difference of any figure; 1 when the times differ."""
    names = ("ts", "open", "high", "low", "close", "volume")
    pairs = [(getattr(found, name), row) for name, row in zip(names, expected, strict=True)]
    if any(a.shape != b.shape for a, b in pairs) or not np.array_equal(*pairs[0]):
        return 1.0
    return max(float(np.max(np.abs(a / b - 1))) for a, b in pairs[1:])
