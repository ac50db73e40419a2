"""The drawings kept of a run: what there is, and each as PNG or as a page that needs nothing else.

The same run gives the same bytes: nothing of the moment or the machine goes into them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.charts import (
    equity_figure,
    excursions_figure,
    exposure_figure,
    numbers,
    rolling_figure,
)
from apps.backtests.kernel.curves import Curves, monthly
from apps.backtests.kernel.pictures import COLOURS, LIBRARY_MARK, Drawn, library, painted, picture

Figure = dict[str, Any]
Trades = Mapping[str, NDArray[Any]]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def monthly_figure(c: Curves) -> Figure:
    """Return a heat map of returns by month and year, the years downwards."""
    years = monthly(c.ts, c.equity, c.start_cash)[::-1]
    cells = [[np.nan if gain is None else gain for gain in year.months] for year in years]
    known = np.array(cells, dtype=np.float64)
    finite = known[np.isfinite(known)]
    most = float(np.abs(finite).max()) if len(finite) else 1.0
    gained = int((finite > 0).sum())
    return {
        "data": [
            {
                "type": "heatmap",
                "x": list(MONTHS),
                "y": [str(year.year) for year in years],
                "z": [numbers(row) for row in known],
                "text": [[f"{100 * v:.1f}" if np.isfinite(v) else "" for v in r] for r in known],
                "texttemplate": "%{text}",
                "zmin": -most,
                "zmax": most,
                "colorscale": [[0, "$down"], [0.5, "$raised"], [1, "$up"]],
                "showscale": False,
                "hovertemplate": "%{y} %{x}: %{z:.2%}<extra></extra>",
            }
        ],
        "layout": {
            "title": {
                "text": f"{gained} of {len(finite)} months gained",
                "subtitle": {"text": f"{c.subtitle} · percent"},
            },
            "xaxis": {"type": "category"},
            "yaxis": {"type": "category", "autorange": "reversed"},
        },
    }


def _of_curves(draw: Callable[[Curves], Figure]) -> Callable[[Curves, Trades], Figure]:
    return lambda curves, trades: draw(curves)  # noqa: ARG005 all are called alike


PLOTS: dict[str, tuple[str, Callable[[Curves, Trades], Figure]]] = {
    "equity": ("Equity and drawdown", _of_curves(equity_figure)),
    "monthly": ("Returns by month", _of_curves(monthly_figure)),
    "rolling": ("Rolling Sharpe", _of_curves(rolling_figure)),
    "exposure": ("Exposure", _of_curves(exposure_figure)),
    "excursions": (
        "How deep trades went",
        lambda curves, trades: excursions_figure(trades, curves.subtitle),
    ),
}
KINDS = {"png": "image/png", "html": "text/html; charset=utf-8"}
NAMES = frozenset(f"{plot}.{kind}" for plot in PLOTS for kind in KINDS)

# Name, title and media type of every drawing of a run.
OFFERED = tuple(
    (f"{plot}.{kind}", title, media)
    for plot, (title, _) in PLOTS.items()
    for kind, media in KINDS.items()
)


def drawn(name: str, curves: Curves, trades: Trades) -> Drawn:
    """Return the drawing of a file's name, such as ``equity.png``. Raises ``KeyError``."""
    plot, _, kind = name.partition(".")
    title, make = PLOTS[plot]
    figure = painted(make(curves, trades))
    words = f"{curves.title}: {title.lower()}"
    if kind == "png":
        return Drawn(picture(figure, words), KINDS["png"])
    return Drawn(_page(figure, words), KINDS[kind], library())


def _page(figure: Figure, title: str) -> bytes:
    layout = {
        "template": {"layout": {"colorway": [COLOURS["accent"], COLOURS["teal"]]}},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": COLOURS["text"]},
        "paper_bgcolor": COLOURS["raised"],
        "plot_bgcolor": COLOURS["raised"],
        **figure["layout"],
    }
    said = {"data": figure["data"], "layout": layout, "config": {"responsive": True}}
    text = json.dumps(said, sort_keys=True, separators=(",", ":")).replace("<", "\\u003c")
    empty = escape(str(layout.get("meta", {}).get("empty", "")))
    return b"".join(
        (
            b'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>',
            escape(title).encode(),
            b"</title><style>html,body,#plot{height:100%;margin:0}p{font:14px sans-serif;",
            b"padding:24px}</style><script>",
            LIBRARY_MARK,
            b'</script></head><body><div id="plot">',
            f"<p>{empty}</p>".encode() if empty else b"",
            b'</div><script id="figure" type="application/json">',
            text.encode(),
            b"</script><script>\nconst figure = JSON.parse(",
            b"document.getElementById('figure').textContent);\n",
            b"if (figure.data.length) Plotly.newPlot('plot', figure.data, figure.layout, ",
            b"figure.config);\n</script></body></html>\n",
        )
    )
