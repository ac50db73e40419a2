"""Figures of Monte Carlo over trades as Plotly dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

Figure = dict[str, Any]


def fan_figure(found: Mapping[str, Any], subtitle: str) -> Figure:
    """Return bands that 50 and 90 % of the paths' equity stays in, beside the run's own."""
    fan, unit = found["fan"], found["unit"]
    x = fan["steps"]
    data = [
        *_band(x, fan["q5"], fan["q95"], "9 in 10 paths", "$sky/15"),
        *_band(x, fan["q25"], fan["q75"], "half of the paths", "$sky/30"),
        _line(x, fan["q50"], "middle path", "$sky", {"dash": "dot"}),
        _line(x, fan["observed"], "this run", "$accent", {}),
    ]
    share = found["loss"]["probability"]
    title = f"{100 * share:.1f} % of {found['paths']:,} paths end below the start"
    if found["method"] == "shuffle":
        title = "Every order of the trades ends where the run did; the way there differs"
    return {
        "data": data,
        "layout": {
            "title": {"text": title, "subtitle": {"text": f"{found['says']} · {subtitle}"}},
            "xaxis": {"title": {"text": unit}},
            "yaxis": {"title": {"text": "equity"}},
            "hovermode": "x unified",
            "showlegend": True,
            "legend": {
                "orientation": "h", "y": 1.02, "x": 1, "xanchor": "right", "yanchor": "bottom",
            },
        },
    }  # fmt: skip


def drawdowns_figure(found: Mapping[str, Any], subtitle: str) -> Figure:
    """Return how deep the paths fell, as bars, with the run's own drawdown marked."""
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    own = found["figures"]["max_drawdown"]["observed"]
    deep = found["figures"]["max_drawdown"]["q95"]
    bars = {
        "type": "bar",
        "name": "paths",
        "x": [(low + high) / 2.0 for low, high in pairwise(edges)],
        "y": counts,
        "width": edges[1] - edges[0],
        "marker": {"color": ["$rose" if low >= deep else "$sky" for low, _ in pairwise(edges)]},
        "hovertemplate": "about %{x:.1%}: %{y} paths<extra></extra>",
    }
    return {
        "data": [bars],
        "layout": {
            "title": {
                "text": f"1 path in 20 falls by more than {100 * deep:.1f} %",
                "subtitle": {"text": f"the run fell by {100 * own:.1f} % (line) · {subtitle}"},
            },
            "xaxis": {"title": {"text": "largest drawdown"}, "tickformat": ".0%"},
            "yaxis": {"title": {"text": "paths"}},
            "showlegend": False,
            "shapes": [
                {
                    "type": "line", "x0": own, "x1": own, "y0": 0, "y1": 1, "yref": "paper",
                    "line": {"color": "$accent", "width": 2},
                }
            ],
        },
    }  # fmt: skip


def _line(x: list[int], y: list[float], name: str, colour: str, line: Figure) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": [float(f"{v:.7g}") for v in y],
        "line": {"color": colour, "width": 1.6, **line},
        "hovertemplate": "%{y:,.0f}",
    }


def _band(x: list[int], low: list[float], high: list[float], name: str, fill: str) -> list[Figure]:
    """Return two lines without ink and the colour between them."""
    floor = _line(x, low, f"{name}, lowest", "$sky", {"width": 0})
    top = _line(x, high, name, "$sky", {"width": 0})
    return [floor | {"showlegend": False}, top | {"fill": "tonexty", "fillcolor": fill}]
