"""Longer bars are made up one ladder, whichever way: the loop, the arrays, by hand."""

import numpy as np
import pytest

from apps.market.kernel import resample
from apps.market.kernel.columns import Columns

MINUTE = 60_000_000
NAMES = ("ts", "open", "high", "low", "close", "volume")
START = 1_735_689_600_000_000 - 17 * MINUTE  # within an hour of 2024-12-31


def gappy(count, seconds):
    """Bars with holes of minutes and of days, and volumes that no binary float holds exactly."""
    rng = np.random.default_rng(count)
    holes = (rng.random(count) < 0.002) * rng.integers(1, 5000, count)
    steps = rng.integers(1, 4, count) + holes
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    open_ = np.roll(close, 1)
    ts = START + np.cumsum(steps).astype(np.int64) * seconds * 1_000_000
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return Columns(ts, open_, high, low, close, np.round(rng.uniform(0, 10, count), 3))


def by_hand(bars, rungs):
    """Return times and volumes, summed with Python's own addition up the rungs."""
    pairs = list(zip(bars.ts.tolist(), bars.volume.tolist(), strict=True))
    for rung in rungs:
        sums = {}
        for ts, volume in pairs:
            key = int(resample.bucket_starts(np.array([ts]), rung)[0])
            sums[key] = sums.get(key, 0.0) + volume
        pairs = list(sums.items())
    return pairs


@pytest.mark.parametrize("count", [1, 2, 7, 3000])
@pytest.mark.parametrize(
    ("source", "timeframe"),
    [
        ("1m", "5m"),
        ("1m", "30m"),
        ("1m", "4h"),
        ("1m", "1d"),
        ("1m", "1w"),
        ("5m", "1h"),
        ("30m", "1d"),
        ("1h", "1w"),
    ],
)
def test_loop_and_arrays_give_the_same_bits(source, timeframe, count):
    bars = gappy(count, resample.seconds_of(source))
    rungs = resample.rungs_between(source, timeframe)
    loop, arrays = resample._by_loop(bars, rungs), resample._by_array(bars, rungs)
    for name in NAMES:
        assert np.array_equal(getattr(loop, name), getattr(arrays, name)), name
    pairs = by_hand(bars, rungs)
    assert loop.ts.tolist() == [ts for ts, _ in pairs]
    assert loop.volume.tolist() == [volume for _, volume in pairs]


def test_the_way_does_not_matter():
    """Four hours from minutes are those from the hours made of the same minutes."""
    bars = gappy(3000, 60)
    hours = resample.resample(bars, "1h", source="1m", complete=False)
    for timeframe in ("4h", "1d", "1w", "1mo"):
        straight = resample.resample(bars, timeframe, source="1m", complete=False)
        over = resample.resample(hours, timeframe, source="1h", complete=False)
        for name in NAMES:
            assert np.array_equal(getattr(straight, name), getattr(over, name)), name


def test_the_rungs():
    assert resample.rungs_between("1m", "1d") == ["5m", "15m", "1h", "4h", "1d"]
    assert resample.rungs_between("1m", "30m") == ["5m", "15m", "30m"]
    assert resample.rungs_between("30m", "1mo") == ["1h", "4h", "1d", "1mo"]
    assert resample.rungs_between("1d", "1w") == ["1w"]
