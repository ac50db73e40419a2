"""Fields and rows of the pages of backtests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.backtests.kernel.metrics import METRICS, Metric
from apps.backtests.kernel.reports import RUN_METRICS
from apps.backtests.kernel.trials import OBJECTIVES

HEADLINES = ("total_return", "cagr", "sharpe", "max_drawdown", "volatility", "win_rate")
STATUSES = ("queued", "running", "done", "failed", "cancelled", "lost")


def _turned(name: str, sort: str) -> str:
    return name if sort == f"-{name}" else f"-{name}"


def metric_rows(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every figure of a run beside its benchmark's, with formula and reason."""
    table: dict[str, Metric] = {**METRICS, **RUN_METRICS}
    mine, theirs = detail["metrics"], detail["benchmark"]["metrics"]
    return [
        {
            "name": name,
            **shown(metric, mine[name]),
            "benchmark": shown(metric, theirs.get(name))["value"],
            "formula": formula_of(metric, detail["periods_per_year"]),
            "told": metric.formula,
            "yearly": yearly_of(metric, detail["periods_per_year"]),
            "factor": 100 if metric.unit == "fraction" else 1,
            "reason": detail["metrics_missing"].get(name, ""),
        }
        for name, metric in table.items()
        if name in mine
    ]


def headlines(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tiles on top of a run's page."""
    rows = {row["name"]: row for row in metric_rows(detail)}
    return [rows[name] for name in HEADLINES if name in rows]


def shown(metric: Metric, value: float | None) -> dict[str, Any]:
    """Return a figure as it is written: fractions in percent."""
    factor = 100.0 if metric.unit == "fraction" else 1.0
    unit = {"fraction": "%", "days": "d"}.get(metric.unit, "")
    places = {"fraction": 2, "days": 0}.get(metric.unit, 2)
    written = None if value is None else value * factor
    return {"title": metric.title, "value": written, "unit": unit, "places": places}


def formula_of(metric: Metric, periods: float | None) -> str:
    """Return a formula with the periods of a year it was scaled by."""
    yearly = f"; per year, P = {periods:g}" if metric.annualised and periods else ""
    return f"{metric.formula}{yearly}"


def yearly_of(metric: Metric, periods: float | None) -> str:
    """Return how a figure is brought to a year, in words."""
    if not metric.annualised or not periods:
        return "Not scaled to a year."
    return f"Per year: P = {periods:g} bars a year, riskless rate 0."


def tail_rows(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return VaR and ES by method and level."""
    return [
        {
            "name": name,
            "method": name.partition("_")[0],
            "level": f"{name.rpartition('_')[2]} %",
            **entry,
        }
        for name, entry in sorted(detail["tail_losses"].items(), reverse=True)
    ]


def title_of_figure(name: str) -> str:
    """Return a figure's name as it is written."""
    table: dict[str, Metric] = {**METRICS, **RUN_METRICS}
    return table[name].title if name in table else name.replace("_", " ").capitalize()


TRIAL_COLUMNS = (
    "sharpe",
    "cagr",
    "total_return",
    "volatility",
    "max_drawdown",
    "sortino",
    "calmar",
    "turnover",
    "trades",
)


def trial_columns(detail: Mapping[str, Any], sort: str) -> list[dict[str, Any]]:
    """Return the columns of the trials of a sweep: the parameters, then figures."""
    names = ("number", *TRIAL_COLUMNS)
    figures = [
        {
            "name": name,
            "label": "No." if name == "number" else _labelled(name),
            "sorts": _turned(name, sort),
            "state": _state_of(name, sort, detail["objective"]),
        }
        for name in names
    ]
    swept = [
        {"name": name, "label": name.replace("_", " "), "sorts": ""} for name in detail["space"]
    ]
    return [figures[0], *swept, *figures[1:]]


def _state_of(name: str, sort: str, objective: str) -> str:
    """Return how a column is sorted; the order of the sweep's own score is its objective's."""
    if sort in {"score", "-score"} and name == objective:
        best_first = "descending" if OBJECTIVES[objective] else "ascending"
        worst_first = "ascending" if OBJECTIVES[objective] else "descending"
        return best_first if sort == "-score" else worst_first
    return {name: "ascending", f"-{name}": "descending"}.get(sort, "")


def _labelled(name: str) -> str:
    table: dict[str, Metric] = {**METRICS, **RUN_METRICS}
    percent = name in table and table[name].unit == "fraction"
    return f"{title_of_figure(name)}, %" if percent else title_of_figure(name)


def trial_cells(detail: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial as its row is written: parameters in the order of the columns, figures."""
    table: dict[str, Metric] = {**METRICS, **RUN_METRICS}
    figures = []
    for name in TRIAL_COLUMNS:
        value = row[name]
        if name == "trades":
            figures.append({"value": value, "places": 0})
        else:
            found = shown(table[name], value)
            figures.append({"value": found["value"], "places": found["places"]})
    params = [row["params"].get(name) for name in detail["space"]]
    return {**row, "cells": params, "figures": figures}


def swept(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what each swept parameter was given, in words; the first two make the picture."""
    return [
        {"name": name, "says": _axis_says(values), "place": place}
        for place, (name, values) in enumerate(detail["space"].items())
    ]


def _axis_says(values: Any) -> str:
    if isinstance(values, list):
        return ", ".join(str(value) for value in values[:12]) + (" …" if len(values) > 12 else "")
    step = values.get("step")
    steps = f" in steps of {step:g}" if step else ""
    scale = ", logarithmic" if values.get("log") else ""
    return f"{values['low']:g} to {values['high']:g}{steps}{scale}"
