"""Figures of gauntlets as Plotly dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Figure = dict[str, Any]
BINS = 40


def _layout(title: str, subtitle: str, x_title: str, y_title: str) -> Figure:
    return {
        "title": {"text": title, "subtitle": {"text": subtitle}},
        "xaxis": {"title": {"text": x_title}},
        "yaxis": {"title": {"text": y_title}},
        "showlegend": False,
    }


def worlds_figure(
    result: Mapping[str, Any], nulls: Mapping[str, Mapping[str, Any]], kind: str
) -> Figure:
    """Return the Sharpe ratios of one kind's worlds as bars, with the run's marked.

    The first kind that could be made is drawn when none is named.
    """
    verdicts = {verdict["kind"]: verdict for verdict in result["verdicts"]}
    made = [name for name, verdict in verdicts.items() if not verdict["refused"]]
    name = kind if kind in made else next(iter(made), "")
    known = [value for value in nulls.get(name, {}).get("sharpe", []) if value is not None]
    if not known:
        return {"data": [], "layout": _layout("Null worlds", "None could be made.", "", "")}
    told, verdict = verdicts[name]["sharpe"], verdicts[name]
    counts, edges = np.histogram(known, bins=BINS)
    middles = (edges[1:] + edges[:-1]) / 2.0
    real = told["real"]
    bars = {
        "type": "bar",
        "name": "worlds",
        "x": middles.tolist(),
        "y": counts.tolist(),
        "width": float(edges[1] - edges[0]),
        "marker": {
            "color": ["$rose" if real is None or x >= real else "$teal" for x in middles.tolist()]
        },
    }
    subtitle = (
        f"{verdict['worlds']:,} worlds, p = {told['p_value']:.3f} ± {told['error']:.3f}; "
        "red: as good as the run or better"
    )
    layout = _layout(verdict["title"], subtitle, "Sharpe ratio per year", "worlds")
    if real is not None:
        layout["shapes"] = [_line(real)]
        layout["annotations"] = [_label(real, f"run {real:.2f}")]
    return {"data": [bars], "layout": layout}


def _line(x: float) -> Figure:
    return {
        "type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper",
        "line": {"color": "$accent", "width": 2},
    }  # fmt: skip


def _label(x: float, text: str) -> Figure:
    return {
        "x": x, "y": 1, "yref": "paper", "text": text, "showarrow": False,
        "xanchor": "left", "yanchor": "top", "xshift": 4,
    }  # fmt: skip


def costs_figure(result: Mapping[str, Any]) -> Figure:
    """Return total return and Sharpe ratio by the cost of a side."""
    found = result["break_even"]
    rows = _near(found)
    lines = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": [row["bps"] for row in rows],
            "y": [row[field] for row in rows],
            "yaxis": axis,
            "line": {"color": colour},
        }
        for name, field, axis, colour in (
            ("Sharpe ratio", "sharpe", "y", "$teal"),
            ("total return", "total_return", "y2", "$amber"),
        )
    ]
    subtitle = f"paid: {found['paid_bps']:.2f} bps; the Sharpe ratio {found['sharpe']['says']}"
    layout = _layout("Cost of a side", subtitle, "bps a side", "Sharpe ratio")
    layout["xaxis"]["type"] = "linear"
    layout["yaxis2"] = {
        "title": {"text": "total return"},
        "overlaying": "y",
        "side": "right",
        "tickformat": ".0%",
        "showgrid": False,
    }
    layout["showlegend"] = True
    layout["shapes"] = [{**_line(found["paid_bps"]), "line": {"color": "$muted", "dash": "dot"}}]
    return {"data": lines, "layout": layout}


def _near(found: Mapping[str, Any]) -> list[Any]:
    """Return the curve as far as it tells something: to twice what it takes, or what was paid."""
    known = [found[name]["bps"] or 0.0 for name in ("sharpe", "total_return")]
    far = max(2.0 * max(*known, found["paid_bps"]), 20.0)
    rows = found["curve"]
    beyond = next((k for k, row in enumerate(rows) if row["bps"] >= far), len(rows) - 1)
    return list(rows[: beyond + 1])


def capacity_figure(result: Mapping[str, Any]) -> Figure:
    """Return the Sharpe ratio by the money at work; a sentence when there is no volume."""
    found = result["capacity"]
    axes = ("money at work", "Sharpe ratio")
    if found["refused"]:
        return {"data": [], "layout": _layout("Capacity", found["refused"]["message"], *axes)}
    if not found["curve"]:
        return {"data": [], "layout": _layout("Capacity", found["half"]["says"], *axes)}
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "Sharpe ratio",
        "x": [row["size"] for row in found["curve"]],
        "y": [row["sharpe"] for row in found["curve"]],
        "line": {"color": "$teal"},
    }
    subtitle = f"half of it is gone at {found['half']['says']}, all at {found['nothing']['says']}"
    layout = _layout("Capacity", subtitle, f"money at work, {found['currency']}", axes[1])
    layout["xaxis"]["type"] = "log"
    return {"data": [line], "layout": layout}
