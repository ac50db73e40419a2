"""Which bars are missing against the exchange's own calendar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.calendars import expected_times, present, sessions

__all__ = ["Gap", "expected_times", "find_gaps", "missing_by", "sessions"]

Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of missing bars: open of the first and of the last one, and how many."""

    first: int
    last: int
    bars: int


def find_gaps(ts: Times, expected: Times) -> list[Gap]:
    """Return runs of expected bars that are not there; ``ts`` ascends."""
    missing = ~present(expected, ts)
    if not missing.any():
        return []
    edges = np.diff(np.concatenate([[0], missing.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [
        Gap(int(expected[a]), int(expected[b - 1]), int(b - a))
        for a, b in zip(starts, stops, strict=True)
    ]


def missing_by(expected: Times, ts: Times, unit: str) -> dict[str, int]:
    """Return how many bars are missing per month (``unit`` "M") or day ("D"), where any is."""
    lost = expected[~present(expected, ts)].astype("M8[us]").astype(f"M8[{unit}]")
    keys, counts = np.unique(lost, return_counts=True)
    return {str(key): int(count) for key, count in zip(keys, counts, strict=True)}
