"""Figures of market as Plotly dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.bars import Panel
from apps.market.kernel.findings import KINDS
from apps.market.kernel.gap_map import GapMap
from apps.market.kernel.health import iso

MODES = {
    "raw": "raw prices",
    "split": "split-adjusted",
    "total_return": "adjusted for splits and dividends",
}
SPARSE = 300  # figures: fewer are marked one by one
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


def metric(
    symbol: str, kind: str, ts: NDArray[np.int64], value: NDArray[np.float64], total: int
) -> dict[str, Any]:
    """Return figures of one kind by time as a line."""
    if not len(ts):
        return {"data": [], "layout": {"meta": {"empty": f"No {kind} is known of {symbol}."}}}
    at = [iso(int(moment))[:16].replace("T00:00", "") for moment in ts]
    words = kind.replace("_", " ")
    left = f"; the last {len(ts):,} of {total:,}" if len(ts) < total else f"; {total:,} figures"
    line = {
        "type": "scatter",
        "mode": "lines+markers" if len(ts) < SPARSE else "lines",
        "name": kind,
        "x": at,
        "y": value.tolist(),
        "line": {"color": "$accent", "width": 1.2},
        "marker": {"size": 5, "color": "$accent"},
        "showlegend": False,
    }
    title = f"{words.capitalize()} of {symbol} is {value[-1]:,.6g} at the end"
    subtitle = f"{at[0][:10]} to {at[-1][:10]} UTC{left}, as stored"
    return {
        "data": [line],
        "layout": {
            "title": {"text": title, "subtitle": {"text": subtitle}},
            "yaxis": {"title": {"text": words}},
            "hovermode": "x unified",
        },
    }


# Stops of the colours of a gap map; the last is what is whole.
SHARES = [[0.0, "$down"], [0.5, "$amber"], [0.999, "$amber/60"], [1.0, "$up/40"]]
MARKS = {
    "ticker_reuse": "x",
    "price_unit": "square",
    "volume_unit": "square-open",
    "split_missing": "diamond",
    "split_without_move": "diamond-open",
    "spike": "triangle-up",
    "outlier": "triangle-up-open",
    "frozen": "line-ew-open",
    "stale": "star",
    "unfinished": "star-open",
}


def gap_map(found: GapMap, *, compact: bool = False) -> dict[str, Any]:
    """Return symbols by time, each cell the share of its bars that is there, findings marked.

    ``compact`` names a few symbols on the axis, for a figure of the usual height.
    """
    if not found.symbols:
        return {"data": [], "layout": {"meta": {"empty": "No bars are stored yet."}}}
    share = np.round(found.share, 4)
    cells = {
        "type": "heatmap",
        "x": found.buckets,
        "y": found.symbols,
        "z": [[None if np.isnan(v) else float(v) for v in row] for row in share],
        "zmin": 0.0,
        "zmax": 1.0,
        "xgap": 0,
        "ygap": 0.2 if compact else 1,
        "colorscale": SHARES,
        # The bar of colours and cells without a gap set inline styles, which the policy forbids.
        "showscale": False,
        "hovertemplate": "%{y} %{x}: %{z:.1%} of the bars<extra></extra>",
        "hoverongaps": False,
    }
    return {"data": [cells, *_map_marks(found)], "layout": _map_layout(found, compact)}


def _map_marks(found: GapMap) -> list[dict[str, Any]]:
    traces = []
    for kind in KINDS:
        mine = [mark for mark in found.marks if mark[2] == kind]
        if mine:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"{KINDS[kind].title} ({len(mine)})",
                    "x": [found.buckets[column] for _, column, _, _ in mine],
                    "y": [found.symbols[row] for row, _, _, _ in mine],
                    "text": [words for *_, words in mine],
                    "hovertemplate": "%{y} %{text}<extra></extra>",
                    "marker": {
                        "symbol": MARKS.get(kind, "circle-open"),
                        "size": 8,
                        "color": "$text",
                        "line": {"width": 1.5, "color": "$text"},
                    },
                }
            )
    return traces


def _map_layout(found: GapMap, compact: bool) -> dict[str, Any]:
    holed = int(np.sum(np.any(found.share < 1, axis=1)))
    whole = np.floor(float(np.nanmean(found.share)) * 1e5) / 1e5
    title = f"{whole:.3%} of the bars are there; {holed} of {len(found.symbols)} symbols have gaps"
    unit = "month" if len(found.buckets[0]) == len("2020-01") else "day"
    left = f"; {found.left_out} healthier ones are not shown" if found.left_out else ""
    words = f"{found.title}; a column per {unit}, UTC; green is whole, red is missing{left}"
    height = 300 if compact else max(300, 14 * len(found.symbols))
    return {
        "title": {"text": title, "subtitle": {"text": words}},
        "xaxis": {"type": "category", "nticks": 12, "tickangle": 0},
        "yaxis": {
            "type": "category",
            "autorange": "reversed",
            **({"nticks": 20} if compact else {"dtick": 1}),
            "tickfont": {"size": 9},
            "showgrid": False,
        },
        "hovermode": "closest",
        "legend": {"y": -36 / height, "yanchor": "top", "x": 0, "xanchor": "left"},
        "margin": {"l": 64, "b": 90},
    }


def around(panel: Panel, marked: int) -> dict[str, Any]:
    """Return the candles around a finding, with its bar marked."""
    figure = candlestick(panel, [], currency="as quoted")
    if marked < panel.n_bars:
        at = figure["data"][0]["x"][marked]
        line = {"color": "$amber", "width": 1, "dash": "dot"}
        figure["layout"]["shapes"] = [
            {"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "line": line}
        ]
    return figure
