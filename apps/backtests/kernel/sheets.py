"""A run as one HTML file that needs nothing else: words, tables, drawings as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.curves import Curves, drawdown_of, kept, monthly
from apps.backtests.kernel.metrics import METRICS
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
svg{width:100%;height:auto}.overflow{overflow-x:auto}
"""


def html_sheet(run: Mapping[str, Any], curves: Curves, trades: Sequence[Mapping[str, Any]]) -> str:
    """Return the tear sheet of a run as a whole HTML document."""
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
    drawdown = -drawdown_of(np.concatenate(([curves.start_cash], curves.equity)))[1:]
    lines = [("#2f5fd0", curves.equity), ("#8a8a92", curves.benchmark * curves.start_cash)]
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1><p class="small">{escape(curves.subtitle)}</p>
<h2>Equity (blue) and benchmark (grey)</h2>{_svg(lines, "equity")}
<h2>Drawdown</h2>{_svg([("#c2402f", drawdown)], "drawdown", height=120)}
<h2>Figures</h2>{_figures(run)}
<h2>Losses in the tail</h2>{_tail(run["tail_losses"])}
<h2>Returns by month</h2>{_months(curves)}
<h2>Trades</h2>{_trades(trades)}
<h2>What was run</h2><table>{facts}</table></body></html>
"""


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


def _figures(run: Mapping[str, Any]) -> str:
    theirs = run["benchmark"]["metrics"]
    rows = "".join(
        f"<tr><td>{escape(metric.title)}</td><td>{_number(run['metrics'].get(name))}</td>"
        f"<td>{_number(theirs.get(name))}</td>"
        f'<td class="words">{escape(metric.formula)}{_yearly(metric.annualised, run)}</td></tr>'
        for name, metric in METRICS.items()
        if name in run["metrics"]
    )
    head = "".join(f"<th>{name}</th>" for name in ("Figure", "Run", "Benchmark", "Formula"))
    return f"<table><tr>{head}</tr>{rows}</table>"


def _yearly(annualised: object, run: Mapping[str, Any]) -> str:
    return f"; P = {run['periods_per_year']:g} a year" if annualised else ""


def _tail(tail: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))} %</td><td>{_number(entry['var'])}</td>"
        f"<td>{_number(entry['es'])}</td></tr>"
        for name, entry in tail.items()
    )
    return f"<table><tr><th>Method, level</th><th>VaR</th><th>ES</th></tr>{rows}</table>"


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
