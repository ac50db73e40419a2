"""The machine of the institutional breakout, step by step."""

import json

import numpy as np
import pytest

from apps.core.errors import Invalid
from apps.strategies import selectors
from apps.strategies.kernel import retest_loops
from apps.strategies.kernel.interface import View, check_params
from apps.strategies.kernel.retests import (
    AT_REST,
    HOUR,
    IDLE,
    IN_TRADE,
    WAITING_RETEST,
    Levels,
    step,
)
from tests.unit.strategies.panels import crypto

LEVELS = Levels(
    cross=60.0, near=2.0, away=3.0, lost=10.0, leave=45.0, wait_hours=5.0, hold_hours=9.0
)


def play(path, *, broke=(True, False), passes=(True, True), machine=AT_REST, first=1):
    """Step over hourly RSI values; return the states and the last machine."""
    states = []
    for hour in range(first, len(path)):
        machine = step(
            *machine,
            float(hour * HOUR),
            path[hour],
            path[hour - 1],
            *broke,
            *passes,
            *LEVELS.numbers(),
        )
        states.append(machine[0])
    return states, machine


def test_it_waits_after_a_cross_and_trades_after_the_retest():
    states, machine = play([55.0, 62.0, 66.0, 63.0, 61.0, 70.0])
    assert states == [WAITING_RETEST, WAITING_RETEST, WAITING_RETEST, IN_TRADE, IN_TRADE]
    assert machine == (IN_TRADE, 1, 4.0 * HOUR, 70.0)


def test_the_bearish_side_is_the_mirror_image():
    path = [100.0 - y for y in [55.0, 62.0, 66.0, 63.0, 61.0, 70.0]]
    states, machine = play(path, broke=(False, True))
    assert states[-1] == IN_TRADE
    assert machine[1] == -1


def test_a_cross_without_a_broken_line_is_nothing():
    assert play([55.0, 62.0, 66.0, 61.0], broke=(False, False))[0] == [IDLE] * 3


def test_coming_back_needs_having_gone_away():
    assert play([55.0, 61.0, 62.0, 61.0])[0] == [WAITING_RETEST] * 3


def test_a_retest_holds_within_its_reach_and_is_lost_far_below():
    assert play([55.0, 66.0, 58.0])[0][-1] == IN_TRADE
    assert play([55.0, 66.0, 57.9])[0][-1] == WAITING_RETEST
    assert play([55.0, 66.0, 49.9])[0][-1] == IDLE


def test_a_wait_and_a_trade_have_an_end():
    assert play([55.0, *[66.0] * 7])[0] == [WAITING_RETEST] * 6 + [IDLE]
    states, _ = play([55.0, 66.0, 61.0, *[70.0] * 10])
    assert states[1:] == [IN_TRADE] * 9 + [IDLE] * 2


def test_a_trade_is_left_below_its_level():
    assert play([55.0, 66.0, 61.0, 45.0, 44.9])[0][-2:] == [IN_TRADE, IDLE]


def test_a_gate_passes_a_retest_over():
    states, _ = play([55.0, 66.0, 61.0, 61.5], passes=(False, True))
    assert states == [WAITING_RETEST] * 3


def test_the_machine_goes_on_after_days_in_a_drawer():
    path = [55.0, 66.0, 67.0, 61.0, 70.0]
    _, kept = play(path[:3])
    taken_out = tuple(json.loads(json.dumps(list(kept))))
    assert play(path, machine=taken_out, first=3) == (
        play(path)[0][2:],
        play(path)[1],
    )


def test_the_compiled_walk_equals_the_steps_on_real_bars():
    strategy = selectors.get_strategy("institutional_breakout")
    params = check_params(strategy.spec, {"anchor": 60.0})
    panel = crypto()
    features = strategy.prepare(panel, params)
    names = ("rsi", "before", "long_broke", "short_broke", "long_passes", "short_passes")
    inputs = [np.ascontiguousarray(features[name][:, 0]) for name in names]
    levels = Levels(60.0, 2.0, 3.0, 10.0, 45.0, 72.0, 240.0).numbers()
    compiled = retest_loops.walk_1d(panel.ts, *inputs, levels)
    np.testing.assert_array_equal(compiled[0], features["state"][:, 0])
    machine, states = AT_REST, []
    for i, ts in enumerate(panel.ts.tolist()):
        if np.isfinite(inputs[0][i]):
            flags = [bool(array[i] > 0) for array in inputs[2:]]
            machine = step(*machine, float(ts), inputs[0][i], inputs[1][i], *flags, *levels)
        states.append(machine[0])
    assert states == compiled[0].tolist()
    assert set(states) == {IDLE, WAITING_RETEST, IN_TRADE}


def test_every_instrument_has_a_machine_of_its_own_in_the_memory():
    strategy = selectors.get_strategy("institutional_breakout")
    params = check_params(strategy.spec, {})
    panel = crypto(400)
    features = strategy.prepare(panel, params)
    memory = {}
    for i in range(panel.n_bars):
        view = View(i, int(panel.ts[i]), features, np.zeros(5), np.ones(5, bool), memory)
        strategy.decide(view, params)
    states = [machine[0] for machine in memory["machines"]]
    expected = np.nan_to_num(features["state"][-1]).tolist()
    assert states == expected
    assert json.loads(json.dumps(memory)) == memory


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"leave": 58.0}, "params.leave"),
        ({"lost": 1.0}, "params.lost"),
        ({"anchor": 101.0}, "params.anchor"),
        ({"flattest": 1.5}, "params.flattest"),
        ({"min_inputs": 4}, "params.min_inputs"),
    ],
)
def test_numbers_at_odds_are_refused(given, field):
    strategy = selectors.get_strategy("institutional_breakout")
    with pytest.raises(Invalid) as refusal:
        strategy.warmup(check_params(strategy.spec, given))
    assert (refusal.value.code, refusal.value.details["field"]) == ("params.out_of_range", field)
