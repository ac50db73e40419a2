"""A tear sheet as a PDF for print: the same run makes the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.curves import Curves, drawdown_of, kept, monthly
from apps.backtests.kernel.metrics import METRICS, Metric
from apps.backtests.kernel.reports import RUN_METRICS
from apps.backtests.kernel.sheets import Behind
from apps.backtests.kernel.wording import costs_in_words, execution_in_words
from apps.risk.kernel.paper import Pdf, bound
from apps.risk.kernel.paper.drawings import ACCENT, BOTTOM, DOWN, MUTED, Plot
from apps.risk.kernel.paper.setting import Setter
from apps.risk.kernel.paper.words import DASH, number, percent, spelled

Body = Mapping[str, Any]
Floats = NDArray[np.float64]
EQUITY_HEIGHT, DRAWDOWN_HEIGHT = 150.0, 70.0
DRAWN = 500
DIGEST_WORDS = "run digest "


def pdf_sheet(run: Body, curves: Curves, behind: Behind, fonts: Mapping[str, bytes]) -> Pdf:
    """Return the tear sheet of a run as PDF; its digest stands in the file and on every page."""
    return bound(
        lambda setter: _sections(run, curves, behind, setter),
        about=f"Tear sheet of {run['title']}"[:110],
        author="Quantsite",
        subject=f"{DIGEST_WORDS}{run['digest']}",
        keywords=f"{DIGEST_WORDS}{run['digest']}",
        digest=str(run["digest"]),
        fonts=fonts,
    )


def _sections(run: Body, curves: Curves, behind: Behind, setter: Setter) -> list[Any]:
    return [
        setter.words(str(run["title"]), "title"),
        setter.space(4),
        setter.table(["", ""], _facts(run), [1, 4.6]),
        setter.whole(
            [
                setter.head("Equity (blue) and benchmark (grey), growth of the start"),
                _lines(curves, setter.width),
                setter.head("Drawdown"),
                _drawdown(curves, setter.width),
            ]
        ),
        setter.head("Figures, with 95 % intervals"),
        setter.table(
            ["Figure", "Run", "95 %", "Benchmark", "Formula"],
            _figures(run, behind.intervals),
            [1.7, 1, 1.9, 1, 3.4],
            right=(1, 2, 3),
        ),
        setter.words(_method(behind.intervals), "small"),
        setter.whole([setter.head("Losses in the tail, of one bar"), _tail(run, behind, setter)]),
        setter.head("Returns by month, %"),
        _months(curves, setter),
        setter.whole([setter.head("Known crises within the dates"), _crises(behind, setter)]),
        setter.whole([setter.head("Worst drawdowns"), _falls(behind, setter)]),
        setter.whole([setter.head("What explains it"), *_factors(behind.factors, setter)]),
        setter.whole([setter.head("After all that was tried"), _worth(run, setter)]),
    ]


def _facts(run: Body) -> list[list[str]]:
    asked = run["request"]
    costs = (*costs_in_words(asked["costs"]), *execution_in_words(asked.get("execution") or {}))
    params = ", ".join(f"{name} = {value}" for name, value in run["params"].items())
    return [
        ["Strategy", f"{run['strategy']} {params}"],
        ["Dates", f"{str(run['first'])[:10]} to {str(run['last'])[:10]}, in sample"],
        ["Fills", run["fill_says"]],
        ["Costs", " ".join(costs)],
        ["Prices", f"{spelled(run['price_mode'])}. {run['survivorship']}"],
        ["Benchmark", run["benchmark"]["label"] or DASH],
        ["Run digest", run["digest"]],
        ["Data digest", run["data_digest"]],
    ]


def _lines(curves: Curves, width: float) -> Any:
    equity = curves.equity / curves.start_cash - 1.0
    theirs = curves.benchmark - 1.0
    known = np.concatenate([equity, theirs[np.isfinite(theirs)]])
    return _plot(curves, width, EQUITY_HEIGHT, ((MUTED, theirs), (ACCENT, equity)), known)


def _drawdown(curves: Curves, width: float) -> Any:
    fall = -drawdown_of(np.concatenate(([curves.start_cash], curves.equity)))[1:]
    return _plot(curves, width, DRAWDOWN_HEIGHT, ((DOWN, fall),), np.append(fall, 0.0))


def _plot(
    curves: Curves,
    width: float,
    height: float,
    lines: Sequence[tuple[str, Floats]],
    known: Floats,
) -> Any:
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    n = max(len(curves.ts) - 1, 1)
    plot = Plot(width, height, (0.0, float(n)), (low, high if high > low else low + 1.0))
    plot.rows(0)
    for colour, line in lines:
        at = kept(line, DRAWN)
        points = [(float(i), float(line[i])) for i in at if np.isfinite(line[i])]
        if len(points) > 1:
            plot.path(points, colour, 0.9)
    for place, anchor in ((0, "start"), (len(curves.ts) // 2, "middle"), (n, "end")):
        day = str(curves.ts[min(place, len(curves.ts) - 1)].astype("datetime64[us]"))[:10]
        plot.text(plot.x(place), BOTTOM - 10, day, at=anchor)
    return plot.drawing


def _written(metric: Metric, value: float | None) -> str:
    if metric.unit == "fraction":
        return percent(value)
    return number(value, 0 if metric.unit == "days" else 2)


def _limits(metric: Metric, row: Body | None) -> str:
    if row is None or row["low"] is None:
        return DASH
    return f"{_written(metric, row['low'])} \u2026 {_written(metric, row['high'])}"


def _figures(run: Body, intervals: Body) -> list[list[str]]:
    theirs = run["benchmark"]["metrics"]
    table: dict[str, Metric] = {**METRICS, **RUN_METRICS}
    yearly = f"; P = {run['periods_per_year']:g}"
    return [
        [
            metric.title,
            _written(metric, run["metrics"][name]),
            _limits(metric, intervals["figures"].get(name)),
            _written(metric, theirs.get(name)),
            metric.formula + (yearly if metric.annualised else ""),
        ]
        for name, metric in table.items()
        if name in run["metrics"]
    ]


def _method(intervals: Body) -> str:
    row = intervals["figures"].get("total_return") or {}
    block = f", blocks of {row['block']} bars" if "block" in row else ""
    return (
        f"Intervals: {row.get('method', 'bootstrap')}, {row.get('n', 0)} worlds{block}, drawn by "
        "the run's digest. They say how sure a figure is on these bars; they do not know what "
        "else was tried."
    )


def _tail(run: Body, behind: Behind, setter: Setter) -> Any:
    told = behind.intervals["tail"]
    rows = []
    for name, entry in run["tail_losses"].items():
        cells = [f"{spelled(name)} %"]
        for part in ("var", "es"):
            row = told.get(f"{name}.{part}") or {"low": None}
            span = DASH if row["low"] is None else f"{percent(row['low'])} \u2026 "
            span = span if row["low"] is None else span + percent(row["high"])
            cells += [percent(entry[part]), span]
        rows.append(cells)
    heads = ["Method, level", "VaR", "95 %", "ES", "95 %"]
    return setter.table(heads, rows, [2, 1, 2, 1, 2], right=(1, 2, 3, 4))


def _months(curves: Curves, setter: Setter) -> Any:
    heads = ["", *(str(month) for month in range(1, 13)), "Year"]
    rows = [
        [str(year.year), *(_gain(gain) for gain in (*year.months, year.total))]
        for year in monthly(curves.ts, curves.equity, curves.start_cash)
    ]
    return setter.table(heads, rows, [1.3, *([1] * 12), 1.3], right=range(1, 14))


def _gain(value: float | None) -> str:
    return number(None if value is None else 100.0 * value, 1)


def _crises(behind: Behind, setter: Setter) -> Any:
    if not behind.crises:
        return setter.words("None lies wholly within the dates of the run.", "small")
    rows = [
        [row["title"], f"{row['start']} to {row['end']}",
         *(percent(row[name], 1) for name in
           ("return", "benchmark_return", "drawdown", "benchmark_drawdown"))]
        for row in behind.crises
    ]  # fmt: skip
    heads = ["Crisis", "Days", "Run", "Benchmark", "Drawdown", "Benchmark's"]
    return setter.table(heads, rows, [2.4, 2, 1, 1, 1, 1.1], right=(2, 3, 4, 5))


def _falls(behind: Behind, setter: Setter) -> Any:
    rows = [
        [percent(row["depth"]), row["peak"], row["trough"], row["recovered"] or "not yet",
         number(row["days"], 0)] for row in behind.drawdowns
    ]  # fmt: skip
    if not rows:
        return setter.words("Equity never fell below a peak.", "small")
    heads = ["Depth", "Peak", "Trough", "Recovered", "Days"]
    return setter.table(heads, rows, [1] * 5, right=range(5))


def _factors(found: Body, setter: Setter) -> list[Any]:
    if found["why_not"]:
        return [setter.words(found["why_not"], "small")]
    alpha = found["alpha_annualised"]
    rows = [["Alpha a year", percent(alpha["value"]), percent(alpha["error"]),
             number(alpha["t"]), number(alpha["p_value"], 4)]]  # fmt: skip
    rows += [
        [name, *(number(row[part], 3) for part in ("value", "error")), number(row["t"]),
         number(row["p_value"], 4)] for name, row in found["betas"].items()
    ]  # fmt: skip
    words = (
        f"Five factors and momentum; R\u00b2 {number(found['r_squared'], 3)}, {found['rows']} "
        f"days in common, {found['first']} to {found['last']}; Newey-West errors with "
        f"{found['lags']} lags, {found['lag_rule']}."
    )
    heads = ["Term", "Estimate", "Error", "t", "p"]
    return [setter.table(heads, rows, [2, 1, 1, 1, 1], right=(1, 2, 3, 4)),
            setter.words(words, "small")]  # fmt: skip


def _worth(run: Body, setter: Setter) -> Any:
    worth = run["significance"] or {}
    rows = [
        ["Trials in this family", number(worth.get("trials"), 0)],
        ["Deflated Sharpe", number(worth.get("deflated_sharpe"), 3)],
        ["Probability of overfitting", number(worth.get("pbo"), 3)],
        ["Effective trials", number(worth.get("effective_n"), 1)],
        ["Shortest track record, bars", number(worth.get("min_track_record"), 0)],
    ]
    return setter.table(["", ""], rows, [3, 1], right=(1,))
