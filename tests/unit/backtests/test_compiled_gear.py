"""A compiled decision gives what the Python one gives, to the bit, on the terms of either."""

import numpy as np
import pytest

from apps.backtests.kernel import engine
from apps.backtests.kernel.compiled_gear import run_compiled
from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.limits import WeightLimits
from apps.core.errors import Invalid
from apps.strategies.kernel.compiled import HELD, MEMORY, WANTED, Compiled, compiled_of
from apps.strategies.kernel.deciding_loops import decision
from apps.strategies.library.donchian_breakout import DonchianBreakout
from apps.strategies.library.sma_crossover import SmaCrossover
from tests.unit.strategies.panels import sp500

TERMS = {
    "plain": {},
    "whole units, costs": {"units": "whole", "costs": Costs(10.0, 5.0)},
    "next close": {"fill": "next_close"},
    "the deciding close": {"fill": "close"},
    "limits": {"limits": WeightLimits(max_position_share=0.2)},
    "a session": {"costs": Costs(10.0, borrow_bps=50.0), "execution": Execution(stop_loss=0.05)},
}


@pytest.fixture(scope="module")
def bars():
    return sp500()


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS.keys())
@pytest.mark.parametrize(
    "strategy", [SmaCrossover(), DonchianBreakout()], ids=lambda s: s.spec.name
)
def test_compiled_gear_equals_the_python_one(bars, strategy, terms):
    params = {parameter.name: parameter.default for parameter in strategy.spec.parameters}
    features = strategy.prepare(bars, params)
    compiled = compiled_of(strategy, params)
    mine = run_compiled(bars, features, compiled, cash=1e6, **terms)
    theirs = engine.run_events(
        bars, features, lambda view: strategy.decide(view, params), cash=1e6, **terms
    )
    assert len(theirs.fills) > 50
    assert mine.digest == theirs.digest


@decision
def _half_when_flat(i, features, desk):
    """Put half of the equity in each instrument that is not held, and count the bars."""
    wrote = False
    for a in range(desk.shape[1]):
        desk[MEMORY + 1, a] += 1.0
        if desk[HELD, a] == 0.0 and desk[MEMORY + 1, a] > 3.0:
            desk[WANTED, a] = features[1, i, a] / desk.shape[1]
            wrote = True
    return wrote


def test_a_decision_sees_what_is_held_its_memory_and_features_by_place(bars):
    close = bars.close
    features = {"other": close, "share": np.full_like(close, 0.5)}
    compiled = Compiled(("other", "share"), _half_when_flat)
    result = run_compiled(bars, features, compiled, cash=1e6)
    # Decided at the fourth close, filled at the fifth open or the first there is, and then held.
    assert result.fills.bar.min() == 4
    assert len(result.fills) == len(np.unique(result.fills.asset)) == bars.n_assets
    assert 0.4 < result.exposure[4] < 0.52


@decision
def _without_bound(i, features, desk):
    desk[WANTED, 0] = np.inf
    return True


def test_an_infinite_weight_and_a_missing_feature_are_refused(bars):
    with pytest.raises(Invalid, match="infinite weight at bar 0"):
        run_compiled(bars, {"x": bars.close}, Compiled(("x",), _without_bound), cash=1e6)
    with pytest.raises(Invalid, match="no feature 'y'"):
        run_compiled(bars, {"x": bars.close}, Compiled(("y",), _without_bound), cash=1e6)
