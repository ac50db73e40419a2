"""The gap map of a universe: symbols by time, each cell the share of its bars that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.calendars import expected_times
from apps.market.kernel.health import MONTHLY_ABOVE, iso

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MapLine:
    """One symbol: opens of its first and last bar, score, missing bars by month or day, marks.

    ``marks`` are time (ISO), kind and words of what is to be marked.
    """

    symbol: str
    first: int
    last: int
    score: float
    lost: Mapping[str, int]
    marks: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class GapMap:
    """What is drawn: ``share`` is ``(n_symbols, n_buckets)``, NaN outside a series.

    ``marks`` are row, column, kind and words.
    """

    title: str
    timeframe: str
    symbols: list[str]
    buckets: list[str]
    share: Floats
    left_out: int = 0
    marks: list[tuple[int, int, str, str]] = field(default_factory=list)


def lay_out_map(
    lines: Sequence[MapLine], *, title: str, timeframe: str, calendar: str, left_out: int = 0
) -> GapMap:
    """Return the map of some series over the time that any of them covers.

    A column is a month, or a day where all is within 400 days.
    """
    if not lines:
        return GapMap(title, timeframe, [], [], np.empty((0, 0)), left_out)
    first, last = min(line.first for line in lines), max(line.last for line in lines)
    unit = "M" if last - first > MONTHLY_ABOVE else "D"
    expected = expected_times(calendar, timeframe, first, last)
    ends = np.array([first, last], np.int64).astype("M8[us]").astype(f"M8[{unit}]")
    buckets = np.arange(ends[0], ends[1] + 1)
    at = (expected.astype("M8[us]").astype(f"M8[{unit}]") - ends[0]).astype(np.int64)
    total = np.bincount(at, minlength=len(buckets))
    names = [str(bucket) for bucket in buckets]
    place = {name: column for column, name in enumerate(names)}
    share = np.full((len(lines), len(names)), np.nan)
    marks: list[tuple[int, int, str, str]] = []
    for row, line in enumerate(lines):
        share[row] = _share_of(line, place, total)
        marks += [
            (row, place[moment[: len(names[0])]], kind, words)
            for moment, kind, words in line.marks
            if moment[: len(names[0])] in place
        ]
    symbols = [line.symbol for line in lines]
    return GapMap(title, timeframe, symbols, names, share, left_out, marks)


def _share_of(line: MapLine, place: Mapping[str, int], total: NDArray[np.int64]) -> Floats:
    size = len(next(iter(place)))
    lost = np.zeros(len(total))
    for moment, count in line.lost.items():
        column = place.get(moment[:size])
        if column is not None:
            lost[column] += count
    share = np.where(total > 0, 1.0 - lost / np.maximum(total, 1), np.nan)
    share[: place[iso(line.first)[:size]]] = np.nan
    share[place[iso(line.last)[:size]] + 1 :] = np.nan
    return np.clip(share, 0.0, 1.0)
