"""The rules of the classics, one by one, on numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from apps.core.errors import Invalid
from apps.strategies import selectors
from apps.strategies.kernel import position_loops
from apps.strategies.kernel.interface import check_bars, check_panel, check_params
from apps.strategies.kernel.pairs import closest, open_sides, pair_weights
from apps.strategies.kernel.positions import hold, hold_with_stops
from apps.strategies.kernel.volatility import ewm_volatility
from apps.strategies.library.bollinger_breakout import was_narrow
from apps.strategies.library.scalping import turns_up
from apps.strategies.library.swing import beyond, resumes
from tests.unit.strategies.panels import crypto, sp500

NAN = np.nan


def flags(text):
    return np.array([letter == "x" for letter in text])


def test_a_position_lasts_from_entry_to_exit():
    enter = np.array([0.0, 1, 0, 0, 0, -1, 0, 0])
    held = hold(enter, flags("...x...."), flags(".......x"))
    assert held.tolist() == [0, 1, 1, 0, 0, -1, -1, 0]


def test_the_other_side_turns_a_position_round_and_an_exit_beats_its_own_side():
    assert hold(np.array([1.0, -1, 0]), flags("..."), flags("...")).tolist() == [1, -1, -1]
    assert hold(np.array([1.0, 1, 0]), flags(".x."), flags("...")).tolist() == [1, 0, 0]


def test_stop_target_and_time_end_a_position():
    close = np.array([10.0, 9.5, 8.9, 10, 12.1, 12, 12, 12])
    enter = np.array([1.0, 0, 0, 1, 0, 1, 0, 0])
    none = flags("........")
    held = hold_with_stops(
        close, enter, none, none, stop=close - 1.0, target=close + 2.0, most_bars=2
    )
    assert held.tolist() == [1, 1, 0, 1, 0, 1, 1, 0]


def test_the_loop_of_positions_equals_its_plain_twin():
    rng = np.random.default_rng(3)
    close = crypto(500).close[:, 0]
    enter = rng.choice([-1.0, 0, 0, 0, 1], 500)
    out = rng.random((2, 500)) > 0.9
    words = (close, enter, out[0], out[1], close - 50 * enter, close + 90 * enter, 7)
    np.testing.assert_array_equal(
        position_loops.hold_1d(*words), position_loops.hold_1d.py_func(*words)
    )


def test_volatility_weighs_returns_as_the_paper_says():
    close = np.array([100.0, 101, 99, 102])
    r = close[1:] / close[:-1] - 1
    w = (60 / 61) ** np.array([2, 1, 0])
    mean = (w * r).sum() / w.sum()
    expected = np.sqrt((w * (r - mean) ** 2).sum() / w.sum() * 252)
    assert ewm_volatility(close, 60.0, 252.0)[-1] == pytest.approx(expected, rel=1e-12)


def test_momentum_is_long_what_rose_and_short_what_fell():
    panel = sp500(8)
    strategy = selectors.get_strategy("time_series_momentum")
    params = check_params(strategy.spec, {"max_leverage": 1.0, "vol_target": 5.0})
    targets = strategy.targets(panel, params)
    row = int(np.argmax(np.isfinite(targets).any(axis=1)))
    rose = panel.close[row] / panel.close[row - 252] - 1
    np.testing.assert_array_equal(targets[row], np.sign(rose) / panel.n_assets)


def test_narrow_bands_are_remembered_for_some_bars():
    width = np.array([5.0, 4, 3, 3.5, 4, 4.5, 5])
    assert was_narrow(width, 3, 2).tolist() == [False, False, True, True, False, False, False]
    assert was_narrow(width, 0, 2).all()


def test_a_stochastic_turns_up_out_of_an_extreme_only():
    k = np.array([10.0, 16, 50, 60])
    d = np.array([12.0, 15, 55, 58])
    assert turns_up(k, d, 20.0).tolist() == [False, True, False, False]


def test_a_trend_resumes_above_the_high_of_the_bar_that_touched_the_average():
    high = np.array([12.0, 11, 11.5])
    low = np.array([11.0, 9.9, 10.5])
    close = np.array([11.5, 10.2, 11.2])
    average = np.array([10.0, 10.0, 10.1])
    assert resumes(high, low, close, average).tolist() == [False, False, True]
    assert resumes(high, low + 0.2, close, average).tolist() == [False, False, False]


def test_a_target_that_was_passed_is_none():
    goal = beyond(np.array([10.0, 10]), np.array([1.0, 1]), np.array([11.0, 9]), np.zeros(2))
    np.testing.assert_array_equal(goal, [11.0, NAN])


def test_pairs_are_those_with_the_least_squared_distance():
    days = np.arange(20.0)
    wave = np.sin(days)
    window = np.column_stack(
        (100 + days, 50 + days / 2 + 0.1 * wave, 200 - days, 10 + 0.1 * days + 0.05 * wave)
    )
    pairs = closest(window, 6)
    prices = window / window[0]
    distance = {
        (a, b): ((prices[:, a] - prices[:, b]) ** 2).sum()
        for a in range(4)
        for b in range(a + 1, 4)
    }
    assert [(a, b) for a, b, _ in pairs] == sorted(distance, key=distance.get)
    assert pairs[0][2] == pytest.approx((prices[:, 0] - prices[:, 1]).std(ddof=1))
    window[3, 1] = NAN
    assert all(1 not in pair[:2] for pair in closest(window, 6))


def test_a_pair_opens_when_it_is_apart_and_closes_when_it_meets():
    gap = np.array([0.5, 2.1, 1.0, NAN, 0.0, -2.5, -0.1, 0.1, 2.2])
    assert open_sides(gap, 2.0).tolist() == [0, -1, -1, -1, 0, 1, 1, 0, -1]


def test_pairs_are_closed_at_the_end_of_their_period():
    weights = pair_weights(sp500(10).close, formation=100, trading=50, count=3, open_at=0.5)
    assert (weights[149] == 0).all()
    assert np.abs(weights).sum(axis=1).max() > 0.5
    assert np.abs(weights.sum(axis=1)).max() < 1e-12


def test_donchian_equals_a_plain_reading():
    panel = crypto(900)
    strategy = selectors.get_strategy("donchian_breakout")
    params = check_params(strategy.spec, {"short": False, "stop": 0.0})
    found = strategy.prepare(panel, params)["position"][:, 0]
    high, low = pd.Series(panel.high[:, 0]), pd.Series(panel.low[:, 0])
    upper = high.rolling(20).max().shift(1).to_numpy()
    lower = low.rolling(10).min().shift(1).to_numpy()
    held, plain = 0.0, []
    for i, close in enumerate(panel.close[:, 0]):
        if held and close < lower[i]:
            held = 0.0
        elif i >= 20 and close > upper[i]:
            held = 1.0
        plain.append(held)
    assert found.tolist() == plain
    assert 0.1 < np.mean(plain) < 0.9


def refusal(function, *words):
    with pytest.raises(Invalid) as caught:
        function(*words)
    return caught.value


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("scalping", {"fast": 21, "slow": 21}, "params.fast"),
        ("mean_reversion", {"low": 51.0}, "params.low"),
        ("pairs", {"pairs": 0}, "params.pairs"),
        ("time_series_momentum", {"lookback": 20}, "params.vol_mass"),
        ("donchian_breakout", {"stop": float("inf")}, "params.stop"),
    ],
)
def test_parameters_out_of_range_or_at_odds_are_refused(name, given, field):
    strategy = selectors.get_strategy(name)
    error = refusal(lambda: strategy.warmup(check_params(strategy.spec, given)))
    assert error.code == "params.out_of_range"
    assert error.details["field"] == field


def test_a_history_no_longer_than_the_warmup_is_refused():
    spec = selectors.get_strategy("mean_reversion").spec
    error = refusal(check_panel, spec, 200, crypto(200))
    assert (error.code, "200" in error.message) == ("panel.too_short", True)
    check_panel(spec, 200, crypto(201))


def test_a_missing_input_is_refused_with_its_name():
    spec = replace(selectors.get_strategy("swing").spec, inputs=("close", "funding"))
    error = refusal(check_panel, spec, 10, crypto(100))
    assert (error.code, error.details["field"]) == ("inputs.missing", "funding")
    unknown = replace(crypto(100), extras={"funding": np.full((100, 5), NAN)})
    assert refusal(check_panel, spec, 10, unknown).code == "inputs.missing"


def test_bars_with_holes_are_refused_where_they_would_mean_something_else():
    panel, spec = crypto(100), selectors.get_strategy("swing").spec
    high = panel.high.copy()
    high[40, 1] = NAN
    error = refusal(check_bars, spec, replace(panel, high=high))
    assert (error.code, panel.symbols[1] in error.message) == ("panel.nan_bars", True)
    close = panel.close.copy()
    close[40:42, 0] = NAN
    check_bars(spec, replace(panel, close=close))
    strict = replace(spec, gaps="refuse")
    error = refusal(check_bars, strict, replace(panel, close=close))
    assert (error.code, "and 1 like it" in error.message) == ("panel.nan_bars", True)
    check_bars(strict, panel)
