"""The full loop: gears alike, equal to the plain loop where that serves, never ahead of time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.backtests.kernel import engine
from apps.backtests.kernel.costs import Costs, FeeTier
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.limits import WeightLimits
from apps.strategies.kernel.orders import KINDS, Intents, Order
from tests.unit.backtests.panels import panel_of
from tests.unit.backtests.test_gears import worlds

EVERYTHING = Costs(
    fee_bps=8,
    maker_bps=1,
    slippage_bps=2,
    per_unit=0.01,
    spread_bps=4,
    impact_bps=50,
    borrow_bps=300,
    interest_bps=500,
    schedule=(FeeTier("1970-01-15", 5.0, 0.5),),
)
STRICT = Execution(
    participation=0.2,
    leverage=1.5,
    maintenance=0.4,
    stop_loss=0.08,
    take_profit=0.15,
    trailing_stop=0.1,
    lot=0.5,
    tick=0.01,
)


def same(one, two):
    """All that came out is the same to the bit."""
    assert one.digest == two.digest
    for name in ("equity", "curve", "positions"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()


@given(worlds().filter(lambda world: world[2]["fill"] != "close"))
@settings(max_examples=60, deadline=None)
def test_full_loop_equals_the_plain_one_to_the_bit(world):
    panel, targets, terms = world
    plain, full = (
        engine.run(panel, targets, **terms),
        engine.run(panel, targets, full=True, **terms),
    )
    np.testing.assert_array_equal(plain.curve, full.curve)
    np.testing.assert_array_equal(plain.positions, full.positions)
    np.testing.assert_array_equal(plain.fills.key, full.fills.key[:, :2])
    np.testing.assert_array_equal(plain.fills.value, full.fills.value[:, :3])
    np.testing.assert_array_equal(plain.trades.value, full.trades.value)
    np.testing.assert_array_equal(plain.excursions, full.excursions)


@st.composite
def busy_worlds(draw):
    """Random walks with everything on: targets, orders of every kind, gaps, accruals."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_bars, n_assets = draw(st.integers(2, 60)), draw(st.integers(1, 3))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.04, (n_bars, n_assets)), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.02, close.shape))
    gone = rng.random(close.shape) < 0.05
    close[gone] = open_[gone] = np.nan
    wide = np.exp(np.abs(rng.normal(0, 0.02, (2, *close.shape))))
    extras = {"fx": 1.1 * np.exp(np.cumsum(rng.normal(0, 0.01, close.shape), axis=0))}
    extras["dividend"] = np.where(rng.random(close.shape) < 0.05, 0.3, np.nan)
    extras["split"] = np.where(rng.random(close.shape) < 0.03, 2.0, np.nan)
    extras["funding"] = rng.normal(0, 1e-4, close.shape)
    panel = replace(
        panel_of(open_, close),
        high=np.fmax(open_, close) * wide[0],
        low=np.fmin(open_, close) / wide[1],
        volume=rng.integers(0, 200, close.shape).astype(float),
        extras=extras,
    )
    targets = rng.uniform(-1, 1, close.shape)
    targets[rng.random(close.shape) < 0.5] = np.nan
    targets[rng.random(n_bars) < 0.8] = np.nan
    orders = [
        (bar, order_of(rng, n_assets))
        for bar in range(n_bars)
        for _ in range(rng.integers(0, 3) if rng.random() < 0.4 else 0)
    ]
    terms = {
        "cash": 10_000.0,
        "fill": draw(st.sampled_from(["next_open", "next_close"])),
        "costs": draw(st.sampled_from([EVERYTHING, replace(EVERYTHING, funding=True)])),
        "execution": draw(st.sampled_from([STRICT, Execution(), Execution(leverage=2.0)])),
        "limits": draw(st.sampled_from([None, WeightLimits(0.3, 0.8)])),
    }
    return panel, targets, orders, terms


def order_of(rng, n_assets):
    price = float(50 * np.exp(rng.normal(0, 0.1)))
    kind = str(rng.choice(KINDS))
    has_bracket = rng.random() < 0.5
    return Order(
        int(rng.integers(n_assets)),
        float(rng.integers(1, 60) * rng.choice([-1, 1])),
        kind,
        price=price if kind in {"limit", "stop", "stop_limit"} else np.nan,
        limit=price * float(rng.choice([0.97, 1.0, 1.03])) if kind == "stop_limit" else np.nan,
        trail=0.05 if kind == "trailing" else np.nan,
        bars=int(rng.integers(0, 6)),
        reduce_only=bool(rng.random() < 0.2),
        stop_loss=price * 0.9 if has_bracket else np.nan,
        take_profit=price * 1.1 if has_bracket else np.nan,
    )


def decide_with(targets, orders):
    def decide(view):
        made = tuple(order for bar, order in orders if bar == view.i)
        return Intents(weights=targets[view.i], orders=made)

    return decide


@given(busy_worlds())
@settings(max_examples=40, deadline=None)
def test_both_gears_agree_with_everything_on(world):
    panel, targets, orders, terms = world
    one = engine.run(panel, targets, orders=orders, full=True, **terms)
    two = engine.run_events(panel, {}, decide_with(targets, orders), full=True, **terms)
    same(one, two)


@given(busy_worlds())
@settings(max_examples=30, deadline=None)
def test_money_adds_up_with_everything_on(world):
    panel, targets, orders, terms = world
    found = engine.run(panel, targets, orders=orders, full=True, **terms)
    fills, flows = found.fills, found.played.flows
    spent = (fills.quantity * fills.price * fills.fx + fills.fee).sum()
    moved = flows[(flows[:, 2] != 1) & (flows[:, 2] != 6), 3].sum()
    assert found.cash[-1] == pytest.approx(10_000 - spent + moved, rel=1e-9, abs=1e-6)
    rows = found.played.orders
    assert (np.abs(rows[:, 12]) <= np.abs(rows[:, 2]) * (1 + 1e-9)).all()
    by_order = pd.Series(fills.quantity).groupby(fills.order).sum()
    if not (panel.extras["split"] > 0).any():
        for number, filled in by_order[by_order.index > 0].items():
            assert rows[number - 1, 12] == pytest.approx(filled)


@given(busy_worlds(), st.integers(1, 59))
@settings(max_examples=30, deadline=None)
def test_nothing_depends_on_bars_to_come(world, cut):
    panel, targets, orders, terms = world
    cut = min(cut, panel.n_bars - 1)
    whole = engine.run(panel, targets, orders=orders, full=True, **terms)
    early = [pair for pair in orders if pair[0] < cut]
    part = engine.run(panel.rows(0, cut), targets[:cut], orders=early, full=True, **terms)
    assert part.curve.tobytes() == whole.curve[:cut].tobytes()
    until = whole.fills.bar < cut
    np.testing.assert_array_equal(part.fills.key, whole.fills.key[until])
    np.testing.assert_array_equal(part.fills.value, whole.fills.value[until])
