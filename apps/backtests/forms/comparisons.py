"""Comparisons as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.backtests.forms.pages import shown
from apps.backtests.kernel.metrics import METRICS, Metric
from apps.backtests.kernel.reports import RUN_METRICS

SAID = {
    "code": "Code",
    "params": "Parameters",
    "data": "Data",
    "terms": "Costs and terms",
    "environment": "Environment",
}
# What a change of the parts is told by, in this order.
TOLD = ("total_return", "cagr", "sharpe", "sortino", "calmar", "max_drawdown", "volatility")


def asked_of(values: Mapping[str, str]) -> dict[str, Any]:
    """Return what the address asks for."""
    return {
        "ids": values.get("ids", ""),
        "study": values.get("study", ""),
        "parents": values.get("parents", ""),
        "base": values.get("base", ""),
        "drawdown": values.get("drawdown") == "1",
        "log": values.get("log") == "1",
        "common": values.get("common") == "1",
    }


def tables(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of the page: figures, the same over common days, parts, pairs."""
    common = found["common"]
    return {
        "rows": figure_rows(found["metrics"]),
        "common_rows": figure_rows(common["metrics"]) if common else [],
        "groups": _groups(found),
        "pairs": [_pair(pair) for pair in found["pairs"]],
    }


def figure_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return figures with changes from the base and marks for the best and the worst."""
    table: dict[str, Metric] = {**METRICS, **RUN_METRICS}
    by_name = {row["name"]: row for row in rows}
    return [
        {
            "title": metric.title,
            "unit": shown(metric, None)["unit"],
            "formula": metric.formula,
            "cells": _cells(metric, by_name[name]),
        }
        for name, metric in table.items()
        if name in by_name
    ]


def _cells(metric: Metric, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    marks = {row["best"]: "best", row["worst"]: "worst"}
    return [
        {
            "value": shown(metric, value)["value"],
            "delta": shown(metric, delta)["value"],
            "places": shown(metric, value)["places"],
            "mark": marks.get(place, ""),
        }
        for place, (value, delta) in enumerate(zip(row["values"], row["deltas"], strict=True))
    ]


def _groups(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"title": words, "rows": [row for row in found["differs"] if row["part"] == part]}
        for part, words in SAID.items()
        if any(row["part"] == part for row in found["differs"])
    ]


def _pair(pair: Mapping[str, Any]) -> dict[str, Any]:
    deltas = [
        {"title": METRICS[name].title, **shown(METRICS[name], pair["metric_deltas"][name])}
        for name in TOLD
        if pair["metric_deltas"].get(name) is not None
    ]
    return {
        **pair,
        "parts": [SAID[part] for part in pair["parts"]],
        "deltas": deltas,
        "has_code": bool(pair["code"]),
    }


def attribution_table(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each part adds to the change of each figure."""
    rows = [
        {
            "title": METRICS[row["name"]].title,
            "delta": shown(METRICS[row["name"]], row["delta"]),
            "shares": [
                shown(METRICS[row["name"]], row["shares"][factor]) for factor in told["factors"]
            ],
        }
        for row in told["shares"]
        if row["name"] in TOLD
    ]
    return {**told, "titles": [SAID[factor] for factor in told["factors"]], "rows": rows}
