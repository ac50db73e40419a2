"""Heads and cells of the table of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.backtests.kernel.metrics import METRICS
from apps.backtests.kernel.reports import RUN_METRICS
from apps.backtests.selectors.studies import OBJECTIVES

# Column: what stands above it, how it is written, whether it is sorted by.
HEADS = {
    "title": ("Run", "title", True),
    "tags": ("Tags", "tags", False),
    "strategy": ("Strategy", "words", True),
    "study": ("Study", "study", True),
    "universe": ("Universe", "text", True),
    "status": ("State", "status", True),
    "total_return": ("Total return, %", "change", True),
    "cagr": ("CAGR, %", "change", True),
    "sharpe": ("Sharpe", "number", True),
    "deflated_sharpe": ("Deflated Sharpe", "deflated", True),
    "max_drawdown": ("Drawdown, %", "percent", True),
    "trades": ("Trades", "whole", True),
    "equity_final": ("Final equity", "number", True),
    "fill": ("Fill", "words", True),
    "created_by": ("By", "text", True),
    "created_at": ("Made", "time", True),
    "finished_at": ("Ended", "time", True),
}
NUMERIC = {"change", "number", "deflated", "percent", "whole", "time"}


def head_of(name: str) -> tuple[str, str, bool]:
    """Return label, way of writing and whether it is sorted by, of any column."""
    if name in HEADS:
        return HEADS[name]
    root, _, key = name.partition(".")
    if root == "metrics":
        metric = {**METRICS, **RUN_METRICS}.get(key)
        label = metric.title if metric else key
        is_share = metric is not None and metric.unit == "fraction"
        return (f"{label}, %", "percent", True) if is_share else (label, "number", True)
    return name, "plain", root == "params"


def run_columns(names: Sequence[str], sort: str) -> list[dict[str, Any]]:
    """Return the heads of the table; a click on the sorted one turns it round."""
    return [_head(name, sort) for name in names]


def _head(name: str, sort: str) -> dict[str, Any]:
    label, way, sorts = head_of(name)
    turned = name if sort == f"-{name}" else f"-{name}"
    return {
        "name": name,
        "label": label,
        "num": way in NUMERIC,
        "sorts": turned if sorts else "",
        "state": {name: "ascending", f"-{name}": "descending"}.get(sort, ""),
    }


def run_cells(row: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the cells of a run, each with how it is written."""
    return [{"name": name, "way": head_of(name)[1], "value": row["cells"][name]} for name in names]


def objectives() -> list[dict[str, str]]:
    """Return the figures that the best of a study may be judged by."""
    figures = (name if name in HEADS else f"metrics.{name}" for name in OBJECTIVES)
    return [{"name": n.rpartition(".")[2], "label": head_of(n)[0]} for n in figures]


def column_choices(every: Sequence[str], chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Return every column with whether it is shown."""
    return [
        {"name": name, "label": head_of(name)[0], "is_shown": name in chosen} for name in every
    ]
