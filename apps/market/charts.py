"""Figures of market as Plotly dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from apps.market.kernel.bars import Panel
from apps.market.kernel.health import iso

MODES = {
    "raw": "raw prices",
    "split": "split-adjusted",
    "total_return": "adjusted for splits and dividends",
}
NAMES = {"1h": "hourly", "4h": "4-hourly", "1d": "daily", "1w": "weekly", "1mo": "monthly"}


def candlestick(
    panel: Panel, actions: Sequence[dict[str, Any]], *, currency: str
) -> dict[str, Any]:
    """Return candles with volume below and dividends and splits marked.

    Parameters
    ----------
    panel
        Of one instrument.
    actions
        ``kind``, ``on``, ``value`` of each; those outside the bars are left out.
    """
    at = [iso(int(ts))[:16].replace("T00:00", "") for ts in panel.ts]
    prices = {
        name: np.round(getattr(panel, name)[:, 0], 6).tolist()
        for name in ("open", "high", "low", "close")
    }
    up = panel.close[:, 0] >= panel.open[:, 0]
    candles = {
        "type": "candlestick",
        "name": panel.symbols[0],
        "x": at,
        **prices,
        "increasing": {"line": {"color": "$up", "width": 1}, "fillcolor": "$up"},
        "decreasing": {"line": {"color": "$down", "width": 1}, "fillcolor": "$down"},
        "showlegend": False,
    }
    volume = {
        "type": "bar",
        "name": "volume",
        "x": at,
        "y": panel.volume[:, 0].tolist(),
        "yaxis": "y2",
        "marker": {"color": ["$up/50" if rose else "$down/50" for rose in up]},
        "showlegend": False,
    }
    return {
        "data": [candles, volume, *_marks(panel, at, actions)],
        "layout": _layout(panel, currency),
    }


def _layout(panel: Panel, currency: str) -> dict[str, Any]:
    first, last = float(panel.close[0, 0]), float(panel.close[-1, 0])
    change = last / first - 1.0
    verb = "rose" if change >= 0 else "fell"
    symbol = panel.symbols[0]
    title = f"{symbol} {verb} {abs(change):.1%} in the bars shown"
    subtitle = (
        f"{NAMES.get(panel.timeframe, panel.timeframe)}, {MODES[panel.price_mode]}, "
        f"{iso(int(panel.ts[0]))[:10]} to {iso(int(panel.ts[-1]))[:10]} UTC"
    )
    return {
        "title": {"text": title, "subtitle": {"text": subtitle}},
        "xaxis": {"rangeslider": {"visible": False}, "anchor": "y2", **_breaks(panel)},
        "yaxis": {"domain": [0.26, 1], "title": {"text": f"price, {currency}"}},
        "yaxis2": {"domain": [0, 0.2], "title": {"text": "volume"}, "showgrid": False},
        "hovermode": "x unified",
        "bargap": 0.2,
    }


def _breaks(panel: Panel) -> dict[str, Any]:
    """Leave weekends out where the exchange is closed."""
    if panel.continuous or panel.timeframe != "1d":
        return {}
    return {"rangebreaks": [{"bounds": ["sat", "mon"]}]}


def _marks(panel: Panel, at: list[str], actions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if not len(at):
        return []
    shown = [item for item in actions if at[0][:10] <= str(item["on"]) <= at[-1][:10]]
    traces = []
    for kind, mark, colour in (("dividend", "circle", "$accent"), ("split", "diamond", "$amber")):
        mine = [item for item in shown if item["kind"] == kind]
        if mine:
            traces.append(_mark(panel, mine, kind, mark, colour))
    return traces


def _mark(
    panel: Panel, actions: Sequence[dict[str, Any]], kind: str, mark: str, colour: str
) -> dict[str, Any]:
    days = np.array([str(item["on"]) for item in actions], "M8[us]").astype(np.int64)
    rows = np.minimum(np.searchsorted(panel.ts, days), panel.n_bars - 1)
    unit = "a share" if kind == "dividend" else "new for one old"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": kind,
        "x": [iso(int(panel.ts[row]))[:10] for row in rows],
        "y": (panel.low[rows, 0] * 0.985).tolist(),
        "text": [f"{kind} {item['value']:g} {unit}" for item in actions],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": mark, "size": 7, "color": colour},
    }
