"""Plotly figures of trading: arrays in, plain dicts out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.trading.kernel.performance import drawdown

Floats = NDArray[np.float64]
MAX_POINTS = 1500


def equity_figure(
    ts: NDArray[np.int64], equity: Floats, *, title: str, currency: str, subtitle: str
) -> dict[str, Any]:
    """Return equity above drawdown on one time axis."""
    if len(ts) < 2:
        waits = "The curve begins with the second bar of the feed."
        return {"data": [], "layout": {"meta": {"empty": waits}}}
    kept = thin(len(ts))
    times = [str(at) for at in ts[kept].astype("datetime64[us]").astype("datetime64[s]")]
    lost = drawdown(equity)[kept]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "name": "Equity",
                "x": times,
                "y": equity[kept].round(4).tolist(),
                "line": {"color": "$accent", "width": 1.5},
                "hovertemplate": f"%{{y:,.2f}} {currency}<extra>Equity</extra>",
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": "Drawdown",
                "x": times,
                "y": (-lost).round(6).tolist(),
                "yaxis": "y2",
                "line": {"color": "$down", "width": 1},
                "fill": "tozeroy",
                "fillcolor": "$down/20",
                "hovertemplate": "%{y:.2%}<extra>Drawdown</extra>",
            },
        ],
        "layout": {
            "title": {"text": title, "subtitle": {"text": subtitle}},
            "showlegend": False,
            "hovermode": "x unified",
            "xaxis": {"title": {"text": "Bar close, UTC"}, "anchor": "y2"},
            "yaxis": {"title": {"text": f"Equity, {currency}"}, "domain": [0.34, 1.0]},
            "yaxis2": {
                "title": {"text": "Drawdown"},
                "domain": [0.0, 0.26],
                "tickformat": ".1%",
                "rangemode": "tozero",
            },
        },
    }


def thin(count: int) -> NDArray[np.int64]:
    """Return which of ``count`` points to draw: evenly spread, first and last among them."""
    if count <= MAX_POINTS:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, MAX_POINTS).round().astype(np.int64))
