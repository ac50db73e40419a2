"""Both gears and a plain twin give the same fills, cash and equity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.backtests.kernel import engine
from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.limits import WeightLimits, limited
from apps.strategies.library.momentum_12_1 import Momentum121
from apps.strategies.library.sma_crossover import SmaCrossover
from tests.unit.backtests import plain
from tests.unit.backtests.panels import panel_of


@st.composite
def worlds(draw):
    """Random walks with missing bars and sparse decisions."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_bars, n_assets = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.05, (n_bars, n_assets)), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.02, close.shape))
    gone = rng.random(close.shape) < draw(st.sampled_from([0.0, 0.2]))
    close[gone] = open_[gone] = np.nan
    reach = draw(st.sampled_from([0.3, 1.0, 2.0]))
    targets = rng.uniform(draw(st.sampled_from([-1, 0])), 1, close.shape) * reach / n_assets
    targets[rng.random(close.shape) < 0.3] = np.nan
    targets[rng.random(n_bars) < 0.5] = np.nan
    terms = {
        "cash": draw(st.sampled_from([1_000.0, 1e6])),
        "fee_bps": draw(st.sampled_from([0.0, 10.0, 250.0])),
        "slippage_bps": draw(st.sampled_from([0.0, 5.0])),
        "fill": draw(st.sampled_from(["next_open", "next_close", "close"])),
        "units": draw(st.sampled_from(["fractional", "whole"])),
        "limits": draw(st.sampled_from([None, WeightLimits(0.3, 0.8)])),
    }
    return panel_of(open_, close), targets, terms


def decide_from(targets):
    return lambda view: None if np.isnan(targets[view.i]).all() else targets[view.i]


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_event_gear_equals_array_gear_to_the_bit(world):
    panel, targets, terms = world
    one = engine.run(panel, targets, **terms)
    two = engine.run_events(panel, {}, decide_from(targets), **terms)
    np.testing.assert_array_equal(one.curve, two.curve)
    for name in ("bar", "asset", "quantity", "price", "fee"):
        np.testing.assert_array_equal(getattr(one.fills, name), getattr(two.fills, name))
    assert one.digest == two.digest


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_plain_twin_agrees(world):
    panel, targets, terms = world
    found = engine.run(panel, targets, **terms)
    prices = panel.open if terms["fill"] == "next_open" else panel.close
    equity, cash, fills = plain.play(
        prices,
        panel.close,
        limited(targets, terms["limits"]),
        delay=0 if terms["fill"] == "close" else 1,
        cash=terms["cash"],
        fee=terms["fee_bps"] / 1e4,
        slippage=terms["slippage_bps"] / 1e4,
        whole=terms["units"] == "whole",
    )
    np.testing.assert_allclose(found.equity, equity, rtol=1e-9)
    np.testing.assert_allclose(found.cash, cash, rtol=1e-9, atol=1e-6)
    # Cash left by rounding may still buy a speck; its size is rounding too.
    mine = zip(found.fills.bar, found.fills.asset, found.fills.quantity, strict=True)
    mine = [fill for fill in mine if abs(fill[2]) > 1e-9]
    theirs = [fill for fill in fills if abs(fill[2]) > 1e-9]
    assert [fill[:2] for fill in mine] == [fill[:2] for fill in theirs]
    np.testing.assert_allclose([f[2] for f in mine], [f[2] for f in theirs], rtol=1e-6)


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_money_adds_up(world):
    panel, targets, terms = world
    found = engine.run(panel, targets, **terms)
    earned = found.equity[-1] - terms["cash"]
    assert found.trades.pnl.sum() == pytest.approx(earned, rel=1e-7, abs=1e-5)
    spent = (found.fills.quantity * found.fills.price + found.fills.fee).sum()
    assert found.cash[-1] == pytest.approx(terms["cash"] - spent, rel=1e-9, abs=1e-6)
    held = np.where(found.positions[-1] == 0, 0, found.positions[-1] * found.last_close)
    assert found.equity[-1] == pytest.approx(found.cash[-1] + held.sum(), rel=1e-9)


def test_compiled_step_equals_its_python_source():
    from apps.backtests.kernel import loops

    rng = np.random.default_rng(3)
    for _ in range(50):
        prices, marks = rng.uniform(5, 9, (2, 4))
        prices[rng.random(4) < 0.2] = np.nan
        wanted, held = rng.uniform(-0.4, 0.4, 4), rng.uniform(-9, 9, 4)
        answers, ones = [], np.ones(4)
        terms = np.zeros((7, 4))
        terms[0], terms[2] = 0.001, 0.0005
        for step in (loops.trade_1d, loops.trade_1d.py_func):
            state = [wanted.copy(), held.copy(), *np.zeros((3, 4))]
            cash = step(
                prices,
                ones,
                ones,
                marks,
                state[0],
                state[1],
                1e3,
                terms,
                0.0,
                *state[2:],
            )
            answers.append(np.concatenate([[cash], *state]))
        np.testing.assert_allclose(answers[0], answers[1], rtol=1e-14)


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_loop_for_one_asset_equals_the_loop_for_many_to_the_bit(world):
    from apps.backtests.kernel import loops

    panel, targets, terms = world
    one = panel_of(panel.open[:, :1], panel.close[:, :1])
    found = engine.run(one, targets[:, :1], **terms)
    decided, cells = engine.check_decisions(one, limited(targets[:, :1], terms["limits"]))
    equity, key = np.empty(one.n_bars), np.empty((cells + 2, 2), np.int64)
    value, costs = np.empty((cells + 2, 3)), Costs(terms["fee_bps"], terms["slippage_bps"])
    count = loops.play_2d(
        one.open if terms["fill"] == "next_open" else one.close,
        one.close,
        decided.bars,
        decided.weights,
        0 if terms["fill"] == "close" else 1,
        terms["cash"],
        engine.terms_of(costs, terms["units"], 1),
        equity,
        key,
        value,
    )
    assert found.equity.tobytes() == equity.tobytes()
    assert found.fills.key.tobytes() == key[:count].tobytes()
    assert found.fills.value.tobytes() == value[:count].tobytes()


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_curve_replayed_from_fills_equals_the_one_written_bar_by_bar(world):
    panel, targets, terms = world
    found = engine.run(panel, targets, **terms)
    assert found.curve[:, 0].tobytes() == found.equity.tobytes()
    assert (found.excursions >= 0.0).all()


def test_sparse_decisions_are_the_rows_of_the_matrix():
    rng = np.random.default_rng(4)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (900, 1)), axis=0))
    panel = panel_of(close)
    for short in (False, True):
        params = {"fast": 7, "slow": 23, "short": short}
        sparse = SmaCrossover().decisions(panel, params)
        np.testing.assert_array_equal(sparse.targets(900), SmaCrossover().targets(panel, params))
    many = panel_of(50 * np.exp(np.cumsum(rng.normal(0, 0.02, (900, 8)), axis=0)))
    params = {"top": 3, "rebalance": "monthly", "lookback": 252, "skip": 21}
    sparse = Momentum121().decisions(many, params)
    np.testing.assert_array_equal(sparse.targets(900), Momentum121().targets(many, params))
    one, two = (
        engine.run(many, decided, cash=1e5, fee_bps=10)
        for decided in (sparse, sparse.targets(900))
    )
    assert one.digest == two.digest
