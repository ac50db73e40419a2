"""Figures behind a tear sheet: turnover, holdings, factor exposures. Colours are tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.charts import equity_figure, exposure_figure, rolling_figure, times
from apps.backtests.kernel.curves import Curves

Floats = NDArray[np.float64]
Figure = dict[str, Any]
MOST_POINTS = 1200
Z95 = 1.959963984540054


def _numbers(values: Floats) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]


def _layout(title: str, subtitle: str, y_title: str, **y_axis: Any) -> Figure:
    return {
        "title": {"text": title, "subtitle": {"text": subtitle}},
        "xaxis": {"title": {"text": "time, UTC"}, "type": "date"},
        "yaxis": {"title": {"text": y_title}, "rangemode": "tozero", **y_axis},
        "showlegend": False,
    }


def turnover_figure(months: Sequence[str], turnover: Floats, subtitle: str) -> Figure:
    """Half the value traded over mean equity, month by month."""
    known = turnover[np.isfinite(turnover)]
    if not len(known) or not known.any():
        return {"data": [], "layout": {"meta": {"empty": "Nothing was traded."}}}
    bars = {
        "type": "bar",
        "name": "turnover",
        "x": list(months),
        "y": _numbers(turnover),
        "marker": {"color": "$accent"},
        "hovertemplate": "%{x|%b %Y}: %{y:.1%}<extra></extra>",
    }
    title = f"{100 * float(np.median(known)):.0f} % of equity changes hands in the middle month"
    layout = _layout(title, subtitle, "turnover per month", tickformat=".0%")
    return {"data": [bars], "layout": layout}


def holdings_figure(x: Sequence[str], held: Floats | None, subtitle: str) -> Figure:
    """How many instruments were held after each bar."""
    if held is None or not len(held):
        words = "A run computed before positions were kept has none; run it again."
        return {"data": [], "layout": {"meta": {"empty": words}}}
    at = _changes(held)
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "held",
        "x": [x[i] for i in at],
        "y": _numbers(held[at]),
        "line": {"color": "$teal", "width": 1.4, "shape": "hv"},
        "hovertemplate": "%{y:.0f} held<extra></extra>",
    }
    most, middle = int(held.max()), float(np.median(held))
    layout = _layout(f"{middle:.0f} held in the middle, {most} at most", subtitle, "instruments")
    return {"data": [line], "layout": layout}


def _changes(held: Floats) -> NDArray[np.int64]:
    """Return where the count changes, with both ends; of very many, evenly chosen ones."""
    changed = np.flatnonzero(np.diff(held)) + 1
    at = np.unique(np.concatenate(([0], changed, [len(held) - 1]))).astype(np.int64)
    if len(at) <= MOST_POINTS:
        return at
    return at[np.linspace(0, len(at) - 1, MOST_POINTS).astype(np.int64)]


def factors_figure(found: Mapping[str, Any], subtitle: str) -> Figure:
    """Exposure to each factor with its 95 % interval by Newey-West errors."""
    if found["why_not"]:
        return {"data": [], "layout": {"meta": {"empty": found["why_not"]}}}
    betas = found["betas"]
    names = list(betas)
    clear = [name for name in names if betas[name]["p_value"] < 0.05]
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [betas[name]["value"] for name in names],
        "y": names,
        "error_x": {
            "type": "data",
            "array": [Z95 * betas[name]["error"] for name in names],
            "color": "$accent",
            "thickness": 1.4,
        },
        "marker": {"size": 8, "color": "$accent"},
        "hovertemplate": "%{y}: %{x:.3f} ± %{error_x.array:.3f}<extra></extra>",
    }
    title = f"Clearly exposed to {', '.join(clear)}" if clear else "Clearly exposed to no factor"
    return {
        "data": [points],
        "layout": {
            "title": {"text": title, "subtitle": {"text": subtitle}},
            "xaxis": {"title": {"text": "exposure (beta), 95 %"}, "zeroline": True},
            "yaxis": {"autorange": "reversed", "type": "category"},
            "showlegend": False,
            "hovermode": "closest",
        },
    }


def sheet_figures(
    curves: Curves, holdings: Mapping[str, Any], factors: Mapping[str, Any]
) -> dict[str, Figure]:
    """Return the figures of a sheet that is a file; those with nothing to draw are left out."""
    x = times(holdings["ts"], curves.timeframe)
    says = curves.subtitle
    found = {
        "equity": equity_figure(curves),
        "rolling": rolling_figure(curves),
        "exposure": exposure_figure(curves),
        "turnover": turnover_figure(holdings["months"], holdings["turnover"], says),
        "held": holdings_figure(x, holdings["held"], says),
        "factors": factors_figure(factors, says),
    }
    return {name: figure for name, figure in found.items() if figure["data"]}
