"""Reads before a run: assets, bars, benchmark; and a run that is stored nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apps.backtests.kernel.files import measure_file as measure_file
from apps.backtests.kernel.laid import lay_orders, lay_weights, lots_of
from apps.backtests.kernel.panels import on_times
from apps.backtests.kernel.reports import Benchmark, compute, summary
from apps.backtests.kernel.requests import Request, read_request
from apps.backtests.kernel.simulations import simulate_file
from apps.backtests.models import Run
from apps.backtests.selectors.exports import given_csv
from apps.backtests.selectors.runs import get_run
from apps.core.errors import Invalid
from apps.market import selectors as market
from apps.market.kernel.bars import Panel
from apps.market.selectors.locations import check_symbols
from apps.strategies.kernel.interface import check_params, inputs_of
from apps.strategies.selectors import VersionView, get_strategy, get_version
from apps.strategies.selectors.own import Runnable, get_runnable

SPY_DATASET = "long-history"
MOST_ROWS_SHOWN = 2000


def check_assets(asked: Request, team_id: int) -> None:
    """Raise ``NotFound`` for an unknown universe or symbol, before anything is stored."""
    if asked.universe:
        market.get_universe(team_id=team_id, name=asked.universe, as_of=asked.as_of)
    check_symbols(team_id=team_id, symbols=asked.instruments)


def check_given(asked: Request, team_id: int) -> None:
    """Refuse rows that name no bar of the run. Raises ``Invalid`` with every bad row.

    The same is checked when the run is computed; here it costs a read that is kept for then.
    """
    given = asked.given
    if not given:
        return
    panel = panel_of(asked, team_id)
    lay_orders(given.orders, panel, lots_of(panel, asked.execution, asked.units))
    if given.targets or given.signals:
        lay_weights(given, panel)


def title_of(asked: Request, strategy_title: str) -> str:
    """Return the title of a run that was given none."""
    assets = asked.universe or ", ".join(asked.instruments[:3])
    more = len(asked.instruments) - 3
    rest = f" and {more} more" if more > 0 else ""
    return f"{strategy_title} on {assets}{rest}"[:200]


def panel_of(asked: Request, team_id: int | None, inputs: Sequence[str] = ()) -> Panel:
    """Return the bars a request is about."""
    return market.read_panel(
        team_id=team_id,
        timeframe=asked.timeframe,
        start=asked.start,
        end=asked.end,
        universe=asked.universe or None,
        instruments=asked.instruments or None,
        price_mode=asked.price_mode,
        inputs=(*inputs, *asked.inputs()),
        as_of=asked.as_of,
        cached=True,
        currency=asked.currency,
    )


def benchmark_of(asked: Request, team_id: int | None, panel: Panel) -> Benchmark | None:
    """Return SPY on the panel's times when asked for, else None: the report makes its own."""
    if asked.benchmark != "SPY":
        return None
    spy = market.read_panel(
        team_id=team_id,
        timeframe="1d",
        instruments=["SPY"],
        dataset=SPY_DATASET,
        price_mode="total_return",
        as_of=asked.as_of,
        cached=True,
    )
    value = on_times(panel.ts, spy.ts, spy.close[:, 0])
    if not np.isfinite(value).any():
        message = "SPY has no closes on these dates; choose the benchmark equal_weight or none."
        raise Invalid(message, code="benchmark.no_bars", details={"field": "benchmark"})
    first = value[np.isfinite(value)][0]
    return Benchmark("SPY with dividends, from the long history", value / first)


def simulate(
    body: Mapping[str, Any], *, content: bytes = b"", name: str = "", team_id: int | None = None
) -> dict[str, Any]:
    """Return the result of a request computed here and now, stored nowhere.

    Parameters
    ----------
    content, name
        A tidy panel file in place of a universe; then the database is not asked.
    """
    if name:
        return simulate_file(body, content, name, get_strategy)
    asked = read_request(body)
    strategy = get_strategy(asked.strategy)
    params = check_params(strategy.spec, asked.params)
    strategy.warmup(params)
    panel = panel_of(asked, team_id, inputs_of(strategy, params))
    benchmark = benchmark_of(asked, team_id, panel)
    report = compute(panel, strategy, params, asked, benchmark=benchmark)
    return summary(report, asked, params)


def request_to_begin(*, team_id: int, strategy: str = "", run_id: str = "") -> dict[str, Any]:
    """Return a request that a new run may begin from: a run's, a version's, or a strategy's.

    ``own`` is the version to run (``strategies.selectors.Runnable``) when it is the team's own;
    ``refused`` is why the run to begin from stopped.
    """
    if run_id:
        run = get_run(run_id, team_id)
        version = get_version(run.version_id, team_id)
        begun = {**run.request, "params": run.params, "strategy": strategy_of(version)}
        refused = run.job.error if run.job and not run.is_done else None
        return {
            **begun,
            "rows": rows_to_begin(run),
            "own": own_of(version),
            "refused": refused or None,
        }
    if strategy.isdecimal():
        version = get_version(strategy, team_id)
        begun = {"strategy": strategy_of(version), "params": version.params}
        return {**begun, "own": own_of(version)}
    return {"strategy": strategy, "own": None}


def own_of(version: VersionView) -> Runnable | None:
    """Return a version of the team's own strategy to run; None for a member of the library."""
    if strategy_of(version) == version.name:
        return None
    return get_runnable(version.id, version.team_id)


def rows_to_begin(run: Run) -> dict[str, dict[str, str]]:
    """Return the rows that came with a run as CSV text by kind; of very many only how many."""
    return {
        name: _rows_of(run, name, told["rows"])
        for name, told in run.request.get("given", {}).items()
    }


def _rows_of(run: Run, name: str, count: int) -> dict[str, str]:
    if count > MOST_ROWS_SHOWN:
        note = f"The run had {count} rows of {name}; choose their file again."
        return {"text": "", "note": note}
    content = given_csv(run, f"given_{name}")
    return {"text": content.decode(), "note": ""}


def strategy_of(version: VersionView) -> str:
    """Return how a request names a version: the library's name, or the version's id."""
    return version.strategy if version.strategy == version.name else str(version.id)
