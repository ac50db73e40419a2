"""What a run is worth beside all the others that were tried: the figures of a trial family."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.sharpe import (
    LEVEL,
    Moments,
    deflated_sharpe,
    expected_max_sharpe,
    min_track_record,
    months_needed,
    probabilistic_sharpe,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Significance:
    """A run's Sharpe ratio judged; ``benchmark`` and ``sharpe`` are per year here."""

    sharpe: float
    benchmark: float
    probabilistic_sharpe: float
    deflated_sharpe: float
    effective_n: float
    observations: int
    min_track_record: float | None
    months_needed: float | None


def judge(
    found: Moments, sharpes: Floats, effective_n: float, periods: float, level: float = LEVEL
) -> Significance:
    """Return what a run's Sharpe ratio is worth after all the trials of its family.

    Parameters
    ----------
    found
        Of the run judged.
    sharpes
        Of all trials that have one, per observation.
    effective_n
        How many independent trials there were.
    periods
        Observations in a year.
    """
    number = max(effective_n, 1.0)
    spread = trials_variance(sharpes, found.n)
    benchmark = expected_max_sharpe(number, spread)
    needed = min_track_record(found, benchmark, level)
    yearly = math.sqrt(periods)
    return Significance(
        sharpe=found.sharpe * yearly,
        benchmark=benchmark * yearly,
        probabilistic_sharpe=probabilistic_sharpe(found),
        deflated_sharpe=deflated_sharpe(found, number, spread),
        effective_n=number,
        observations=found.n,
        min_track_record=needed,
        months_needed=months_needed(needed, found.n, periods),
    )


def trials_variance(sharpes: Floats, n: int) -> float:
    """Return the variance of Sharpe ratios over trials, at least what chance alone makes.

    Like trials of one idea lie close together and would lower the bar for all of them; without
    any skill a ratio over ``n`` observations varies by 1 / (n - 1) however close its fellows are.
    """
    there = np.asarray(sharpes, dtype=np.float64)
    there = there[np.isfinite(there)]
    among = float(there.var(ddof=1)) if len(there) > 1 else 0.0
    return max(among, 1.0 / (n - 1))


def scaled_number(effective: float, with_stream: int, counted: int) -> float:
    """Return the effective number of all trials counted, those without a stream like the others.

    Failed and cancelled trials, and those under way, have no returns to be compared by.
    """
    if with_stream < 1:
        return float(counted)
    return effective * max(counted, with_stream) / with_stream
