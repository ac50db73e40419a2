"""Figures of strategies as Plotly dictionaries. Colours are tokens that the page resolves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

COLOURS = ("$accent", "$teal", "$amber", "$violet", "$rose", "$sky", "$lime")
NARROW = timedelta(hours=1)


def score_figure(symbol: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the score of a symbol scan by scan, a line for each strategy that has one."""
    names = sorted({row["strategy"] for row in rows})
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name.replace("_", " "),
            "x": [row["scanned_at"].isoformat() for row in rows if row["strategy"] == name],
            "y": [row["score"] for row in rows if row["strategy"] == name],
            "line": {"color": COLOURS[place % len(COLOURS)], "width": 1.4, "shape": "hv"},
            "marker": {
                "color": COLOURS[place % len(COLOURS)],
                "size": 8,
                "symbol": [_mark(row["side"]) for row in rows if row["strategy"] == name],
            },
        }
        for place, name in enumerate(names)
    ]
    return {
        "data": data,
        "layout": {
            "title": {
                "text": f"Score of {symbol}, scan by scan",
                "subtitle": {"text": "triangle up: long, down: short, circle: nothing wanted"},
            },
            "xaxis": {"title": {"text": "time of the scan, UTC"}, "type": "date", **_span(rows)},
            "yaxis": {"title": {"text": "score, points of 100"}, "range": [0, 105]},
            "showlegend": len(names) > 1,
        },
    }


def _span(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return ticks that stay level; scans of one hour stand in the middle of two."""
    ticks: dict[str, Any] = {"nticks": 5, "tickangle": 0}
    times = [row["scanned_at"] for row in rows]
    if not times or max(times) - min(times) > NARROW:
        return ticks
    return {
        **ticks,
        "range": [(min(times) - NARROW).isoformat(), (max(times) + NARROW).isoformat()],
    }


def _mark(side: int) -> str:
    return {1: "triangle-up", -1: "triangle-down"}.get(side, "circle-open")
