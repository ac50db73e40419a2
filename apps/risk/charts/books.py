"""A book's figures: VaR over the periods to come, and what each position adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.risk.charts.grades import fan

SHADES = ("$muted", "$accent", "$amber", "$down")
MOST_BARS = 15


def book_figure(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a figure by its name; one that can't be drawn says why."""
    if found.get("why_not"):
        return {"data": [], "layout": {"meta": {"empty": found["why_not"]}}}
    if name == "exceptions":
        kept = ("title", "model", "level", "ts", "returns", "var", "es")
        return fan(**{key: found[key] for key in kept if key in found})
    return horizons(found) if name == "fan" else parts(found)


def horizons(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return VaR by level over every horizon, as losses below zero."""
    words = str(found["method"]).replace("_", " ")
    lines = list(reversed(found["lines"]))
    worst = lines[0]
    last, loss = found["horizons"][-1], worst["var"][-1]
    heading = f"{loss:.1%} may be lost in {last} bars, at {worst['level']:g}"
    bar = f"; a bar is {found['timeframe']}" if found["timeframe"] else ""
    below = f"VaR ahead by {words}, fitted once{bar}"
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": f"VaR {100 * line['level']:g} %",
            "x": list(found["horizons"]),
            "y": [-value for value in line["var"]],
            "line": {"color": SHADES[-1 - i % len(SHADES)], "width": 1.5},
            "marker": {"size": 4},
            "hovertemplate": "%{x} bars: %{y:.2%}<extra>%{fullData.name}</extra>",
        }
        for i, line in enumerate(lines)
    ]
    return {
        "data": data,
        "layout": {
            "title": {"text": heading, "subtitle": {"text": below}},
            "hovermode": "closest",
            "legend": {"orientation": "h", "y": -0.3},
            "xaxis": {"title": {"text": "Bars ahead"}, "dtick": 5, "tick0": 0},
            "yaxis": {
                "title": {"text": "Return of the book"},
                "tickformat": ".1%",
                "rangemode": "tozero",
            },
        },
    }


def parts(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return each position's part of VaR and ES as bars; they sum to the book's."""
    rows = list(found["positions"])[:MOST_BARS]
    rest = list(found["positions"])[MOST_BARS:]
    if rest:
        keys = ("component_var", "component_es")
        others = {key: sum(row[key] for row in rest) for key in keys}
        rows.append({"name": f"{len(rest)} others", **others})
    rows = rows[::-1]
    names = [row["name"] for row in rows]
    heading = f"The parts sum to VaR {found['sum_var']:.2%} and ES {found['sum_es']:.2%}"
    words = str(found["method"]).replace("_", " ")
    below = f"By position at {found['level']:g}, {words}; below zero it takes risk away"
    return {
        "data": [
            _bars(names, [row["component_var"] for row in rows], "Part of VaR", "$accent"),
            _bars(names, [row["component_es"] for row in rows], "Part of ES", "$down"),
        ],
        "layout": {
            "title": {"text": heading, "subtitle": {"text": below}},
            "barmode": "group",
            "bargap": 0.35,
            "legend": {"orientation": "h", "y": -0.25, "traceorder": "normal"},
            "xaxis": {"title": {"text": "Share of equity"}, "tickformat": ".2%"},
            "yaxis": {"automargin": True},
            "margin": {"l": 90},
        },
    }


def _bars(names: list[str], values: list[float], title: str, colour: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": title,
        "y": names,
        "x": values,
        "marker": {"color": colour},
        "hovertemplate": f"%{{y}}: %{{x:.3%}}<extra>{title}</extra>",
    }
