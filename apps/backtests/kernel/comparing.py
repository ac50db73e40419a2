"""Runs beside each other: figures with changes, common dates, and what differs, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.curves import returns_of
from apps.backtests.kernel.metrics import explain

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Values = Mapping[str, Any]

# Of these less is better; of what is in neither set nobody is best.
LOWER = frozenset(
    {
        "volatility",
        "downside_deviation",
        "max_drawdown",
        "max_drawdown_days",
        "ulcer_index",
        "tracking_error",
        "excess_kurtosis",
    }
)
HIGHER = frozenset(
    {
        "total_return",
        "cagr",
        "sharpe",
        "sharpe_geometric",
        "sortino",
        "calmar",
        "omega",
        "skewness",
        "win_rate",
        "profit_factor",
        "payoff_ratio",
        "tail_ratio",
        "alpha_annualised",
        "information_ratio",
        "treynor",
        "deflated_sharpe",
    }
)
CODE, PARAMS, DATA, TERMS, ENVIRONMENT = "code", "params", "data", "terms", "environment"
PARTS = (CODE, PARAMS, DATA, TERMS, ENVIRONMENT)
# What is read, and over which dates; the rest of a request says how it is traded.
READ = (
    "universe",
    "instruments",
    "timeframe",
    "start",
    "end",
    "as_of",
    "price_mode",
    "currency",
    "benchmark",
    "given",
    "signal_weight",
)
SKIPPED = frozenset({"title", "labels", "study", "params", "strategy", "costs"})
# A formula is the code of its version, though it is handed over as a parameter.
FORMULA = "expression"


@dataclass(frozen=True, slots=True)
class Curve:
    """Equity of one run by bar; ``start`` is the cash before its first."""

    ts: Ints
    equity: Floats
    start: float
    periods: float


def parts_of(run: Values) -> dict[str, dict[str, Any]]:
    """Return what a run was made of: code, parameters, data, terms, environment; flat each."""
    asked, origin = run["request"], run["origin"]
    params = dict(run["params"])
    formula = {FORMULA: params.pop(FORMULA)} if FORMULA in params else {}
    read = {name: asked.get(name) for name in READ if name in asked}
    rest = {k: v for k, v in asked.items() if k not in SKIPPED and k not in READ}
    costs = {f"costs.{name}": value for name, value in asked.get("costs", {}).items()}
    return {
        CODE: {
            "strategy": run["strategy"],
            **formula,
            "source": run.get("source_digest", ""),
            "lab": origin.get("lab", ""),
            "engine": run["engine_version"],
        },
        PARAMS: params,
        DATA: {**read, "first": run["first"], "last": run["last"], "digest": run["data_digest"]},
        TERMS: {**rest, **costs},
        ENVIRONMENT: {
            "digest": origin.get("environment", ""),
            "cpu": origin.get("cpu", ""),
            "flags": origin.get("flags", []),
            "threads": origin.get("threads", {}),
        },
    }


def changes(base: Mapping[str, Values], other: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Return what differs between two runs: part, name, both values."""
    found = []
    for part in PARTS:
        before, after = base[part], other[part]
        for name in sorted({*before, *after}):
            pair = before.get(name), after.get(name)
            if pair[0] != pair[1]:
                found.append({"part": part, "name": name, "before": pair[0], "after": pair[1]})
    return found


def best_and_worst(name: str, values: Sequence[float | None]) -> tuple[int | None, int | None]:
    """Return where the best and the worst of a figure stand; None where no order is meant."""
    known = [(value, place) for place, value in enumerate(values) if value is not None]
    if name not in HIGHER | LOWER or len(known) < 2 or len({value for value, _ in known}) < 2:
        return None, None
    ordered = sorted(known, key=lambda pair: pair[0], reverse=name in HIGHER)
    return ordered[0][1], ordered[-1][1]


def figure_rows(
    figures: Sequence[Mapping[str, float | None]], base: int = 0
) -> list[dict[str, Any]]:
    """Return a row for each figure that all have: values, changes from the base, best, worst."""
    names = [name for name in figures[base] if all(name in each for each in figures)]
    rows = []
    for name in names:
        values = [each[name] for each in figures]
        best, worst = best_and_worst(name, values)
        deltas = [_delta(value, values[base]) for value in values]
        rows.append(
            {"name": name, "values": values, "deltas": deltas, "best": best, "worst": worst}
        )
    return rows


def _delta(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def common_days(curves: Sequence[Curve]) -> tuple[int, int] | None:
    """Return the first and last moment that all runs have bars at or between, or None."""
    if not all(len(curve.ts) for curve in curves):
        return None
    first = max(int(curve.ts[0]) for curve in curves)
    last = min(int(curve.ts[-1]) for curve in curves)
    return (first, last) if first < last else None


def over_common(curves: Sequence[Curve], days: tuple[int, int]) -> list[dict[str, float | None]]:
    """Return the figures of each run measured again over the days that all of them have.

    Returns are those after the first common bar, so that each begins with a known value.
    """
    found = []
    for curve in curves:
        inside = (curve.ts >= days[0]) & (curve.ts <= days[1])
        equity, ts = curve.equity[inside], curve.ts[inside]
        returns = returns_of(equity, float(equity[0])) if len(equity) else np.empty(0)
        figures, _ = explain(returns, periods=curve.periods, ts=ts[1:])
        found.append(figures)
    return found


def are_same_days(curves: Sequence[Curve]) -> bool:
    """Tell whether all runs have the first and the last bar at the same moments."""
    ends = {(int(curve.ts[0]), int(curve.ts[-1])) for curve in curves if len(curve.ts)}
    return len(ends) == 1


def growth(curve: Curve, days: tuple[int, int] | None) -> tuple[Ints, Floats]:
    """Return times and growth of 1: from the run's cash, or from the first common moment."""
    if days is None:
        return curve.ts, curve.equity / curve.start
    inside = (curve.ts >= days[0]) & (curve.ts <= days[1])
    equity = curve.equity[inside]
    return curve.ts[inside], equity / equity[0] if len(equity) else equity
