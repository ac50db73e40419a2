"""Figures of validations as Plotly dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from apps.backtests.charts import paths
from apps.core.errors import NotFound

Figure = dict[str, Any]
Result = Mapping[str, Any]
Curves = Mapping[str, Mapping[str, Any]]
MOST_POINTS = 4_000
COLOURS = ("$accent", "$violet", "$teal", "$amber", "$rose", "$up", "$muted", "$down")
NAIVE = "naive slicing (demonstration)"


def _layout(title: str, subtitle: str, x_title: str, y_title: str) -> Figure:
    return {
        "title": {"text": title, "subtitle": {"text": subtitle}},
        "xaxis": {"title": {"text": x_title}},
        "yaxis": {"title": {"text": y_title}},
    }


def _line(name: str, one: Mapping[str, Any], colour: str, dash: str = "solid") -> Figure:
    value = np.cumprod(1.0 + one["returns"])
    step = max(1, -(-len(value) // MOST_POINTS))
    keep = np.unique(np.r_[np.arange(0, len(value), step), len(value) - 1])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [str(at)[:19] for at in one["ts"][keep].astype("datetime64[us]")],
        "y": value[keep].round(6).tolist(),
        "line": {"color": colour, "width": 1.6, "dash": dash},
    }


def curve_figure(result: Result, curves: Curves) -> Figure:
    """Return the growth of 1 over the test windows, and what naive slicing claims."""
    lines, shapes = [], []
    if "honest" in curves:
        lines.append(_line("walk-forward, out of sample", curves["honest"], "$accent"))
        shapes = [_edge(fold["window"]["test"]["from"]) for fold in result["folds"]]
    if "naive" in curves:
        lines.append(_line(NAIVE, curves["naive"], "$rose", "dot"))
    sharpe = result.get("sharpe")
    said = "Sharpe ratio not told" if sharpe is None else f"Sharpe ratio {sharpe:.2f} a year"
    subtitle = f"{said}, {result['bars']:,} bars, after costs; each window begins in cash"
    title = "Growth of 1 over the test windows"
    if "honest" not in curves:
        title, subtitle = "What slicing the best of all bars claims", "Demonstration; no evidence"
    layout = _layout(title, subtitle, "", "value of 1")
    return {"data": lines, "layout": {**layout, "shapes": shapes}}


def _edge(day: str) -> Figure:
    return {
        "type": "line", "x0": day, "x1": day, "y0": 0, "y1": 1, "yref": "paper",
        "line": {"color": "$muted", "width": 0.6, "dash": "dot"},
    }  # fmt: skip


def folds_figure(result: Result, curves: Curves) -> Figure:  # noqa: ARG001 one shape for all
    """Return each fold's windows on a time line: training, bars left out, test."""
    rows = result["folds"]
    train = [(row["number"], row["window"]["train"], "from", "to") for row in rows]
    test = [(row["number"], row["window"]["test"], "from", "to") for row in rows]
    left = [
        (row["number"], row["window"]["train"]["to"], row["window"]["test"]["from"])
        for row in rows
        if row["window"]["left_out"]
    ]
    parts = [
        _bars("training", [(n, w[a], w[b]) for n, w, a, b in train], "$muted"),
        _bars("purge and embargo", left, "$amber"),
        _bars("test", [(n, w[a], w[b]) for n, w, a, b in test], "$accent"),
    ]
    out = {row["window"]["left_out"] for row in rows}
    gap = ", ".join(str(one) for one in sorted(out))
    subtitle = f"{len(rows)} folds; {gap} bars left out before each test"
    layout = _layout("Windows", subtitle, "", "fold")
    layout["yaxis"] |= {"autorange": "reversed", "dtick": max(1, -(-len(rows) // 6))}
    layout["height"] = int(min(max(200, 60 + 22 * len(rows)), 640))
    return {"data": [part for part in parts if part["x"]], "layout": layout}


def _bars(name: str, rows: Sequence[tuple[int, str, str]], colour: str) -> Figure:
    x: list[str | None] = []
    y: list[int | None] = []
    for number, start, end in rows:
        x += [start, end, None]
        y += [number, number, None]
    width = 10 if len(rows) <= 20 else 4
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": colour, "width": width},
        "hovertemplate": f"fold %{{y}}, {name}: %{{x}}<extra></extra>",
    }


def degradation_figure(result: Result, curves: Curves) -> Figure:  # noqa: ARG001
    """Return each fold by its Sharpe ratio in training and in the test."""
    lost = result["degradation"]
    rows = [
        row
        for row in result["folds"]
        if row["train"]["sharpe"] is not None and row["test"]["sharpe"] is not None
    ]
    x, y = ([row[side]["sharpe"] for row in rows] for side in ("train", "test"))
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": "folds",
        "x": x,
        "y": y,
        "text": [f"fold {row['number']}" for row in rows],
        "marker": {"color": "$accent", "size": 8},
        "hovertemplate": "%{text}: %{x:.2f} in training, %{y:.2f} in the test<extra></extra>",
    }
    ends = [min([*x, 0.0]), max([*x, 0.0])]
    same = {
        "type": "scatter", "mode": "lines", "name": "nothing lost", "x": ends, "y": ends,
        "line": {"color": "$muted", "width": 1, "dash": "dot"},
    }  # fmt: skip
    data = [points, same]
    if lost["slope"] is not None:
        fitted = [lost["intercept"] + lost["slope"] * at for at in ends]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "least squares",
                "x": ends,
                "y": fitted,
                "line": {"color": "$amber", "width": 1.4},
            }
        )
    inside, outside = (_told(lost[f"{side}_sharpe"]) for side in ("train", "test"))
    subtitle = f"mean of folds: {inside} in training, {outside} in the test"
    names = ("Sharpe ratio in training, per year", "in the test, per year")
    return {"data": data, "layout": _layout("Degradation", subtitle, *names)}


