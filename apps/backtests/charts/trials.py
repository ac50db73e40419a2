"""Figures of overfitting as Plotly dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

Figure = dict[str, Any]
NOTHING = "It takes two trials on the same bars, 32 or more of them."


def _layout(title: str, subtitle: str, x_title: str, y_title: str) -> Figure:
    return {
        "title": {"text": title, "subtitle": {"text": subtitle}},
        "xaxis": {"title": {"text": x_title}},
        "yaxis": {"title": {"text": y_title}},
        "showlegend": False,
    }


def logits_figure(found: Mapping[str, Any]) -> Figure:
    """Return the logits of all splits as bars: at or below 0 the chosen one was mere luck."""
    if not found:
        return {"data": [], "layout": _layout("Logits", NOTHING, "logit", "splits")}
    edges, counts = found["logits"]["edges"], found["logits"]["counts"]
    middles = [(low + high) / 2.0 for low, high in pairwise(edges)]
    bars = {
        "type": "bar",
        "name": "splits",
        "x": middles,
        "y": counts,
        "width": edges[1] - edges[0],
        "marker": {"color": ["$rose" if x <= 0.0 else "$teal" for x in middles]},
    }
    subtitle = (
        f"PBO {found['pbo']:.1%}: share of {found['splits']:,} splits at or below 0, "
        f"{found['trials']} trials, {found['blocks']} blocks"
    )
    layout = _layout("Logits of the rank outside", subtitle, "logit", "splits")
    layout["shapes"] = [
        {
            "type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper",
            "line": {"color": "$muted", "width": 1, "dash": "dot"},
        }
    ]  # fmt: skip
    return {"data": [bars], "layout": layout}


def degradation_figure(found: Mapping[str, Any]) -> Figure:
    """Return the Sharpe ratio of the chosen one inside and outside, split by split."""
    names = ("Sharpe ratio inside, per year", "outside, per year")
    if not found:
        return {"data": [], "layout": _layout("Degradation", NOTHING, *names)}
    inside, outside = found["inside"], found["outside"]
    ends = [min(inside), max(inside)]
    splits = {
        "type": "scatter",
        "mode": "markers",
        "name": "splits",
        "x": inside,
        "y": outside,
        "marker": {"color": "$accent", "size": 4, "opacity": 0.5},
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "least squares",
        "x": ends,
        "y": [found["intercept"] + found["slope"] * x for x in ends],
        "line": {"color": "$amber", "width": 1.4},
    }
    subtitle = (
        f"slope {found['slope']:.2f}, R² {found['r_squared']:.2f}; "
        f"loses outside in {found['loss']:.1%} of splits"
    )
    layout = _layout("What the best of a half came to in the other", subtitle, *names)
    return {"data": [splits, line], "layout": layout}
