"""What may not be stored, and what may but looks wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.columns import PRICES, Actions, Columns

MOVE_LIMIT = {"1d": 0.5, "1w": 0.6, "1mo": 0.8}
MOVE_LIMIT_INTRADAY = 0.3
SPLIT_TOLERANCE = 0.08  # in log return: a split day may also move by itself
OPEN_TOLERANCE = 0.02
LARGE_DIVIDEND = 0.2
WHOLE_RATIOS = np.log([*range(2, 21), *(1 / k for k in range(2, 21)), 1.5, 2 / 3])


@dataclass(frozen=True, slots=True)
class Defect:
    """A value that may not be stored: ``row`` counts from 0 in the order given."""

    row: int
    column: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A move that deserves a look: ``kind`` says what it resembles."""

    ts: int
    kind: str
    change: float


def find_defects(bars: Columns, keys: NDArray[Any] | None = None) -> list[Defect]:
    """Return the first defect of each sort, in row order; none when the bars may be stored.

    Parameters
    ----------
    bars
        In the order of the source.
    keys
        ``(n,)`` symbol of each row; all the same when not given.
    """
    found = [*_not_finite(bars), *_out_of_bounds(bars), *_bad_order(bars, keys)]
    return sorted(found, key=lambda defect: (defect.row, defect.column))


def _not_finite(bars: Columns) -> Iterator[Defect]:
    for name in (*PRICES, "volume"):
        column = getattr(bars, name)
        rows = np.flatnonzero(~np.isfinite(column))
        if len(rows):
            row = int(rows[0])
            yield Defect(row, name, str(column[row]), "a finite number")


def _out_of_bounds(bars: Columns) -> Iterator[Defect]:
    with np.errstate(invalid="ignore"):
        for name in PRICES:
            column = getattr(bars, name)
            yield from _first(column <= 0, name, column, "a price above zero")
        yield from _first(bars.volume < 0, "volume", bars.volume, "zero or more")
        top = np.maximum(np.maximum(bars.open, bars.close), bars.low)
        yield from _first(bars.high < top, "high", bars.high, "the highest price of the bar")
        bottom = np.minimum(bars.open, bars.close)
        yield from _first(bars.low > bottom, "low", bars.low, "the lowest price of the bar")


def _first(
    mask: NDArray[np.bool_], name: str, column: NDArray[Any], expected: str
) -> Iterator[Defect]:
    rows = np.flatnonzero(mask)
    if len(rows):
        row = int(rows[0])
        yield Defect(row, name, str(column[row]), expected)


def _bad_order(bars: Columns, keys: NDArray[Any] | None) -> Iterator[Defect]:
    groups = np.zeros(len(bars), np.int64)
    if keys is not None:
        groups = np.unique(keys, return_inverse=True)[1].astype(np.int64)
    order = np.argsort(groups, kind="stable")
    same = groups[order][1:] == groups[order][:-1]
    step = np.diff(bars.ts[order])
    for mask, expected in (
        (same & (step == 0), "a time that no other row of the symbol has"),
        (same & (step < 0), "a time after the row before it"),
    ):
        rows = order[1:][mask]
        if len(rows):
            row = int(rows.min())
            yield Defect(row, "ts", str(np.datetime64(int(bars.ts[row]), "us")) + "Z", expected)


def describe(defects: Sequence[Defect], *, first_row: int = 1) -> str:
    """Return the defects as one sentence; rows are counted from ``first_row``."""
    parts = [
        f"row {defect.row + first_row}, column {defect.column}: found {defect.found}, "
        f"expected {defect.expected}"
        for defect in defects[:5]
    ]
    return "; ".join(parts)