def _told(value: float | None) -> str:
    return "not told" if value is None else f"{value:.2f}"


def stability_figure(result: Result, curves: Curves) -> Figure:  # noqa: ARG001
    """Return which value of each parameter every fold chose, by its place on the axis."""
    found = result["stability"]
    numbers = [row["number"] for row in result["folds"]]
    data = []
    for place, one in enumerate(found["parameters"]):
        order = {_key(value): at for at, value in enumerate(one["of"])}
        most = max(len(one["of"]) - 1, 1)
        places = [None if v is None else order[_key(v)] / most for v in one["values"]]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": one["name"],
                "x": numbers,
                "y": places,
                "text": [f"{one['name']} {value}" for value in one["values"]],
                "line": {"color": COLOURS[place % len(COLOURS)], "shape": "hv", "width": 1.2},
                "hovertemplate": "fold %{x}: %{text}<extra></extra>",
            }
        )
    kept = found["kept"]
    subtitle = (
        "one fold"
        if kept is None
        else f"{kept:.0%} of folds kept the choice of the one before; {found['distinct']} chosen"
    )
    layout = _layout("What each fold chose", subtitle, "fold", "place on its axis, 0 to 1")
    layout["yaxis"] |= {"range": [-0.05, 1.05]}
    return {"data": data, "layout": layout}


def _key(value: Any) -> str:
    return f"{type(value).__name__}:{value}"


Draw = Callable[[Result, Curves], Figure]
# By kind of validation, the pictures there are.
FIGURES: dict[str, dict[str, Draw]] = {
    "walk_forward": {
        "curve": curve_figure,
        "folds": folds_figure,
        "degradation": degradation_figure,
        "stability": stability_figure,
    },
    "naive": {"curve": curve_figure, "folds": folds_figure},
    "purged": dict(paths.FIGURES),
}


def figure_of(kind: str, name: str, result: Result, curves: Curves) -> Figure:
    """Return a picture of a validation. Raises ``NotFound`` for one its kind has not."""
    drawn = FIGURES.get(kind, {})
    if name not in drawn:
        message = f"There is no figure {name!r}; there are {', '.join(drawn) or 'none'}."
        raise NotFound(message, code="figure.unknown")
    return drawn[name](result, curves)
