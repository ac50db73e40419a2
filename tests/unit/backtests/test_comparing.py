"""Figures side by side, common days, parts that differ, shares of a difference."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.backtests.kernel import comparing
from apps.backtests.kernel.attribution import corners, mixed, shapley
from apps.backtests.kernel.comparing import Curve

DAY = 86_400_000_000


def curve(first, growth, start=100.0):
    """Daily bars from day ``first`` on, each the one before times ``growth``."""
    equity = start * np.cumprod(np.asarray(growth, dtype=float))
    ts = (first + np.arange(len(growth), dtype=np.int64)) * DAY
    return Curve(ts, equity, start, 252.0)


def test_common_days_begin_with_the_last_and_end_with_the_first():
    one, two = curve(0, [1.0] * 10), curve(4, [1.0] * 10)
    assert comparing.common_days([one, two]) == (4 * DAY, 9 * DAY)
    assert comparing.common_days([one, curve(20, [1.0] * 3)]) is None
    assert comparing.are_same_days([one, one])
    assert not comparing.are_same_days([one, two])


def test_figures_over_common_days_leave_out_what_was_before():
    # The first doubled before the other began; over the common days it lost a tenth.
    one = curve(0, [1.0, 2.0, 1.0, 0.9, 1.0])
    two = curve(2, [1.0, 1.1, 1.0])
    days = comparing.common_days([one, two])
    first, second = comparing.over_common([one, two], days)
    assert first["total_return"] == pytest.approx(-0.1)
    assert second["total_return"] == pytest.approx(0.1)
    _, growth = comparing.growth(one, days)
    assert growth.tolist() == pytest.approx([1.0, 0.9, 0.9])


def test_best_is_by_what_the_figure_means():
    assert comparing.best_and_worst("sharpe", [1.0, 2.0, None]) == (1, 0)
    assert comparing.best_and_worst("max_drawdown", [0.1, 0.3, 0.2]) == (0, 1)
    assert comparing.best_and_worst("turnover", [1.0, 2.0]) == (None, None)
    assert comparing.best_and_worst("sharpe", [1.0, 1.0]) == (None, None)


def told(**changed):
    run = {
        "strategy": "sma", "params": {"fast": 10}, "data_digest": "d", "engine_version": "1",
        "source_digest": "s", "first": "2012", "last": "2015",
        "origin": {"lab": "l", "environment": "e"},
        "request": {"universe": "u", "cash": 1.0, "costs": {"fee_bps": 5.0}, "title": "t"},
    }  # fmt: skip
    return run | changed


@pytest.mark.parametrize(
    ("changed", "part", "name"),
    [
        ({"params": {"fast": 20}}, "params", "fast"),
        ({"source_digest": "other"}, "code", "source"),
        ({"data_digest": "other"}, "data", "digest"),
        ({"origin": {"lab": "l", "environment": "new"}}, "environment", "digest"),
        ({"origin": {"lab": "new", "environment": "e"}}, "code", "lab"),
        ({"request": told()["request"] | {"universe": "v"}}, "data", "universe"),
        ({"request": told()["request"] | {"cash": 2.0}}, "terms", "cash"),
        ({"request": told()["request"] | {"costs": {"fee_bps": 6.0}}}, "terms", "costs.fee_bps"),
    ],
)
def test_each_difference_is_told_of_its_part(changed, part, name):
    found = comparing.changes(comparing.parts_of(told()), comparing.parts_of(told(**changed)))
    assert [(one["part"], one["name"]) for one in found] == [(part, name)]


def test_a_formula_is_code_and_a_new_title_no_difference():
    one, two = (told(params={"expression": text, "top": 5}) for text in ("close", "open"))
    found = comparing.changes(comparing.parts_of(one), comparing.parts_of(two))
    assert [(c["part"], c["name"]) for c in found] == [("code", "expression")]
    other = told(request=told()["request"] | {"title": "new"})
    assert comparing.changes(comparing.parts_of(told()), comparing.parts_of(other)) == []


def test_mixtures_of_three_parts_are_six():
    assert corners(2) == ["00", "01", "10", "11"]
    assert len(mixed(3)) == 6


def test_shapley_values_of_the_glove_game():
    # Two left gloves (a, b) and a right one (c); a pair is worth 1: 1/6, 1/6, 2/3, as in any
    # textbook on the value.
    worth = {bits: float(bits[2] == "1" and "1" in bits[:2]) for bits in corners(3)}
    found = shapley(["a", "b", "c"], worth)
    assert [found[name] for name in "abc"] == pytest.approx([1 / 6, 1 / 6, 2 / 3])


def test_shapley_of_two_parts_is_the_mean_of_both_orders():
    found = shapley(["code", "params"], {"00": 1.0, "10": 3.0, "01": 2.0, "11": 7.0})
    assert found == {"code": (2 + 5) / 2, "params": (4 + 1) / 2}


@given(st.lists(st.floats(-5, 5), min_size=8, max_size=8))
def test_shares_add_up_to_the_whole_and_nothing_gets_nothing(values):
    worth = dict(zip(corners(3), values, strict=True))
    assert sum(shapley("abc", worth).values()) == pytest.approx(worth["111"] - worth["000"])
    for without, with_it in pairwise(corners(3)):
        if without[2] == "0":
            worth[with_it] = worth[without]
    assert shapley("abc", worth)["c"] == 0.0
