"""Runs over each other as Plotly dictionaries: growth of 1, or how far below the top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.charts import SERIES, numbers, percent, times
from apps.backtests.kernel.curves import drawdown_of, kept

Figure = dict[str, Any]
Line = tuple[str, NDArray[np.int64], NDArray[np.float64], str]
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "5px 2px")
# So many lines together draw as many points as a page carries easily.
MOST_POINTS = 12_000
LEAST_POINTS = 120


def overlay_figure(
    lines: Sequence[Line], *, drawdown: bool = False, log: bool = False, common: bool = False
) -> Figure:
    """Draw each run's growth of 1, or its drawdown: label, times, growth, length of its bars.

    Parameters
    ----------
    common
        Whether the growth is that over the days all runs have.
    """
    most = max(MOST_POINTS // max(len(lines), 1), LEAST_POINTS)
    data = [_line(place, line, most, drawdown=drawdown) for place, line in enumerate(lines)]
    days = "over the days that all runs have" if common else "each from its own first bar"
    words = "loss from the highest value so far" if drawdown else "growth of 1"
    axis: Figure = {"title": {"text": "drawdown" if drawdown else "growth of 1"}}
    if drawdown:
        axis["tickformat"] = ".0%"
    elif log:
        axis["type"] = "log"
    return {
        "data": data,
        "layout": {
            "title": {
                "text": _finding(lines, drawdown=drawdown),
                "subtitle": {"text": f"{words}, {days}, in sample"},
            },
            "xaxis": {"title": {"text": "time, UTC"}, "type": "date"},
            "yaxis": axis,
            "hovermode": "x unified" if len(lines) <= len(SERIES) else "closest",
            "showlegend": len(lines) <= len(SERIES),
            "legend": {"orientation": "h", "y": 1.02, "x": 1, "xanchor": "right"},
        },
    }


def _line(place: int, line: Line, most: int, *, drawdown: bool) -> Figure:
    label, ts, growth, timeframe = line
    values = -drawdown_of(growth) if drawdown else growth
    at = kept(values, most)
    style = {
        "color": SERIES[place % len(SERIES)],
        "dash": DASHES[place // len(SERIES) % len(DASHES)],
        "width": 1.4,
    }
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label[:40],
        "x": times(ts[at], timeframe),
        "y": numbers(values[at]),
        "line": style,
        "hovertemplate": "%{y:.1%}" if drawdown else "%{y:.3f}",
    }


def _finding(lines: Sequence[Line], *, drawdown: bool) -> str:
    known = [line for line in lines if len(line[2])]
    if not known:
        return "The runs have no day in common"
    if drawdown:
        deepest = {label: float(np.nanmax(drawdown_of(growth))) for label, _, growth, _ in known}
        worst = max(deepest, key=lambda label: deepest[label])
        return f"{worst[:60]} fell deepest: {percent(-deepest[worst])}"
    best = max(known, key=lambda line: float(line[2][-1]))
    return f"{best[0][:60]} grew most: {percent(float(best[2][-1]) - 1.0)}"
