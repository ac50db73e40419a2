"""Rows of Monte Carlo over trades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.backtests.kernel.integrity.reshuffles import METHODS

LABELS = {"shuffle": "Order of trades", "trades": "Trades redrawn", "bars": "Blocks of bars"}
# Name, title, kind of number, places, formula.
ROWS = (
    ("max_drawdown", "Max drawdown", "percent", 1, "max(1 - V / peak V) of each path, V from 1"),
    ("under_water", "Longest under water", "number", 0, "from a peak until regained or the end"),
    ("equity_final", "Final equity", "number", 0, "start · Π(1 + step)"),
    ("cagr", "CAGR", "percent", 1, "(final / start)^(1 / years) - 1"),
    ("sharpe", "Sharpe", "number", 2, "mean / sample sd of steps · √(steps a year)"),
)
SHOWN = ("observed", "q5", "q50", "q95")


def reshuffled_part(
    run_id: str, method: str, found: Mapping[str, Any], why: str
) -> dict[str, Any]:
    """Return what the part of a run's page shows of paths, or why there are none."""
    methods = [
        {"name": name, "label": LABELS[name], "says": says, "is_open": name == method}
        for name, says in METHODS.items()
    ]
    rows = []
    for name, title, kind, places, formula in ROWS if found else ():
        values = [found["figures"][name][column] for column in SHOWN]
        unit = found["unit"] if name == "under_water" else ""
        row = {"name": name, "title": title, "unit": unit, "formula": formula}
        rows.append({**row, "kind": kind, "places": places, "values": values})
    return {"run_id": run_id, "methods": methods, "rows": rows, "found": found, "why_not": why}
