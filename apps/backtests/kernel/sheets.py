"""A run as one HTML file that needs nothing else: words, tables, drawings as SVG."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.curves import Curves, drawdown_of, kept, monthly
from apps.backtests.kernel.metrics import METRICS
from apps.backtests.kernel.reports import RUN_METRICS
from apps.backtests.kernel.wording import costs_in_words, execution_in_words

Floats = NDArray[np.float64]
WIDTH, HEIGHT = 960, 260
MOST_TRADES = 500
MISSING = "\u2013"
STYLE = """
body{font:14px/1.5 system-ui,sans-serif;max-width:960px;margin:24px auto;padding:0 16px;
color:#1b1b1f}
table{border-collapse:collapse;width:100%;font:12px/1.5 ui-monospace,monospace;margin:8px 0 24px}
th,td{padding:2px 8px;border-bottom:1px solid #e3e3e8;text-align:right}
th:first-child,td:first-child{text-align:left}td.words{font-family:system-ui,sans-serif;color:#66666e;
text-align:left}h1{font-size:20px}h2{font-size:15px}p.small{color:#66666e;font-size:12px}
svg{width:100%;height:auto}.overflow{overflow-x:auto}.chart{height:360px;margin:8px 0 24px}
@media print{.chart,tr{break-inside:avoid}}
"""


# Tokens of colours in figures, as a page on white paper has them.
PAINT = {
    "$accent": "#2f5fd0",
    "$teal": "#12795a",
    "$amber": "#a86d00",
    "$violet": "#6b4fc0",
    "$rose": "#b0336d",
    "$sky": "#1877a8",
    "$lime": "#557a10",
    "$vermilion": "#c23a24",
    "$up": "#12795a",
    "$down": "#c23a24",
    "$muted": "#6a6d76",
    "$down/20": "#c23a2433",
}
# The file asks nobody for anything: what it shows stands in it.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
DIGEST_NAME = "quantsite-run-digest"


@dataclass(frozen=True, slots=True)
class Live:
    """What makes charts of a file move: the drawing library, our script, figures by name."""

    library: str
    script: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the figures: of ``selectors.sheets``."""

    intervals: Mapping[str, Any]
    factors: Mapping[str, Any]
    crises: Sequence[Mapping[str, Any]]
    drawdowns: Sequence[Mapping[str, Any]]


def html_sheet(
    run: Mapping[str, Any],
    curves: Curves,
    trades: Sequence[Mapping[str, Any]],
    behind: Behind,
    live: Live | None = None,
) -> str:
    """Return the tear sheet of a run as a whole HTML document that needs nothing else.

    With ``live`` its charts can be hovered and zoomed; without they are drawings.
    """
    title = escape(str(run["title"]))
    facts = _rows(
        (
            ("Strategy", run["strategy"]),
            ("Parameters", ", ".join(f"{k} = {v}" for k, v in run["params"].items())),
            ("Dates", f"{str(run['first'])[:10]} to {str(run['last'])[:10]}, in sample"),
            ("Fills", run["fill_says"]),
            ("Costs", _costs(run)),
            ("Prices", run["price_mode"]),
            ("Survivorship", run["survivorship"]),
            ("Benchmark", run["benchmark"]["label"]),
            ("Run digest", run["digest"]),
            ("Data digest", run["data_digest"]),
            ("Engine", run["engine_version"]),
        )
    )
    charts = _drawn(curves) if live is None else _placed(live)
    digest = escape(str(run["digest"]))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="{DIGEST_NAME}" content="{digest}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1><p class="small">{escape(curves.subtitle)}</p>
<p class="small">Run digest <code>{digest}</code></p>
{charts}
<h2>Figures</h2>{_figures(run, behind.intervals)}
<h2>Losses in the tail</h2>{_tail(run["tail_losses"], behind.intervals)}
<h2>Returns by month</h2>{_months(curves)}
<h2>Known crises within the dates</h2>{_crises(behind.crises)}
<h2>Worst drawdowns</h2>{_drawdowns(behind.drawdowns)}
<h2>What explains it: five factors and momentum</h2>{_regression(behind.factors)}
<h2>Trades</h2>{_trades(trades)}
<h2>What was run</h2><table>{facts}</table>
{"" if live is None else _scripts(live)}</body></html>
"""


def _drawn(curves: Curves) -> str:
    drawdown = -drawdown_of(np.concatenate(([curves.start_cash], curves.equity)))[1:]
    lines = [("#2f5fd0", curves.equity), ("#8a8a92", curves.benchmark * curves.start_cash)]
    return (
        f"<h2>Equity (blue) and benchmark (grey)</h2>{_svg(lines, 'equity')}"
        f"<h2>Drawdown</h2>{_svg([('#c2402f', drawdown)], 'drawdown', height=120)}"
    )


def _placed(live: Live) -> str:
    return "".join(
        f'<div class="chart" id="chart-{escape(name)}" role="group" '
        f'aria-label="{escape(name.replace("_", " "))}"></div>'
        for name in live.figures
    )


def _scripts(live: Live) -> str:
    figures = json.dumps(painted(live.figures), separators=(",", ":"))
    # What ends a script early can't stand in JSON text otherwise than escaped.
    safe = figures.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return (
        f'<script type="application/json" id="figures">{safe}</script>\n'
        f"<script>{live.library}</script>\n<script>{live.script}</script>"
    )


def painted(value: Any) -> Any:
    """Return a figure with its tokens of colours replaced by those of white paper."""
    if isinstance(value, str):
        return PAINT.get(value, value)
    if isinstance(value, Mapping):
        return {name: painted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [painted(inner) for inner in value]
    return value


def _costs(run: Mapping[str, Any]) -> str:
    asked = run["request"]
    execution = execution_in_words(asked.get("execution") or {})
    return " ".join((*costs_in_words(asked["costs"]), *execution))


def _rows(pairs: Iterable[tuple[str, Any]]) -> str:
    return "".join(
        f'<tr><td>{escape(name)}</td><td class="words">{escape(str(value))}</td></tr>'
        for name, value in pairs
    )


def _number(value: Any, digits: int = 4) -> str:
    if value is None:
        return MISSING
    return f"{value:,.{digits}f}".replace("-", "\u2212")


def _limits(row: Mapping[str, Any] | None) -> str:
    if row is None or row["low"] is None:
        return MISSING
    return f"{_number(row['low'])} \u2026 {_number(row['high'])}"


def _crises(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return '<p class="small">None lies wholly within the dates of the run.</p>'
    names = ("Crisis", "From", "To", "Run", "Benchmark", "Drawdown", "Benchmark's")
    body = "".join(
        f"<tr><td>{escape(row['title'])}</td><td>{row['start']}</td><td>{row['end']}</td>"
        f"<td>{_percent(row['return'])}</td><td>{_percent(row['benchmark_return'])}</td>"
        f"<td>{_percent(row['drawdown'])}</td><td>{_percent(row['benchmark_drawdown'])}</td></tr>"
        for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>{body}</table>"


def _drawdowns(rows: Sequence[Mapping[str, Any]]) -> str:
    names = ("Depth, %", "Peak", "Trough", "Recovered", "Days")
    body = "".join(
        f"<tr><td>{100 * row['depth']:.2f}</td><td>{row['peak']}</td><td>{row['trough']}</td>"
        f"<td>{row['recovered'] or 'not yet'}</td><td>{row['days']}</td></tr>"
        for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>{body}</table>"


def _regression(found: Mapping[str, Any]) -> str:
    if found["why_not"]:
        return f'<p class="small">{escape(found["why_not"])}</p>'
    names = ("Term", "Estimate", "Error", "t", "p")
    terms = {"Alpha a year": found["alpha_annualised"], **found["betas"]}
    body = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{_number(row[part])}</td>" for part in ("value", "error", "t", "p_value"))
        + "</tr>"
        for name, row in terms.items()
    )
    return (
        f"<table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>{body}</table>"
        f'<p class="small">R\u00b2 {_number(found["r_squared"], 3)}; {found["rows"]} days in '
        f"common, {found['first']} to {found['last']}; Newey-West errors, {found['lags']} lags "
        f"({escape(found['lag_rule'])}).</p>"
    )


def _figures(run: Mapping[str, Any], intervals: Mapping[str, Any]) -> str:
    theirs = run["benchmark"]["metrics"]
    told = intervals["figures"]
    rows = "".join(
        f"<tr><td>{escape(metric.title)}</td><td>{_number(run['metrics'].get(name))}</td>"
        f"<td>{_limits(told.get(name))}</td>"
        f"<td>{_number(theirs.get(name))}</td>"
        f'<td class="words">{escape(metric.formula)}{_yearly(metric.annualised, run)}</td></tr>'
        for name, metric in {**METRICS, **RUN_METRICS}.items()
        if name in run["metrics"]
    )
    head = "".join(
        f"<th>{name}</th>" for name in ("Figure", "Run", "95 %", "Benchmark", "Formula")
    )
    return (
        f"<table><tr>{head}</tr>{rows}</table>"
        '<p class="small">95 % intervals: stationary block bootstrap, percentiles over worlds '
        "drawn by the run's digest.</p>"
    )


def _yearly(annualised: object, run: Mapping[str, Any]) -> str:
    return f"; P = {run['periods_per_year']:g} a year" if annualised else ""


def _tail(tail: Mapping[str, Any], intervals: Mapping[str, Any]) -> str:
    told = intervals["tail"]
    rows = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))} %</td><td>{_number(entry['var'])}</td>"
        f"<td>{_limits(told.get(f'{name}.var'))}</td><td>{_number(entry['es'])}</td>"
        f"<td>{_limits(told.get(f'{name}.es'))}</td></tr>"
        for name, entry in tail.items()
    )
    heads = "".join(f"<th>{n}</th>" for n in ("Method, level", "VaR", "95 %", "ES", "95 %"))
    return f"<table><tr>{heads}</tr>{rows}</table>"


def _months(curves: Curves) -> str:
    head = "".join(f"<th>{month}</th>" for month in range(1, 13))
    rows = "".join(
        f"<tr><td>{year.year}</td>"
        + "".join(f"<td>{_percent(gain)}</td>" for gain in (*year.months, year.total))
        + "</tr>"
        for year in monthly(curves.ts, curves.equity, curves.start_cash)
    )
    return (
        f'<div class="overflow"><table><tr><th>%</th>{head}<th>Year</th></tr>{rows}</table></div>'
    )


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:+.1f}".replace("-", "\u2212")


def _trades(trades: Sequence[Mapping[str, Any]]) -> str:
    names = ("symbol", "entry_ts", "exit_ts", "size", "entry_price", "exit_price", "pnl", "return")
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in names)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_cell(trade[name])}</td>" for name in names) + "</tr>"
        for trade in trades[:MOST_TRADES]
    )
    more = len(trades) - MOST_TRADES
    rest = f'<p class="small">and {more} more; export them as CSV.</p>' if more > 0 else ""
    return f'<div class="overflow"><table><tr>{head}</tr>{rows}</table></div>{rest}'


def _cell(value: Any) -> str:
    return _number(value) if isinstance(value, float) else escape(str(value).removesuffix("Z"))


def _svg(lines: Sequence[tuple[str, Floats]], label: str, height: int = HEIGHT) -> str:
    values = np.concatenate([line for _, line in lines])
    known = values[np.isfinite(values)]
    if not len(known):
        return ""
    low, high = float(known.min()), float(known.max())
    span = (high - low) or 1.0
    paths = "".join(
        f'<path fill="none" stroke="{colour}" stroke-width="1.3" '
        f'd="{_path(line, low, span, height)}"/>'
        for colour, line in lines
    )
    marks = (
        f'<text x="2" y="11" font-size="11">{high:,.4g}</text>'
        f'<text x="2" y="{height - 2}" font-size="11">{low:,.4g}</text>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{paths}{marks}</svg>'
    )


def _path(line: Floats, low: float, span: float, height: int) -> str:
    at = kept(line)
    at = at[np.isfinite(line[at])]
    x = at / max(len(line) - 1, 1) * WIDTH
    y = (1.0 - (line[at] - low) / span) * (height - 4) + 2
    points = " L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f"M{points}" if points else ""