def find_suspicions(
    bars: Columns, adjusted_close: NDArray[np.float64], actions: Actions, timeframe: str
) -> list[Suspicion]:
    """Return moves of the adjusted close that are larger than the timeframe allows.

    Notes
    -----
    ``split_without_move``: a split is booked, the raw price did not move with it.
    ``large_dividend``: a dividend above a fifth of the price is booked on that day.
    ``split_missing``: no split is booked, yet the price opened at a small whole ratio of the
    close before and stayed there.
    ``jump``: anything else; real events (crises, bids, results) are among them.
    """
    if len(bars) < 2:
        return []
    change = adjusted_close[1:] / adjusted_close[:-1] - 1.0
    limit = MOVE_LIMIT.get(timeframe, MOVE_LIMIT_INTRADAY)
    split, dividend = np.ones(len(bars)), np.zeros(len(bars))
    at = np.searchsorted(bars.ts, actions.ts)
    inside = at < len(bars)
    split[at[inside]] = actions.split[inside]
    dividend[at[inside]] = actions.dividend[inside]
    rows = np.flatnonzero(np.abs(change) > limit) + 1
    return [
        Suspicion(
            int(bars.ts[row]),
            _kind(bars, int(row), float(split[row]), float(dividend[row])),
            float(change[row - 1]),
        )
        for row in rows
    ]


def _kind(bars: Columns, row: int, split: float, dividend: float) -> str:
    before = bars.close[row - 1]
    moved = float(np.log(bars.close[row] / before))
    if split != 1.0 and abs(moved + np.log(split)) > SPLIT_TOLERANCE:
        return "split_without_move"
    if dividend > LARGE_DIVIDEND * bars.close[row]:
        return "large_dividend"
    opened = float(np.log(bars.open[row] / before))
    nearest = float(WHOLE_RATIOS[np.argmin(np.abs(WHOLE_RATIOS - opened))])
    if abs(opened - nearest) < OPEN_TOLERANCE and abs(moved - nearest) < SPLIT_TOLERANCE:
        return "split_missing"
    return "jump"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A bar that may not be stored: its row in the order given, and why."""

    row: int
    reason: str
    message: str


HIGHEST_PRICE = 1e12
HIGHEST_VOLUME = 1e18
REASONS = {
    "not_finite": "a price or the volume is no finite number",
    "out_of_range": "a price above 10^12 or a volume above 10^18",
    "not_positive": "a price of zero or less, or a volume below zero",
    "high_low": "open, high, low and close contradict each other",
    "duplicate": "another bar of the same time comes before it",
}


def sift(bars: Columns) -> tuple[Columns, list[Rejected]]:
    """Return the bars that may be stored, in time order, and those that may not.

    Every row is judged by itself, so that one bad bar does not cost the good ones. Of several
    bars of one time the first sound one stays, unless the others are equal to it.
    """
    columns = [getattr(bars, name) for name in PRICES]
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(bars.volume)
        sane, positive = bars.volume <= HIGHEST_VOLUME, bars.volume >= 0
        for column in columns:
            finite = finite & np.isfinite(column)
            sane = sane & (column <= HIGHEST_PRICE)
            positive = positive & (column > 0)
        top = np.maximum(np.maximum(bars.open, bars.close), bars.low)
        shaped = (bars.high >= top) & (bars.low <= np.minimum(bars.open, bars.close))
    reason = np.full(len(bars), "", dtype="U12")
    for name, is_good in (
        ("high_low", shaped),
        ("not_positive", positive),
        ("out_of_range", sane),
        ("not_finite", finite),
    ):
        reason[~is_good] = name
    keep, doubled = _once_each(bars, np.flatnonzero(reason == ""))
    reason[doubled] = "duplicate"
    rejected = [
        Rejected(
            int(row), str(reason[row]), f"{REASONS[str(reason[row])]}: {_words(bars, int(row))}"
        )
        for row in np.flatnonzero(reason != "")
    ]
    return bars.take(keep), rejected


def _once_each(bars: Columns, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows in time order, one per time, and those that contradict the one kept."""
    order = rows[np.argsort(bars.ts[rows], kind="stable")]
    first = np.append(True, bars.ts[order][1:] != bars.ts[order][:-1])[: len(order)]
    kept = order[np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))]
    same = np.ones(len(order), np.bool_)
    for name in (*PRICES, "volume"):
        column = getattr(bars, name)
        same &= column[order] == column[kept]
    return order[first], order[~first & ~same]


def _words(bars: Columns, row: int) -> str:
    figures = " ".join(f"{name[0]} {getattr(bars, name)[row]:g}" for name in PRICES)
    return f"{figures} v {bars.volume[row]:g}"
