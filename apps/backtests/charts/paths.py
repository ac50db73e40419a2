"""Figures of combinatorial cross-validation as Plotly dictionaries, from its result alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Figure = dict[str, Any]
Result = Mapping[str, Any]
MOST_SPLITS = 120
BINS = 30


def paths_figure(result: Result, _curves: object = None) -> Figure:
    """Return the growth of 1 on all paths: bands and lines."""
    found, spread = result["curves"], result["path_sharpes"]
    x, bands = found["ts"], found["bands"]
    data = [
        *_band(x, bands["q5"], bands["q95"], "9 in 10 paths", "$sky/15"),
        *_band(x, bands["q25"], bands["q75"], "half of the paths", "$sky/30"),
    ]
    data += [
        _line(x, one["value"], f"path {one['number']}", "$muted", 0.8)
        | {"opacity": 0.6, "showlegend": False, "hoverinfo": "skip"}
        for one in found["paths"]
    ]
    data.append(_line(x, bands["q50"], "middle of the paths", "$accent", 1.8))
    drawn, there = len(found["paths"]), len(result["paths"])
    lines = "all drawn" if drawn == there else f"{drawn} drawn, bands over all"
    subtitle = f"{there} paths through {result['bars']:,} bars, {lines}; each group begins in cash"
    title = f"{100 * spread['below_zero']:.0f} % of the paths have a Sharpe ratio of 0 or less"
    return {
        "data": data,
        "layout": {
            **_layout(title, subtitle, "time, UTC", "growth of 1"),
            "showlegend": True,
            "shapes": [_edge(group["from"]) for group in result["groups"][1:]],
        },
    }


def sharpes_figure(result: Result, _curves: object = None) -> Figure:
    """Return the Sharpe ratios of the paths as bars, with 0 and the best of luck marked."""
    spread = result["path_sharpes"]
    known = np.array([path["sharpe"] or 0.0 for path in result["paths"]])
    low, high = float(known.min()), float(known.max())
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    counts, edges = np.histogram(known, min(BINS, max(5, len(known))), (low, high))
    middles = (edges[:-1] + edges[1:]) / 2.0
    bars = {
        "type": "bar",
        "name": "paths",
        "x": middles.round(6).tolist(),
        "y": counts.tolist(),
        "width": float(edges[1] - edges[0]),
        "marker": {"color": ["$rose" if x <= 0.0 else "$teal" for x in middles]},
        "hovertemplate": "about %{x:.2f}: %{y} paths<extra></extra>",
    }
    wide = "" if spread["sd"] is None else f", standard deviation {spread['sd']:.2f}"
    subtitle = (
        f"mean {spread['mean']:.2f}{wide}; luck's best of all combinations "
        f"{spread['benchmark']:.2f} (dotted)"
    )
    layout = _layout("Sharpe ratios of the paths", subtitle, "Sharpe ratio, per year", "paths")
    marks = [(0.0, "solid"), (spread["benchmark"], "dot")]
    layout["shapes"] = [_edge(at, dash) for at, dash in marks]
    return {"data": [bars], "layout": {**layout, "showlegend": False}}


def splits_figure(result: Result, _curves: object = None) -> Figure:
    """Return which groups each split trains on and tests."""
    rows = result["splits"][:MOST_SPLITS]
    groups = [group["number"] for group in result["groups"]]
    cells = [[1 if group in row["tested"] else 0 for row in rows] for group in groups]
    data = [
        {
            "type": "heatmap",
            "x": [row["number"] for row in rows],
            "y": groups,
            "z": cells,
            "colorscale": [[0, "$muted/30"], [1, "$accent"]],
            # A bar of colours and cells without gaps set inline styles, which the policy forbids.
            "showscale": False,
            "xgap": 1,
            "ygap": 1,
            "hovertemplate": "split %{x}, group %{y}: %{z}<extra></extra>",
        }
    ]
    there = len(result["splits"])
    shown = "" if len(rows) == there else f", the first {len(rows)} drawn"
    subtitle = f"{there:,} splits{shown}: groups tested are coloured, the others train"
    layout = _layout("Which groups test", subtitle, "split", "group")
    layout["yaxis"] |= {"autorange": "reversed", "dtick": 1}
    return {"data": data, "layout": layout}


def inside_outside_figure(result: Result, _curves: object = None) -> Figure:
    """Return each split by the Sharpe ratio of its choice in training and in its tests."""
    rows = [
        row
        for row in result["splits"]
        if row["train"]["sharpe"] is not None and row["test"]["sharpe"] is not None
    ]
    x, y = ([row[side]["sharpe"] for row in rows] for side in ("train", "test"))
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": "splits",
        "x": [round(one, 4) for one in x],
        "y": [round(one, 4) for one in y],
        "text": [f"split {row['number']}" for row in rows],
        "marker": {"color": "$accent", "size": 6, "opacity": 0.7},
        "hovertemplate": "%{text}: %{x:.2f} in training, %{y:.2f} in the tests<extra></extra>",
    }
    ends = [min([*x, 0.0]), max([*x, 0.0])]
    same = _line(ends, ends, "nothing lost", "$muted", 1.0)
    same["line"] |= {"dash": "dot"}
    pbo = "not told" if result["pbo"] is None else f"{100 * result['pbo']:.0f} %"
    subtitle = f"choices no better than the middle of all in the tests: {pbo} of the splits"
    names = ("Sharpe ratio in training, per year", "in the tests, per year")
    return {"data": [points, same], "layout": _layout("What was lost outside", subtitle, *names)}


def _layout(title: str, subtitle: str, x_title: str, y_title: str) -> Figure:
    return {
        "title": {"text": title, "subtitle": {"text": subtitle}},
        "xaxis": {"title": {"text": x_title}},
        "yaxis": {"title": {"text": y_title}},
    }


def _line(x: list[Any], y: list[float], name: str, colour: str, width: float) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": colour, "width": width},
    }


def _band(x: list[str], low: list[float], high: list[float], name: str, fill: str) -> list[Figure]:
    """Return two lines without ink and the colour between them."""
    floor = _line(x, low, f"{name}, lowest", "$sky", 0) | {"showlegend": False}
    top = _line(x, high, name, "$sky", 0) | {"fill": "tonexty", "fillcolor": fill}
    return [one | {"hoverinfo": "skip"} for one in (floor, top)]


def _edge(at: float | str, dash: str = "dot") -> Figure:
    return {
        "type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper",
        "line": {"color": "$muted", "width": 1, "dash": dash},
    }  # fmt: skip


FIGURES: dict[str, Callable[..., Figure]] = {
    "paths": paths_figure,
    "sharpes": sharpes_figure,
    "splits": splits_figure,
    "degradation": inside_outside_figure,
}
