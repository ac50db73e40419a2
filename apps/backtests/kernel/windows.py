"""Stretches of a run: known crises, its own worst drawdowns, what was traded month by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.risk.kernel.stress import CRISES, DAY, Crisis

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WORST = 5
# Longer than the shocks that books are stressed with: whole falls, by their turning points.
FALLS = (
    Crisis("2000-2002", "Dot-com bear market", "2000-03-27", "2002-10-09"),
    Crisis("2007-2009", "Global financial crisis", "2007-10-10", "2009-03-09"),
    Crisis("2015-2016", "China and oil", "2015-08-11", "2016-02-11"),
    Crisis("2018-q4", "Fourth quarter of 2018, from its top", "2018-09-21", "2018-12-24"),
    Crisis("2022", "Inflation and rates, to its low", "2022-01-04", "2022-10-12"),
)
WINDOWS = tuple(sorted((*CRISES, *FALLS), key=lambda one: (one.start, one.end)))


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall from a peak: where it began, was deepest, and was made good (None: not yet)."""

    depth: float
    peak: int
    trough: int
    recovered: int | None


def crisis_rows(
    ts: Ints, equity: Floats, benchmark: Floats, start_cash: float
) -> list[dict[str, Any]]:
    """Return return, drawdown and days of run and benchmark in each known crisis.

    Parameters
    ----------
    ts
        ``(n,)`` microseconds of the bars' opens, ascending.
    equity, benchmark
        ``(n,)`` values at the closes; the benchmark from 1, NaN where it is not known.

    Returns
    -------
    list of dict
        The crises that lie wholly between the first and the last bar, the oldest first. Returns
        are from the last close before the crisis to its last; drawdowns are within it, positive.
    """
    rows = []
    for crisis in WINDOWS:
        low, high = _micros(crisis.start), _micros(crisis.end) + DAY
        first, last = (int(i) for i in np.searchsorted(ts, [low, high]))
        if not len(ts) or first == last or ts[0] > low or ts[-1] + DAY < high:
            continue
        before = start_cash if first == 0 else float(equity[first - 1])
        theirs = 1.0 if first == 0 else float(benchmark[first - 1])
        rows.append(
            {
                "name": crisis.name,
                "title": crisis.title,
                "start": crisis.start,
                "end": crisis.end,
                "bars": last - first,
                **_within("", before, equity[first:last]),
                **_within("benchmark_", theirs, benchmark[first:last]),
            }
        )
    return rows


def _within(prefix: str, before: float, value: Floats) -> dict[str, Any]:
    path = np.concatenate(([before], value))
    if not np.isfinite(path).all() or (path[:-1] <= 0.0).any():
        return {f"{prefix}return": None, f"{prefix}drawdown": None}
    return {
        f"{prefix}return": float(path[-1] / path[0] - 1.0),
        f"{prefix}drawdown": float((1.0 - path / np.maximum.accumulate(path)).max()),
    }


def _micros(day: str) -> int:
    return int(np.datetime64(day, "us").astype(np.int64))


def worst_drawdowns(equity: Floats, start_cash: float, most: int = WORST) -> list[Drawdown]:
    """Return the deepest falls of a value, no two overlapping, the deepest first.

    Indices are those of ``equity``; a fall from the starting cash has its peak at -1.
    """
    value = np.concatenate(([start_cash], equity))
    top = np.maximum.accumulate(value)
    under = value < top
    edges = np.diff(np.concatenate(([False], under, [False])).astype(np.int8))
    found = []
    for first, last in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        loss = 1.0 - value[first:last] / top[first:last]
        trough = int(first + np.argmax(loss))
        back = int(last) - 1 if last < len(value) else None
        found.append(Drawdown(float(loss.max()), int(first) - 2, trough - 1, back))
    return sorted(found, key=lambda one: (-one.depth, one.peak))[:most]


def drawdown_rows(ts: Ints, equity: Floats, start_cash: float) -> list[dict[str, Any]]:
    """Return the worst drawdowns with their days; a peak at the start is the first bar's."""
    rows = []
    for fall in worst_drawdowns(equity, start_cash):
        peak, trough = ts[max(fall.peak, 0)], ts[fall.trough]
        end = ts[-1] if fall.recovered is None else ts[fall.recovered]
        rows.append(
            {
                "depth": fall.depth,
                "peak": _day(peak),
                "trough": _day(trough),
                "recovered": None if fall.recovered is None else _day(end),
                "days": int((end - peak) // DAY),
                "days_down": int((trough - peak) // DAY),
                "days_back": None if fall.recovered is None else int((end - trough) // DAY),
            }
        )
    return rows


def _day(ts: int) -> str:
    return str(np.datetime64(int(ts), "us").astype("datetime64[D]"))


def by_bar(ts: Ints, at: Ints, values: Floats) -> Floats:
    """Return sums of ``values`` on the bars they happened on; times that are no bar are left."""
    out = np.zeros(len(ts))
    place = np.minimum(np.searchsorted(ts, at), max(len(ts) - 1, 0))
    fits = ts[place] == at if len(ts) else np.zeros(0, np.bool_)
    np.add.at(out, place[fits], np.asarray(values)[fits])
    return out


def turnover_by_month(ts: Ints, traded: Floats, equity: Floats) -> tuple[list[str], Floats]:
    """Return months (UTC) and half the value traded in each over its mean equity."""
    month = ts.astype("datetime64[us]").astype("datetime64[M]")
    names, at = np.unique(month, return_inverse=True)
    count = np.bincount(at)
    sums = np.bincount(at, weights=traded)
    mean = np.bincount(at, weights=equity) / count
    share = np.full(len(names), np.nan)
    np.divide(sums / 2.0, mean, out=share, where=mean > 0.0)
    return [str(name) for name in names], share


def holdings_by_bar(ts: Ints, changes: dict[str, NDArray[Any]]) -> Floats:
    """Return how many instruments were held after each bar, from a table of positions."""
    symbols, column = np.unique(changes["symbol"].astype(str), return_inverse=True)
    held = np.zeros(len(symbols), np.bool_)
    step = np.zeros(len(ts))
    when = changes["ts"].astype("datetime64[us]").astype(np.int64)
    order = np.argsort(when, kind="stable")
    place = np.searchsorted(ts, when)
    for row in order:
        now = bool(changes["quantity"][row] != 0.0)
        if place[row] < len(ts) and now != held[column[row]]:
            step[place[row]] += 1.0 if now else -1.0
            held[column[row]] = now
    return np.cumsum(step)


def largest_holdings(changes: dict[str, NDArray[Any]], most: int = 10) -> list[dict[str, Any]]:
    """Return the instruments with the largest weight after any change, by size."""
    names = changes["symbol"].astype(str)
    weight = np.nan_to_num(np.abs(changes["weight"].astype(np.float64)))
    rows: list[dict[str, Any]] = []
    for name in np.unique(names):
        mine = np.flatnonzero(names == name)
        peak = mine[int(np.argmax(weight[mine]))]
        rows.append(
            {
                "symbol": str(name),
                "largest": float(changes["weight"][peak]),
                "on": _day(int(changes["ts"][peak].astype("datetime64[us]").astype(np.int64))),
                "changes": len(mine),
            }
        )
    kept = [row for row in rows if np.isfinite(row["largest"]) and row["largest"] != 0.0]
    return sorted(kept, key=lambda row: (-abs(row["largest"]), row["symbol"]))[:most]
