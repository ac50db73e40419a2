"""A sweep gives what single runs give, on any number of threads."""

import numpy as np
import pytest

from apps.backtests.kernel import engine, sweeps
from apps.backtests.kernel.metrics import metrics
from apps.core.errors import Invalid
from apps.strategies.kernel.decisions import decisions_of
from apps.strategies.library.buy_and_hold import BuyAndHold
from apps.strategies.library.sma_crossover import SmaCrossover
from tests.unit.backtests.panels import panel_of

GRID = [{"fast": fast, "slow": slow} for fast in (1, 3, 8, 20) for slow in (9, 21, 60, 400)]
GRID = [params for params in GRID if params["fast"] < params["slow"]]


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(11)
    close = 80 * np.exp(np.cumsum(rng.normal(0, 0.02, 701)))
    open_ = np.r_[80.0, close[:-1]] * np.exp(rng.normal(0, 0.003, 701))
    return panel_of(open_, close)


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"fee_bps": 10.0, "slippage_bps": 3.0, "units": "whole"},
        {"fill": "next_close", "fee_bps": 7.0},
        {"fill": "close"},
    ],
)
def test_sweep_equals_single_runs(panel, terms):
    found = sweeps.sweep(panel, SmaCrossover(), GRID, cash=1e5, with_figures=True, **terms)
    for i, params in enumerate(GRID):
        decided = decisions_of(SmaCrossover(), panel, {**params, "short": False})
        single = engine.run(panel, decided, cash=1e5, **terms)
        assert found.equity_final[i] == single.equity[-1]
        assert found.fills[i] == len(single.fills)
        if len(single.fills):
            figures = metrics(single.returns, periods=252)
            assert found.sharpe[i] == pytest.approx(figures["sharpe"], rel=1e-11)
            assert found.max_drawdown[i] == pytest.approx(figures["max_drawdown"], rel=1e-11)


def test_any_number_of_threads_gives_the_same_bytes(panel):
    answers = [
        sweeps.sweep(panel, SmaCrossover(), GRID, cash=1e5, with_figures=True, threads=threads)
        for threads in (1, 2, 5)
    ]
    for name in ("equity_final", "sharpe", "max_drawdown", "fills"):
        assert len({getattr(answer, name).tobytes() for answer in answers}) == 1


def test_what_has_no_compiled_twin_is_run_one_by_one(panel):
    reversing = [{"fast": 5, "slow": 20, "short": True}]
    for strategy, grid in ((SmaCrossover(), reversing), (BuyAndHold(), [{}])):
        found = sweeps.sweep(panel, strategy, grid, cash=1e5)
        params = grid[0]
        single = engine.run(panel, decisions_of(strategy, panel, params), cash=1e5)
        assert found.equity_final[0] == single.equity[-1]


@pytest.mark.parametrize(
    "params", [{"fast": 0, "slow": 5}, {"fast": 9, "slow": 9}, {"fast": 2.5}, {"fats": 3}]
)
def test_bad_parameters_are_refused_as_in_a_single_run(panel, params):
    with pytest.raises(Invalid):
        sweeps.sweep(panel, SmaCrossover(), [{"fast": 3, "slow": 9}, params], cash=1e5)
