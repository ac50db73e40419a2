"""The score of a breakout: 40 geometry, 30 momentum, 20 open-interest flow, 10 sentiment, bonuses.

Every function takes arrays and returns points; a missing input gives 0 points. ``side`` is 1 for
the long side and -1 for the short side, which looks at the mirrored oscillator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
GEOMETRY = (16.0, 14.0, 10.0)
MOMENTUM = (15.0, 15.0)
FLOW = 20.0
SENTIMENT = (5.0, 5.0)
MOST = 100.0
FUNDING_HOURS = 8.0
# Why a side is refused; 0 is not at all.
BY_FUNDING, BY_OPEN_INTEREST, BY_MISSING = 1.0, 2.0, 3.0
REASONS = {1: "funding", 2: "open_interest", 3: "missing inputs"}
CROWD = ("funding", "open_interest", "long_short_ratio")


def share(values: Floats) -> Floats:
    """Return values cut to 0..1, with 0 for NaN."""
    return np.nan_to_num(np.clip(values, 0.0, 1.0))


def geometry_points(
    touches: Floats,
    duration: Floats,
    slope: Floats,
    *,
    full_touches: float,
    full_duration: float,
    steepest: float,
) -> Floats:
    """Return up to 40: 16 for touches beyond the first, 14 for duration, 10 for a gentle slope."""
    by_touches, by_duration, by_slope = GEOMETRY
    points = by_touches * share((touches - 1.0) / (full_touches - 1.0))
    points += by_duration * share(duration / full_duration)
    points += by_slope * share(1.0 - np.abs(slope) / steepest)
    return np.where(touches > 0.0, points, 0.0)


def momentum_points(slope: Floats, divergence: Floats, *, full_slope: float) -> Floats:
    """Return up to 30: 15 for the oscillator's slope, 15 for a divergence."""
    by_slope, by_divergence = MOMENTUM
    return by_slope * share(slope / full_slope) + by_divergence * share(divergence)


def flow_points(slope: Floats, *, full: float) -> Floats:
    """Return up to 20 for open interest that grows, on either side; none when it shrinks."""
    return FLOW * share(slope / full)


def sentiment_points(
    ratio: Floats, funding: Floats, side: float, *, full_ratio: float, limit: float
) -> Floats:
    """Return up to 10: 5 for top traders on this side, 5 for funding that is not crowded.

    ``ratio`` is longs over shorts. Funding against the crowd or nil gives all 5, at the limit 0.
    """
    by_ratio, by_funding = SENTIMENT
    with np.errstate(divide="ignore", invalid="ignore"):
        lean = ratio if side > 0 else 1.0 / ratio
    points = by_ratio * share((lean - 1.0) / (full_ratio - 1.0))
    return points + by_funding * share(1.0 - side * funding / limit)


def bonus_points(retests: Floats, squeezed: Floats, *, retest: float, squeeze: float) -> Floats:
    """Return ``retest`` points for each of at most two retests, and ``squeeze`` for a squeeze."""
    return retest * np.minimum(np.nan_to_num(retests), 2.0) + squeeze * share(squeezed)


def total(*parts: Floats) -> Floats:
    """Return the sum of the parts, capped at 100."""
    return np.asarray(np.minimum(np.sum(parts, axis=0), MOST))


def funding_rate(settled: Floats, seconds: float) -> Floats:
    """Return the funding rate in force at each bar, per settlement of 8 hours.

    ``settled`` is the sum of rates settled within each bar, 0 where none was, NaN where nothing is
    known. On bars shorter than a settlement the last rate holds for 8 hours; on longer ones the
    mean of those settled counts.
    """
    hours = seconds / 3600.0
    if hours >= FUNDING_HOURS:
        return settled / (hours / FUNDING_HOURS)
    span = round(FUNDING_HOURS / hours)
    there = np.where(np.nan_to_num(settled) != 0.0, np.arange(len(settled)), -1)
    last = np.maximum.accumulate(there) if len(there) else there
    fresh = (last >= 0) & (np.arange(len(settled)) - last < span)
    return np.where(np.isnan(settled), np.nan, np.where(fresh, settled[last], 0.0))


def growth(values: Floats, bars: int) -> Floats:
    """Return the relative change over ``bars``; NaN when either end is unknown or not positive."""
    before = np.full(len(values), np.nan)
    if bars < len(values):
        before[bars:] = values[:-bars]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = values / before - 1.0
    return np.where((before > 0.0) & np.isfinite(found), found, np.nan)


def refused(
    side: float,
    funding: Floats,
    flow: Floats,
    ratio: Floats,
    *,
    limit: float,
    min_inputs: int,
) -> Floats:
    """Return why a side is refused at each bar: 0 not, 1 funding, 2 open interest, 3 missing.

    Notes
    -----
    |funding| above the limit refuses both sides; open interest that does not grow refuses longs;
    fewer known inputs of the crowd than ``min_inputs`` refuse both. An unknown figure closes no
    gate by itself: that is what ``min_inputs`` is for.
    """
    known = np.isfinite([funding, flow, ratio]).sum(axis=0)
    found = np.where(known < min_inputs, BY_MISSING, 0.0)
    if side > 0:
        found = np.where(flow <= 0.0, BY_OPEN_INTEREST, found)
    return np.asarray(np.where(np.abs(funding) > limit, BY_FUNDING, found))


def missing_mask(funding: Floats, flow: Floats, ratio: Floats) -> Floats:
    """Return which inputs are unknown at each bar, as a sum of 1 funding, 2 flow, 4 ratio."""
    gone = np.isnan([funding, flow, ratio])
    return np.asarray(gone[0] * 1.0 + gone[1] * 2.0 + gone[2] * 4.0)


def missing_names(mask: float) -> list[str]:
    """Return the names of the inputs in a mask of ``missing_mask``."""
    return [name for k, name in enumerate(CROWD) if int(mask) >> k & 1]
