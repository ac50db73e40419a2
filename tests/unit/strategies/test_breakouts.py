"""The three breakout and trend strategies on real bars, funding and open interest."""

from dataclasses import replace

import numpy as np
import pytest

from apps.core.errors import Invalid
from apps.strategies import selectors
from apps.strategies.kernel.interface import check_params
from apps.strategies.kernel.pullbacks import bias, legs, pulled_back, retracement
from tests.unit.strategies.panels import crowded, crypto

PARTS = ("geometry", "momentum", "flow", "sentiment", "bonus")
NAN = np.nan


def prepared(name, panel, **given):
    strategy = selectors.get_strategy(name)
    return strategy.prepare(panel, check_params(strategy.spec, given))


def row(*numbers):
    return np.array(numbers, dtype=float)


def test_the_bias_is_the_side_of_the_averages():
    assert bias(row(2, 1, 1, NAN), row(1, 2, 1, 1)).tolist() == [1, -1, 0, 0]


def test_a_leg_runs_from_the_earlier_pivot_to_the_later_one():
    low = row(9, 5, 9, 12, 11, 10, 9, 8, 9, 10)
    high = low + 1
    side, begin, end = legs(high, low, 1, 1)
    # The low at bar 1 is known at 2, the high at 3 at 4, the low at 7 at 8.
    assert side.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, -1, -1]
    assert begin[4:].tolist() == [5, 5, 5, 5, 13, 13]
    assert end[4:].tolist() == [13, 13, 13, 13, 8, 8]


def test_a_retracement_takes_back_a_share_of_the_leg():
    assert retracement(row(100), row(200), 0.618)[0] == pytest.approx(138.2)
    assert retracement(row(200), row(100), 0.618)[0] == pytest.approx(161.8)
    assert retracement(row(100), row(200), -0.5)[0] == 250


@pytest.mark.parametrize(
    ("low", "close", "expected"),
    [
        (138.0, 139.0, True),
        (143.0, 145.0, True),
        (144.0, 145.0, False),
        (130.0, 134.0, True),
        (130.0, 133.0, False),
        (90.0, 99.0, False),
    ],
)
def test_a_pullback_reaches_the_level_and_closes_near_it(low, close, expected):
    words = {"begin": row(100), "slack": row(5)}
    found = pulled_back(row(150), row(low), row(close), side=row(1), level=row(138.2), **words)
    assert found.tolist() == [expected]
    mirrored = pulled_back(
        row(-low),
        row(-150),
        row(-close),
        side=row(-1),
        level=row(-138.2),
        begin=row(-100),
        slack=row(5),
    )
    assert mirrored.tolist() == [expected]


def test_legacy_trend_enters_only_with_bias_strength_and_leg():
    found = prepared("legacy_trend", crypto(4000))
    held = found["position"]
    entered = (held != 0) & (np.vstack([np.zeros(5), held[:-1]]) == 0)
    assert entered.sum() > 50
    assert (found["bias"][entered] == held[entered]).all()
    assert (found["leg"][entered] == held[entered]).all()
    assert (found["adx"][entered] > 25.0).all()


def test_the_score_is_the_sum_of_its_parts_capped_at_a_hundred():
    found = prepared("geometric_breakout", crowded())
    total = np.minimum(sum(found[name] for name in PARTS), 100.0)
    np.testing.assert_allclose(found["score"], total)
    assert found["score"].max() > 60.0
    for part in PARTS:
        assert found[part].min() >= 0.0
        assert found[part].max() > 0.0


def test_a_missing_input_scores_nothing_and_is_shown_missing():
    full, bare = crowded(), replace(crowded(), extras={})
    found = prepared("geometric_breakout", bare)
    assert (found["flow"] == 0.0).all()
    assert (found["sentiment"] == 0.0).all()
    assert (found["missing"] == 7.0).all()
    # The long/short ratio alone is missing, and open interest in its gap and at the beginning.
    missing = prepared("geometric_breakout", full)["missing"]
    assert set(np.unique(missing)) == {4.0, 6.0}


def test_no_long_begins_while_open_interest_shrinks_or_funding_runs_hot():
    panel = crowded()
    found = prepared("geometric_breakout", panel, funding_limit=0.00005)
    signals = found["signal"]
    interest = panel.extras["open_interest"]
    grown = interest[24:] / interest[:-24] - 1.0
    assert not ((signals[24:] > 0) & (grown <= 0.0)).any()
    rates = panel.extras["funding"]
    hot = np.abs(rates) > 0.00005
    assert hot.any()
    for later in range(8):
        at = np.zeros_like(hot)
        at[later:] = hot[: len(hot) - later]
        settled_since = np.zeros_like(hot)
        for step in range(later):
            settled_since[step:] |= rates[: len(rates) - step] != 0.0
        assert not ((signals != 0) & at & ~settled_since).any()
    assert (signals > 0).any()
    assert (signals < 0).any()


def test_min_inputs_refuses_what_is_not_known_enough():
    assert (prepared("geometric_breakout", crowded(), min_inputs=3)["signal"] == 0).all()
    assert (prepared("geometric_breakout", crowded(), min_inputs=2)["signal"] != 0).any()


def test_an_entry_has_the_score_asked_for():
    for threshold in (30.0, 55.0):
        found = prepared("geometric_breakout", crowded(), threshold=threshold)
        side = found["signal"] != 0
        own = side & (found["signal"] == found["side"])
        assert (found["score"][own] >= threshold).all()
        assert own.any()


def test_a_bullish_line_of_the_second_version_begins_above_seventy():
    params = {"anchor": 70.0, "least_touches": 2}
    found = prepared("institutional_breakout", crypto(3000), **params)
    assert np.nansum(found["long_broke"]) > 0
    assert np.nansum(found["short_broke"]) > 0
    # With a first pivot above 99 there is none, and nothing is ever entered.
    none = prepared("institutional_breakout", crypto(3000), anchor=99.0)
    assert np.nansum(none["long_broke"]) == np.nansum(none["state"]) == 0


@pytest.mark.parametrize("name", ["legacy_trend", "geometric_breakout", "institutional_breakout"])
def test_bars_with_holes_are_refused(name):
    panel = crypto(600)
    close = panel.close.copy()
    close[300, 0] = NAN
    with pytest.raises(Invalid) as refusal:
        prepared(name, replace(panel, close=close))
    assert refusal.value.code == "panel.nan_bars"
    assert panel.symbols[0] in refusal.value.message
