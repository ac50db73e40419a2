"""The event gear with a compiled decision: the same bars, questions and fills, without Python."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.backtests.kernel import engine
from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.kernel.limits import WeightLimits
from apps.backtests.kernel.results import Fills, Result
from apps.backtests.kernel.sessions import Decide
from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.compiled import HELD, N_DESK, WANTED, Compiled
from apps.strategies.kernel.interface import Features, Floats, View

ROOM = 1024


def run_compiled(
    panel: Panel,
    features: Features,
    compiled: Compiled,
    *,
    cash: float,
    fill: str = "next_open",
    units: str = "fractional",
    limits: WeightLimits | None = None,
    costs: Costs | None = None,
    execution: Execution | None = None,
    full: bool = False,
) -> Result:
    """Play a compiled decision bar by bar; the result is that of ``engine.run_events``.

    Plain costs are played in one compiled loop. What needs a session (orders of its own, stops,
    accruals, …) and limits go bar by bar through Python, the decision called compiled or not.

    Raises
    ------
    Invalid
        What ``engine.run_events`` refuses; ``compiled.no_feature``.
    """
    costs, execution = costs or Costs(), execution or Execution()
    stacked = compiled.stack(features)
    if full or limits is not None or engine.needs_session(panel, costs, execution):
        return engine.run_events(
            panel,
            features,
            as_decide(compiled, stacked),
            cash=cash,
            fill=fill,
            units=units,
            limits=limits,
            costs=costs,
            execution=execution,
            full=full,
        )
    return _played(panel, stacked, compiled, engine.check_cash(cash), fill, units, costs)


def as_decide(compiled: Compiled, stacked: Floats) -> Decide:
    """Return a compiled decision as one that is asked from Python."""
    desk = np.zeros((N_DESK, stacked.shape[2]))

    def decide(view: View) -> Floats | None:
        desk[HELD], desk[WANTED] = view.weights, np.nan
        return desk[WANTED].copy() if compiled.decide(view.i, stacked, desk) else None

    return decide


def _played(
    panel: Panel,
    stacked: Floats,
    compiled: Compiled,
    cash: float,
    fill: str,
    units: str,
    costs: Costs,
) -> Result:
    from apps.backtests.kernel.loops import deciding

    rule = get_fill_rule(fill)
    n_bars, n_assets = panel.close.shape
    prices, close = (np.ascontiguousarray(getattr(panel, n)) for n in (rule.price, "close"))
    desk = np.zeros((N_DESK, n_assets))
    state = np.zeros((deciding.N_STATE, n_assets))
    desk[WANTED] = state[deciding.MARKS] = state[deciding.WANTED] = np.nan
    account = np.zeros(deciding.N_ACCOUNT)
    account[[deciding.CASH, deciding.EQUITY]] = cash
    terms, curve = engine.terms_of(costs, units, n_assets), np.empty((n_bars, 4))
    key, value = np.empty((ROOM + n_assets, 2), np.int64), np.empty((ROOM + n_assets, 3))
    at, inputs = 0, (compiled.decide, stacked, prices, close, rule.delay, terms)
    while at < n_bars:
        at = deciding.play_decided(at, *inputs, desk, state, account, curve, key, value)
        if account[deciding.FAULT]:
            message = f"The compiled decision wants an infinite weight at bar {at}."
            raise Invalid(message, code="targets.range")
        if at < n_bars:
            key, value = _doubled(key), _doubled(value)
    count = int(account[deciding.FILLS])
    fills = Fills(key[:count].copy(), value[:count].copy())
    return Result(
        cash,
        fill,
        units,
        curve[:, 0].copy(),
        fills,
        panel.close,
        panel.high,
        panel.low,
        known_curve=curve,
    )


def _doubled(table: Any) -> Any:
    return np.concatenate((table, np.empty_like(table)))
