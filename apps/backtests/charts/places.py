"""One place of a run's prices: the bars around a moment, with the fills among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.charts import Figure, _layout, fill_marks, numbers, times
from apps.market.kernel.bars import Panel

AROUND = 40


def place_figure(
    panel: Panel, fills: Mapping[str, NDArray[Any]], symbol: str, subtitle: str, at: int
) -> Figure:
    """Return the bars of one instrument around a moment, each as it was, and a run's fills.

    ``at`` is in microseconds; without a bar there the one before it is marked.
    """
    place = int(np.clip(np.searchsorted(panel.ts, at, "right") - 1, 0, panel.n_bars - 1))
    cut = slice(max(place - AROUND, 0), place + AROUND + 1)
    x = times(panel.ts[cut], panel.timeframe)
    bars = {name: numbers(getattr(panel, name)[cut, 0], 8) for name in ("open", "high", "low")}
    first = {
        "type": "candlestick",
        "name": symbol,
        "x": x,
        **bars,
        "close": numbers(panel.close[cut, 0], 8),
        "increasing": {"line": {"color": "$up"}},
        "decreasing": {"line": {"color": "$down"}},
    }
    marked = times(panel.ts[place : place + 1], panel.timeframe)[0]
    layout = _layout(f"{symbol} around {marked}", subtitle, f"price ({panel.price_mode})")
    line = {"color": "$amber", "width": 1.5, "dash": "dot"}
    across = {"x0": marked, "x1": marked, "y0": 0, "y1": 1, "yref": "paper"}
    layout["shapes"] = [{"type": "line", **across, "line": line}]
    layout["xaxis"]["rangeslider"] = {"visible": False}
    inside = (fills["symbol"] == symbol) & (fills["ts"] >= panel.ts[cut][0])
    inside &= fills["ts"] <= panel.ts[cut][-1]
    return {"data": [first, *fill_marks(panel, fills, inside, size=11)], "layout": layout}
