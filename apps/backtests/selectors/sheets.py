"""What stands behind a tear sheet: intervals, factors, stretches, what was held and traded."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.core.cache import cache
from numpy.typing import NDArray

from apps.backtests import store
from apps.backtests.kernel import intervals, regressions, windows
from apps.backtests.kernel.curves import returns_of
from apps.backtests.models import Run
from apps.backtests.selectors.results import curves_of, has_table, table_of
from apps.core.errors import LabError
from apps.core.kernel.timeframes import seconds_of
from apps.market import selectors as market

Floats = NDArray[np.float64]
FACTORS_DATASET = "fama-french"
AROUND_THE_CLOCK = 365.0
# Intervals follow from the run's digest; they are forgotten when nobody asks for so long.
KEEP_SECONDS = 7 * 24 * 3600
# Counted up when the way they are computed changes.
RULES = 1


def intervals_of(run: Run) -> dict[str, Any]:
    """Return how sure each figure of a run is; the same run has the same answer every time.

    Returns
    -------
    dict
        ``figures`` by the names of the metrics, ``tail`` by ``historical_95.var`` and the like,
        ``trades`` by the names of trade figures; each row with ``low``, ``high``, ``level``,
        ``method``, ``n``, or a ``reason``. ``seed`` comes from the run's digest.
    """
    key = f"backtests.intervals:{RULES}:{run.pk}:{run.digest}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = _computed(run, intervals.seed_of(run.digest))
        cache.set(key, found, KEEP_SECONDS)
    return found


def _computed(run: Run, seed: int) -> dict[str, Any]:
    ts, curves = curves_of(run)
    start, periods = float(run.request["cash"]), float(run.result["periods_per_year"])
    returns = returns_of(curves["equity"], start)
    benchmark = _benchmark_returns(curves["benchmark"])
    found = intervals.return_intervals(returns, benchmark, ts[1:], periods=periods, seed=seed)
    tail = {name: row for name, row in found.items() if name in intervals.TAILS}
    figures = {name: row for name, row in found.items() if name not in tail}
    figures |= intervals.book_intervals(_book(run, ts, curves), periods=periods, seed=seed)
    trades = intervals.trade_intervals(table_of(run, "trades"), seed=seed)
    return {
        "digest": run.digest,
        "level": intervals.LEVEL,
        "seed": seed,
        "figures": figures,
        "tail": tail,
        "trades": trades,
    }


def _benchmark_returns(value: Floats) -> Floats | None:
    if not np.isfinite(value).any():
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        found = value[1:] / value[:-1] - 1.0
    return np.where(np.isfinite(found), found, np.nan)


def _book(run: Run, ts: NDArray[np.int64], curves: dict[str, Floats]) -> intervals.Book:
    fills = table_of(run, "fills")
    when = fills["ts"].astype("datetime64[us]").astype(np.int64)
    value = fills.get("value", np.abs(fills["quantity"] * fills["price"]))
    return intervals.Book(
        exposure=curves["exposure"],
        traded=windows.by_bar(ts, when, value),
        fees=windows.by_bar(ts, when, fills["fee"]),
        equity=curves["equity"],
        start_cash=float(run.request["cash"]),
    )


def regression_of(run: Run) -> dict[str, Any]:
    """Return the run's regression on five factors and momentum, or ``why_not`` in words."""
    try:
        return {"why_not": "", **_regressed(run)}
    except LabError as error:
        return {"why_not": error.message, "code": error.code}


def _regressed(run: Run) -> dict[str, Any]:
    result = run.result
    regressions.check_fits(
        seconds_of(result["timeframe"]) * 1_000_000,
        continuous=_is_continuous(run),
        currency=str(result.get("currency", "")),
    )
    ts, curves = curves_of(run)
    days, returns = regressions.daily_returns(ts, curves["equity"], float(run.request["cash"]))
    factors = market.read_figures(team_id=run.team_id, dataset=FACTORS_DATASET, kind="return")
    return regressions.regress(days, returns, factors)


def _is_continuous(run: Run) -> bool:
    periods = float(run.result["periods_per_year"])
    per_day = seconds_of("1d") / seconds_of(run.result["timeframe"])
    return abs(periods - AROUND_THE_CLOCK * per_day) < 0.02 * periods and per_day >= 1.0


def windows_of(run: Run) -> dict[str, Any]:
    """Return known crises within the run's dates, and its worst own drawdowns."""
    ts, curves = curves_of(run)
    start = float(run.request["cash"])
    equity = curves["equity"]
    return {
        "crises": windows.crisis_rows(ts, equity, curves["benchmark"], start),
        "drawdowns": windows.drawdown_rows(ts, equity, start),
    }


def holdings_of(run: Run) -> dict[str, Any]:
    """Return turnover by month, instruments held by bar, and the largest weights there were."""
    ts, curves = store.read_curves(run.pk)
    book = _book(run, ts, curves)
    months, turnover = windows.turnover_by_month(ts, book.traded, book.equity)
    found = {"ts": ts, "months": months, "turnover": turnover}
    if not has_table(run, "positions"):
        return {**found, "held": None, "largest": []}
    changes = table_of(run, "positions")
    return {
        **found,
        "held": windows.holdings_by_bar(ts, changes),
        "largest": windows.largest_holdings(changes),
    }


def holdings_json(run: Run) -> dict[str, Any]:
    """Return turnover by month and the largest weights as JSON."""
    found = holdings_of(run)
    held = found["held"]
    pairs = zip(found["months"], found["turnover"].tolist(), strict=True)
    return {
        "turnover": [
            {"month": month, "turnover": value if np.isfinite(value) else None}
            for month, value in pairs
        ],
        "held_most": None if held is None or not len(held) else int(held.max()),
        "held_mean": None if held is None or not len(held) else float(held.mean()),
        "largest": found["largest"],
    }
