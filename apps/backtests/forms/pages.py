"""Fields and rows of the pages of backtests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.backtests.forms.terms import (
    COST_FIELDS,
    EXECUTION_FIELDS,
    ROW_OPTIONS,
    STOP_FIELDS,
    kept_terms,
    term_fields,
)
from apps.backtests.kernel.fills import FILLS, UNITS
from apps.backtests.kernel.metrics import METRICS, Metric
from apps.backtests.kernel.reports import RUN_METRICS
from apps.backtests.kernel.requests import BENCHMARKS
from apps.backtests.kernel.spaces import METHODS
from apps.backtests.kernel.trials import OBJECTIVES
from apps.core.kernel.timeframes import SECONDS
from apps.market.kernel.bars import PRICE_MODES
from apps.strategies.kernel.interface import Parameter, Spec

SWEEP_HINTS = {"int": "5, 10 or 5:50:5", "float": "0.5, 1 or 0:2:0.1", "bool": "true, false"}
TYPES = {"int": "number", "float": "number", "bool": "checkbox", "choice": "select"}
HEADLINES = ("total_return", "cagr", "sharpe", "max_drawdown", "volatility", "win_rate")
STATUSES = ("queued", "running", "done", "failed", "cancelled", "lost")
COLUMNS = (
    ("title", "Run", False),
    ("strategy", "Strategy", False),
    ("status", "State", False),
    ("total_return", "Total return, %", True),
    ("cagr", "CAGR, %", True),
    ("sharpe", "Sharpe", True),
    ("max_drawdown", "Drawdown, %", True),
    ("trades", "Trades", True),
    ("created_at", "Made", True),
)
UNSORTED = {"strategy", "status"}


def parameter_fields(spec: Spec, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one field per declared parameter, with value, unit and range."""
    return [_field(spec, parameter, values) for parameter in spec.parameters]


def _field(spec: Spec, parameter: Parameter, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "id": f"id_{spec.name}_{parameter.name}",
        "label": parameter.name.replace("_", " ").capitalize(),
        "type": TYPES.get(parameter.kind, "text"),
        "value": values.get(parameter.name, parameter.default),
        "min": "" if parameter.low is None else f"{parameter.low:g}",
        "max": "" if parameter.high is None else f"{parameter.high:g}",
        "step": "1" if parameter.kind == "int" else "any",
        "unit": parameter.unit,
        "help": f"{parameter.about}." if parameter.about else "",
        "options": [(choice, choice.capitalize()) for choice in parameter.choices],
        "sweep_name": f"sweep.{parameter.name}",
        "sweep_id": f"id_{spec.name}_sweep_{parameter.name}",
        "sweep_hint": SWEEP_HINTS.get(parameter.kind, ", ".join(parameter.choices)),
    }


def new_run(
    specs: Iterable[Spec], universes: Iterable[Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the form of a new run shows; ``asked`` is a request to begin from."""
    chosen, given = str(asked.get("strategy") or ""), asked.get("params") or {}
    known, places = list(specs), list(universes)
    daily = next((u.name for u in places if u.timeframe == "1d"), "")
    plug = str(asked.get("plug") or chosen)
    if plug not in {spec.name for spec in known}:
        plug = known[0].name
    costs, execution = asked.get("costs") or {}, asked.get("execution") or {}
    return {
        "cost_fields": term_fields("costs", COST_FIELDS, costs),
        "execution_fields": term_fields("execution", EXECUTION_FIELDS, execution),
        "stop_fields": term_fields("execution", STOP_FIELDS, execution),
        "kept": kept_terms(execution),
        "row_options": list(ROW_OPTIONS.items()),
        "rows": asked.get("rows") or {"kind": "orders", "text": "", "note": ""},
        "strategies": [
            {"spec": spec, "fields": parameter_fields(spec, given if spec.name == plug else {})}
            for spec in known
        ],
        "strategy_options": [(spec.name, spec.title) for spec in known],
        "chosen": plug,
        "version": chosen if chosen.isdecimal() else "",
        "universe_options": [
            *((u.name, f"{u.title} ({len(u.symbols)}, {u.timeframe})") for u in places),
            ("", "Instruments by symbol"),
        ],
        "asked": {
            "universe": "" if asked.get("instruments") else daily,
            "cash": 100_000,
            "fill": "next_open",
            "units": "fractional",
            "benchmark": "equal_weight",
            "price_mode": "total_return",
            "timeframe": "",
            **{name: value for name, value in asked.items() if value is not None},
            "instruments": ", ".join(asked.get("instruments") or []),
            "labels": ", ".join(asked.get("labels") or []),
            "fee_bps": costs.get("fee_bps", 5),
            "slippage_bps": costs.get("slippage_bps", 5),
        },
        "fill_options": [(rule.name, rule.says.capitalize()) for rule in FILLS.values()],
        "unit_options": [(unit, unit.capitalize()) for unit in UNITS],
        "benchmark_options": list(
            zip(BENCHMARKS, ("Equal weights, bought and held", "SPY", "None"), strict=True)
        ),
        "price_options": [(mode, mode.replace("_", " ").capitalize()) for mode in PRICE_MODES],
        "method_options": [
            (name, f"{name.capitalize()}: {says}") for name, says in METHODS.items()
        ],
        "objective_options": [(name, title_of_figure(name)) for name in OBJECTIVES],
        "timeframe_options": [("", "As the universe"), *((name, name) for name in SECONDS)],
    }


def columns(sort: str) -> list[dict[str, Any]]:
    """Return the columns of the list of runs; a click on the sorted one turns it round."""
    return [
        {
            "name": name,
            "label": label,
            "num": numeric,
            "sorts": "" if name in UNSORTED else _turned(name, sort),
            "state": {name: "ascending", f"-{name}": "descending"}.get(sort, ""),
        }
        for name, label, numeric in COLUMNS
    ]


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


def tail_rows(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return VaR and ES by method and level."""
    return [
        {
            "method": name.partition("_")[0],
            "level": f"{name.rpartition('_')[2]} %",
            **entry,
        }
        for name, entry in sorted(detail["tail_losses"].items(), reverse=True)
    ]


def comparison_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figures of several runs with the change from the first."""
    table: dict[str, Metric] = {**METRICS, **RUN_METRICS}
    rows = []
    found_rows = {row["name"]: row for row in found["metrics"]}
    for name, metric in table.items():
        row = found_rows.get(name)
        if row is None:
            continue
        pairs = zip(row["values"], row["deltas"], strict=True)
        cells = [
            {
                "value": shown(metric, value)["value"],
                "delta": shown(metric, delta)["value"],
                "places": shown(metric, value)["places"],
            }
            for value, delta in pairs
        ]
        unit = shown(metric, None)["unit"]
        rows.append(
            {
                "title": metric.title,
                "unit": unit,
                "formula": metric.formula,
                "cells": cells,
            }
        )
    return rows


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
            "state": {name: "ascending", f"-{name}": "descending"}.get(sort, ""),
        }
        for name in names
    ]
    swept = [
        {"name": name, "label": name.replace("_", " "), "sorts": ""} for name in detail["space"]
    ]
    return [figures[0], *swept, *figures[1:]]


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
