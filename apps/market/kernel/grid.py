"""Series of several instruments laid on one time axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.columns import Columns

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
# Series become columns this many at a time: eight figures fill a line of the memory cache.
STRIP = 8


def time_axis(series: Sequence[Columns]) -> Times:
    """Return every time at which any series has a bar, ascending."""
    distinct = {bars.ts.tobytes(): bars.ts for bars in series}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    return np.unique(np.concatenate(list(distinct.values())))


def places(axis: Times, series: Sequence[Columns]) -> list[slice | NDArray[np.intp]]:
    """Return where on the axis the bars of each series stand, for ``lay_out``."""
    return [
        slice(None) if np.array_equal(bars.ts, axis) else np.searchsorted(axis, bars.ts)
        for bars in series
    ]


def lay_out(
    axis: Times,
    series: Sequence[Columns],
    name: str,
    at: Sequence[slice | NDArray[np.intp]] | None = None,
) -> Floats:
    """Return one field as ``(n_bars, n_assets)``; NaN where a series has no bar.

    Parameters
    ----------
    at
        The ``places``, when they are known from another field.
    """
    at = at or places(axis, series)
    grid = np.empty((len(axis), len(series)))
    strip = np.empty((STRIP, len(axis)))
    for left in range(0, len(series), STRIP):
        some = series[left : left + STRIP]
        strip[:] = np.nan
        for row, bars, where in zip(strip, some, at[left : left + STRIP], strict=False):
            row[where] = getattr(bars, name)
        grid[:, left : left + len(some)] = strip[: len(some)].T
    return grid


def last_in_bars(axis: Times, ts: Times, values: Floats, length: int) -> Floats:
    """Return, per bar, the last value with ``open <= time < open + length``; NaN where none is.

    For levels such as open interest; parameters as for ``sum_into_bars``.
    """
    low, high = np.searchsorted(ts, axis), np.searchsorted(ts, axis + length)
    padded = np.concatenate([values, [np.nan]])
    return np.where(high > low, padded[high - 1], np.nan)


def sum_into_bars(axis: Times, ts: Times, values: Floats, length: int) -> Floats:
    """Return, per bar, the sum of values with ``open <= time < open + length``.

    Bars before the first or after the last known value are NaN: what is not known is not zero.

    Parameters
    ----------
    axis
        ``(n,)`` open of each bar, microseconds.
    ts, values
        ``(m,)`` times, ascending, and figures such as funding rates.
    length
        Of a bar, microseconds.
    """
    if not len(ts):
        return np.full(len(axis), np.nan)
    total = np.concatenate([[0.0], np.cumsum(values)])
    low, high = np.searchsorted(ts, axis), np.searchsorted(ts, axis + length)
    sums = np.where(high > low, total[high] - total[low], 0.0)
    single = high - low == 1
    sums[single] = values[low[single]]
    sums[(axis + length <= ts[0]) | (axis > ts[-1])] = np.nan
    return sums
