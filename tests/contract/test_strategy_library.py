"""Every member of the library keeps the interface's promises, on real bars."""

import json
from dataclasses import replace

import numpy as np
import pytest
from django.conf import settings

from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.kernel.sessions import Session
from apps.core.errors import Invalid, NotFound
from apps.strategies import selectors
from apps.strategies.kernel.decisions import places_orders
from apps.strategies.kernel.interface import View, check_params
from apps.strategies.kernel.orders import as_intents
from apps.strategies.kernel.windows import last_seen
from apps.strategies.library.template import Template
from apps.trading.kernel.sleeves import plain_memory
from tests.unit.strategies.panels import crypto, sp500

NAMES = list(settings.STRATEGY_LIBRARY)
PANELS = {"daily equities": sp500, "hourly perpetuals": crypto}
VARIANTS = {
    "buy_and_hold": [{}],
    "sma_crossover": [{}, {"short": True}, {"fast": 3, "slow": 200}],
    "momentum_12_1": [{"top": 5}, {"top": 3, "rebalance": "weekly", "lookback": 60, "skip": 5}],
    "expression": [
        {},
        {"expression": "-delta(close, 5)", "long_short": True, "rebalance_days": 1},
        {"expression": "rank(volume) * sign(returns)", "share": 0.5},
    ],
    "legacy_trend": [{}, {"fast": 20, "slow": 80, "slack": 0.2, "most_bars": 30}],
    "geometric_breakout": [
        {},
        {"threshold": 30.0, "short": False, "window": 200},
        {"protect": True, "take_profit": 3.0},
    ],
    "institutional_breakout": [{}, {"anchor": 60.0, "short": False, "near": 4.0}],
    "time_series_momentum": [{}, {"lookback": 60, "rebalance": "weekly", "short": False}],
    "mean_reversion": [{}, {"short": True, "low": 20.0}],
    "bollinger_breakout": [{}, {"short": True, "narrow": 60}],
    "donchian_breakout": [{}, {"entry": 55, "exit": 20, "short": False}, {"protect": True}],
    "pairs": [{}, {"formation": 60, "trading": 30, "pairs": 2}],
    "swing": [{}, {"short": False, "strength": 20.0}],
    "scalping": [{}, {"short": False, "target": 2.0}],
    "given": [],  # decides nothing: what is played comes with the request
    "template": [{}],
}
CASES = [(name, params) for name in [*NAMES, "template"] for params in VARIANTS[name]]


def member(name):
    return Template() if name == "template" else selectors.get_strategy(name)


def step(strategy, panel, params, *, restart=False):
    """Return what ``decide`` says at each close, as the event gear asks it.

    With ``restart`` the memory is put away as JSON between bars, as a deployment's is.
    """
    features = strategy.prepare(panel, params)
    memory, out = {}, np.full(panel.close.shape, np.nan)
    for i in range(panel.n_bars):
        tradable = np.isfinite(panel.close[i])
        held = np.zeros(panel.n_assets)
        view = View(i, int(panel.ts[i]), features, held, tradable, memory)
        weights = as_intents(strategy.decide(view, params)).weights
        if weights is not None:
            out[i] = weights
        if restart:
            memory = json.loads(json.dumps(plain_memory(memory), allow_nan=False))
    return out


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request):
    name, given = request.param
    strategy = member(name)
    return strategy, check_params(strategy.spec, given)


@pytest.fixture(params=PANELS)
def panel(request):
    return PANELS[request.param]()


def test_decide_and_targets_are_twins(case, panel):
    strategy, params = case
    np.testing.assert_array_equal(strategy.targets(panel, params), step(strategy, panel, params))


def test_orders_decided_bar_by_bar_are_those_of_the_array_twin(case, panel):
    strategy, params = case
    if not places_orders(strategy, params):
        assert not getattr(strategy, "orders", None) or not strategy.places_orders(params)
        return
    session = Session(
        panel,
        cash=1e5,
        costs=Costs(),
        execution=Execution(),
        rule=get_fill_rule("next_open"),
        units="fractional",
    )
    features, memory, made, until = strategy.prepare(panel, params), {}, [], {}
    for i in range(panel.n_bars):
        session.advance()
        intents = as_intents(strategy.decide(session.view(features, memory), params))
        until |= dict.fromkeys(intents.cancel, i)
        numbers = session.follow(intents)
        made += [(i, number, order) for number, order in zip(numbers, intents.orders, strict=True)]
    twin = list(strategy.orders(panel, params))
    assert len(twin) == len(made)
    assert made or not np.nan_to_num(features["position"]).any()
    for (bar, number, order), (at, other) in zip(made, twin, strict=True):
        assert (bar, replace(order, bars=0)) == (at, replace(other, bars=0))
        assert until.get(number, at + other.bars) == at + other.bars


@pytest.mark.parametrize("keep", [0.31, 0.5, 0.77])
def test_targets_do_not_look_ahead(case, panel, keep):
    strategy, params = case
    rows = int(panel.n_bars * keep)
    short = strategy.targets(panel.rows(0, rows), params)
    np.testing.assert_array_equal(strategy.targets(panel, params)[:rows], short)


def test_features_do_not_look_ahead(case, panel):
    strategy, params = case
    rows = int(panel.n_bars * 0.61)
    whole, short = strategy.prepare(panel, params), strategy.prepare(panel.rows(0, rows), params)
    for name, values in short.items():
        np.testing.assert_array_equal(whole[name][:rows], values, err_msg=name)


def test_a_memory_put_away_as_json_and_taken_out_goes_on_as_before(case):
    strategy, params = case
    panel = crypto(700) if strategy.warmup(params) < 500 else sp500()
    np.testing.assert_array_equal(
        step(strategy, panel, params, restart=True), step(strategy, panel, params)
    )


def test_the_first_decision_respects_the_warmup(case, panel):
    strategy, params = case
    decided = np.isfinite(strategy.targets(panel, params)).any(axis=1)
    assert decided.any()
    assert int(np.argmax(decided)) >= strategy.warmup(params) - 1


def test_the_weights_wanted_never_exceed_the_equity(case, panel):
    strategy, params = case
    wanted = np.nan_to_num(last_seen(strategy.targets(panel, params)))
    assert not np.isinf(wanted).any()
    assert np.abs(wanted).sum(axis=1).max() <= 1 + 1e-12


def test_features_have_the_shape_of_the_panel(case, panel):
    strategy, params = case
    features = strategy.prepare(panel, params)
    assert {array.shape for array in features.values()} == {panel.close.shape}


@pytest.mark.parametrize("name", NAMES)
def test_a_member_says_what_it_is_and_where_it_comes_from(name):
    spec = selectors.get_strategy(name).spec
    assert spec.name == name
    assert all((spec.title, spec.about, spec.source))
    assert all(parameter.about for parameter in spec.parameters)
    check_params(spec, {})


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_parameter_is_refused(name):
    with pytest.raises(Invalid) as refusal:
        check_params(selectors.get_strategy(name).spec, {"luck": 7})
    assert refusal.value.code == "params.unknown"


def test_an_unknown_strategy_names_those_there_are():
    with pytest.raises(NotFound, match="sma_crossover"):
        selectors.get_strategy("martingale")
