"""Figures of runs as Plotly dictionaries. Colours are tokens that the page resolves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.curves import (
    Curves,
    drawdown_of,
    kept,
    returns_of,
    rolling_sharpe,
)
from apps.market.kernel.bars import Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Figure = dict[str, Any]
SERIES = ("$accent", "$teal", "$amber", "$violet", "$rose", "$sky", "$lime", "$vermilion")
MONTHS_ROLLED = 0.5
MARKS = (("buys", 1, "triangle-up", "$up"), ("sells", -1, "triangle-down", "$down"))


def times(ts: Ints, timeframe: str) -> list[str]:
    """Return times as Plotly reads them: dates for daily bars and longer."""
    unit = "D" if timeframe in {"1d", "1w", "1mo"} else "m"
    return [str(t) for t in ts.astype("datetime64[us]").astype(f"datetime64[{unit}]")]


def numbers(values: Floats, digits: int = 6) -> list[float | None]:
    """Return values as JSON numbers of some significant digits; None where not finite."""
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in values.tolist()]


def _line(x: list[str], values: Floats, name: str, colour: str, **more: Any) -> Figure:
    line = {"color": colour, "width": 1.4, **more.pop("line", {})}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": numbers(values),
        "line": line,
        **more,
    }


def _layout(title: str, subtitle: str, y_title: str, **more: Any) -> Figure:
    # Not in mark-up: its inline styles break the content security policy.
    return {
        "title": {"text": title, "subtitle": {"text": subtitle}},
        "xaxis": {"title": {"text": "time, UTC"}, "type": "date"},
        "yaxis": {"title": {"text": y_title}, **more.pop("yaxis", {})},
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "x": 1, "xanchor": "right", "yanchor": "bottom"},
        **more,
    }


def percent(value: float) -> str:
    """Return a fraction as signed percent."""
    return f"{100 * value:+,.1f} %".replace("-", "\u2212")  # a true minus


def equity_figure(c: Curves) -> Figure:
    """Equity against the benchmark, with the drawdown of both below, one time axis."""
    at = kept(c.equity)
    x = times(c.ts[at], c.timeframe)
    rival = c.benchmark[at] * c.start_cash
    data = [_line(x, c.equity[at], "strategy", "$accent", hovertemplate="%{y:,.0f}")]
    finding = f"The strategy made {percent(c.equity[-1] / c.start_cash - 1.0)}"
    if np.isfinite(c.benchmark).any():
        gain = c.benchmark[np.isfinite(c.benchmark)][-1] - 1.0
        finding += f", the benchmark {percent(gain)}"
        data.append(
            _line(x, rival, "benchmark", "$muted", line={"dash": "dot"}, hovertemplate="%{y:,.0f}")
        )
    data.append(
        _line(
            x,
            -drawdown_of(np.concatenate(([c.start_cash], c.equity)))[1:][at],
            "drawdown",
            "$down",
            yaxis="y2",
            fill="tozeroy",
            fillcolor="$down/20",
            hovertemplate="%{y:.1%}",
        )
    )
    if np.isfinite(c.benchmark).any():
        data.append(
            _line(
                x,
                -drawdown_of(c.benchmark)[at],
                "benchmark drawdown",
                "$muted",
                yaxis="y2",
                line={"dash": "dot", "width": 1},
                showlegend=False,
                hovertemplate="%{y:.1%}",
            )
        )
    layout = _layout(finding, c.subtitle, "equity", yaxis={"domain": [0.32, 1.0]})
    layout["yaxis2"] = {
        "title": {"text": "drawdown"},
        "domain": [0.0, 0.26],
        "tickformat": ".0%",
        "rangemode": "tozero",
    }
    layout["xaxis"]["anchor"] = "y2"
    return {"data": data, "layout": layout}


def rolling_figure(c: Curves) -> Figure:
    """Sharpe of the last half year, rolling."""
    window = max(round(c.periods * MONTHS_ROLLED), 2)
    values = rolling_sharpe(returns_of(c.equity, c.start_cash), window, c.periods)
    rival = rolling_sharpe(returns_of(c.benchmark, 1.0), window, c.periods)
    if not np.isfinite(values).any():
        words = f"A rolling Sharpe needs {window} returns; the run has {len(values)}."
        return {"data": [], "layout": {"meta": {"empty": words}}}
    at = kept(values)
    x = times(c.ts[1:][at], c.timeframe)
    data = [_line(x, values[at], "strategy", "$accent", hovertemplate="%{y:.2f}")]
    if np.isfinite(rival).any():
        dotted = {"dash": "dot"}
        data.append(
            _line(x, rival[at], "benchmark", "$muted", line=dotted, hovertemplate="%{y:.2f}")
        )
    share = float(np.mean(values[np.isfinite(values)] > 0))
    title = f"Sharpe of {window} bars was above 0 in {100 * share:.0f} % of the time"
    return {"data": data, "layout": _layout(title, c.subtitle, "Sharpe, per year")}


def exposure_figure(c: Curves) -> Figure:
    """Gross and net value over equity."""
    at = kept(c.exposure)
    x = times(c.ts[at], c.timeframe)
    data = [
        _line(x, c.exposure[at], "gross", "$accent", hovertemplate="%{y:.0%}"),
        _line(x, c.net_exposure[at], "net", "$teal", hovertemplate="%{y:.0%}"),
    ]
    known = c.exposure[np.isfinite(c.exposure)]
    mean = float(known.mean()) if len(known) else 0.0
    layout = _layout(
        f"{100 * mean:.0f} % of equity was invested on average",
        c.subtitle,
        "share of equity",
        yaxis={"tickformat": ".0%"},
    )
    return {"data": data, "layout": layout}


def fill_marks(
    panel: Panel,
    fills: Mapping[str, NDArray[Any]],
    chosen: NDArray[np.bool_],
    size: int = 9,
) -> list[Figure]:
    """Return the chosen fills as marks on a price: buys and sells."""
    found = []
    for name, sign, mark, colour in MARKS:
        rows = chosen & (np.sign(fills["quantity"]) == sign)
        found.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": times(fills["ts"][rows], panel.timeframe),
                "y": numbers(fills["price"][rows], 8),
                "customdata": numbers(np.abs(fills["quantity"][rows]), 8),
                "hovertemplate": "%{customdata:,} at %{y:,.2f}",
                "marker": {"symbol": mark, "size": size, "color": colour},
            }
        )
    return found


def price_figure(
    panel: Panel, fills: Mapping[str, NDArray[Any]], symbol: str, subtitle: str
) -> Figure:
    """One instrument's closes with the run's buys and sells."""
    close, mine = panel.close[:, 0], fills["symbol"] == symbol
    at = kept(close)
    data = [
        _line(
            times(panel.ts[at], panel.timeframe),
            close[at],
            symbol,
            "$muted",
            hovertemplate="%{y:,.2f}",
        )
    ]
    data += fill_marks(panel, fills, mine)
    title = f"{symbol}: {int(mine.sum())} fills"
    return {"data": data, "layout": _layout(title, subtitle, f"price ({panel.price_mode})")}


MOST_DOTS = 5000


def excursions_figure(trades: Mapping[str, NDArray[Any]], subtitle: str) -> Figure:
    """Each round trip by its largest loss on the way and its return; the latest of very many."""
    if not len(trades["return"]):
        return {"data": [], "layout": {"meta": {"empty": "There were no trades to draw."}}}
    gain = trades["return"][-MOST_DOTS:]
    loss, best = trades["mae"][-MOST_DOTS:], trades["mfe"][-MOST_DOTS:]
    names = trades["symbol"][-MOST_DOTS:]
    data = []
    for name, rows, mark, colour in (
        ("gained", gain > 0, "triangle-up", "$up"),
        ("lost", gain <= 0, "triangle-down", "$down"),
    ):
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": numbers(loss[rows]),
                "y": numbers(gain[rows]),
                "customdata": [
                    [symbol, mfe]
                    for symbol, mfe in zip(names[rows], numbers(best[rows]), strict=True)
                ],
                "hovertemplate": "%{customdata[0]}: MAE %{x:.1%}, MFE %{customdata[1]:.1%}, "
                "return %{y:.1%}<extra></extra>",
                "marker": {"symbol": mark, "size": 7, "color": colour, "opacity": 0.8},
            }
        )
    won = gain > 0
    if won.any():
        deepest = f"{100 * float(np.quantile(loss[won], 0.9)):.1f} %"
        title = f"9 in 10 winners were never more than {deepest} under water"
    else:
        title = "No round trip gained"
    layout = _layout(title, subtitle, "return", yaxis={"tickformat": ".0%"})
    layout["xaxis"] = {
        "title": {"text": "largest loss on the way (MAE), share of the entry price"},
        "tickformat": ".0%",
        "rangemode": "tozero",
    }
    layout["hovermode"] = "closest"
    return {"data": data, "layout": layout}


MOST_LINES = 400
BANDS = 4


def heat_figure(
    name: str, x: str, y: str, across: Sequence[Any], down: Sequence[Any], grid: Floats
) -> Figure:
    """Heat map of the best figure at each pair of two parameters, over all others swept."""
    known = grid[np.isfinite(grid)]
    cells = [numbers(row, 5) for row in grid]
    data = [
        {
            "type": "heatmap",
            "x": [str(value) for value in across],
            "y": [str(value) for value in down],
            "z": cells,
            "colorscale": "Viridis",
            "hoverongaps": False,
            # A bar of colours and cells without gaps set inline styles, which the policy forbids.
            "showscale": False,
            "xgap": 0.3,
            "ygap": 0.3,
            "hovertemplate": f"{x} %{{x}}, {y} %{{y}}: %{{z:.3f}}<extra></extra>",
        }
    ]
    spread = f"{known.min():.3g} to {known.max():.3g}" if len(known) else "nothing computed yet"
    return {
        "data": data,
        "layout": {
            "title": {
                "text": f"{name}: {spread}",
                "subtitle": {"text": f"best at each {x} and {y}, in sample; brighter is higher"},
            },
            "xaxis": {"title": {"text": x}, "type": "category"},
            "yaxis": {"title": {"text": y}, "type": "category"},
        },
    }


def parallel_figure(name: str, params: Mapping[str, Sequence[Any]], values: Floats) -> Figure:
    """Each combination as a line over the parameters to its figure, coloured by quarter.

    Of more than ``MOST_LINES`` the best are drawn, and as many spread over the rest.
    """
    axes = {**params, name: values.tolist()}
    order = np.argsort(values, kind="stable")
    shown = _spread(order)
    scaled = {label: _scaled(column) for label, column in axes.items()}
    places = list(range(len(axes)))
    data = []
    for band in range(BANDS):
        rows = [row for k, row in enumerate(shown) if k * BANDS // max(len(shown), 1) == band]
        x: list[int | None] = []
        y: list[float | None] = []
        for row in rows:
            x += [*places, None]
            y += [*(scaled[label][0][row] for label in axes), None]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": ("lowest quarter", "second", "third", "highest quarter")[band],
                "x": x,
                "y": y,
                "line": {"color": ("$muted", "$sky", "$teal", "$amber")[band], "width": 1},
                "opacity": 0.35 + 0.15 * band,
                "hoverinfo": "skip",
            }
        )
    notes = [
        {
            "x": place,
            "y": height,
            "text": text,
            "showarrow": False,
            "yshift": 10 if height else -10,
        }
        for place, label in enumerate(axes)
        for height, text in zip((0, 1), scaled[label][1], strict=True)
    ]
    drawn = f"{len(shown):,} of {len(values):,} combinations"
    return {
        "data": data,
        "layout": {
            "title": {"text": "Which parameters lead where", "subtitle": {"text": drawn}},
            "xaxis": {
                "tickvals": places,
                "ticktext": list(axes),
                "range": [-0.2, len(axes) - 0.8],
                "showgrid": True,
            },
            "yaxis": {"visible": False, "range": [-0.12, 1.12]},
            "annotations": notes,
            "showlegend": True,
            "legend": {"orientation": "h", "y": 1.12, "x": 1, "xanchor": "right"},
        },
    }


def _spread(order: Ints) -> list[int]:
    if len(order) <= MOST_LINES:
        return [int(row) for row in order]
    half = MOST_LINES // 2
    rest = order[:-half]
    kept_rows = rest[np.linspace(0, len(rest) - 1, MOST_LINES - half).astype(np.int64)]
    return [int(row) for row in np.concatenate([kept_rows, order[-half:]])]


def _scaled(column: Sequence[Any]) -> tuple[list[float], tuple[str, str]]:
    """Return a column between 0 and 1, with what stands at both ends; texts by their order."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in column):
        low, high = (min(column), max(column)) if column else (0.0, 0.0)
        width = (high - low) or 1.0
        return [(value - low) / width for value in column], (f"{low:.4g}", f"{high:.4g}")
    names = sorted({str(value) for value in column})
    width = max(len(names) - 1, 1)
    return [names.index(str(value)) / width for value in column], (names[0], names[-1])


FIGURES: dict[str, Callable[[Curves], Figure]] = {
    "equity": equity_figure,
    "rolling": rolling_figure,
    "exposure": exposure_figure,
}
NAMES = ("price", "excursions", *FIGURES)
