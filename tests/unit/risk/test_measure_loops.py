"""Figures of large samples and books are those of sorting everything, to the last bit."""

import math

import numpy as np
import pytest

from apps.risk.kernel import components as by_position
from apps.risk.kernel.conventions import SHORTFALLS, Terms
from apps.risk.kernel.empirical import LARGE, low_end, sample_tail
from apps.risk.kernel.measure_loops import lowest_1d, pack_1d, tail_by_position_2d, valued_2d

SIZE = LARGE + 40_001
TAILS = (0.00001, 0.001, 0.01, 0.05, 0.4, 0.999)


@pytest.fixture(scope="module")
def worlds():
    rng = np.random.default_rng(31)
    fat = rng.standard_t(3, SIZE) * 0.01
    # Every 35th observation is what the guess of the tail's end looks at: here a lie.
    lying = rng.normal(0, 0.01, SIZE)
    lying[:: SIZE // 4_001] = 5.0
    return {
        "fat": fat,
        "ties": np.round(fat, 3),
        "two values": np.where(rng.random(SIZE) < 0.03, -0.02, 0.01),
        "zeros of both signs": np.where(rng.random(SIZE) < 0.5, -0.0, 0.0) - (fat < -0.05),
        "subnormal": fat * 1e-320,
        "ascending": np.sort(fat),
        "lying": lying,
        "one alone": np.r_[-0.5, np.zeros(SIZE - 1)],
    }


NAMES = (
    "fat", "ties", "two values", "zeros of both signs", "subnormal", "ascending", "lying",
    "one alone",
)  # fmt: skip


def sorted_tail(sample, tail, rule, mean):
    """VaR and ES read off the sorted sample, by numpy alone."""
    low = np.sort(sample)
    at = float(np.quantile(sample, tail, method=rule))
    if rule == "inverted_cdf":
        at = float(low[max(math.ceil(round(low.size * tail, 9)) - 1, 0)])
    if mean == "at_or_below":
        inside = float(np.mean(low[low <= at])) if (low <= at).any() else float(low[0])
    elif mean == "lowest":
        inside = float(np.mean(low[: int((low.size - 1) * tail + 1e-9) + 1]))
    else:
        mass = round(low.size * tail, 9)
        whole = int(mass)
        inside = (float(np.sum(low[:whole])) + (mass - whole) * float(low[whole])) / mass
    return -at, max(-inside, -at)


@pytest.mark.parametrize("name", NAMES)
def test_large_samples_are_measured_as_if_all_was_sorted(worlds, name):
    for tail in TAILS:
        for rule in ("linear", "inverted_cdf"):
            for mean in SHORTFALLS:
                found = sample_tail(worlds[name], tail, rule, mean)
                assert found == sorted_tail(worlds[name], tail, rule, mean), (tail, rule, mean)


def test_the_order_of_a_large_sample_does_not_matter_at_all(worlds):
    turned = np.random.default_rng(2).permutation(worlds["fat"])
    assert sample_tail(turned, 0.05) == sample_tail(worlds["fat"], 0.05)


def test_the_low_end_is_all_of_it_and_little_more(worlds):
    low = low_end(worlds["fat"], 0.05)
    assert np.array_equal(low, np.sort(worlds["fat"])[: low.size])
    assert 0.05 * SIZE < low.size < 0.08 * SIZE
    assert low_end(worlds["lying"], 0.05).size == SIZE


def book_of(n, m, seed=5):
    """Multiples of 1/128 and 1/8: their sums are exact in any order, and many are equal."""
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(0, 3, (n, m))) / 128, np.round(rng.normal(0, 8, m)) / 8


@pytest.mark.parametrize("shape", [(1, 3), (7, 2), (8, 1), (53, 9)])
def test_loops_equal_their_plain_twins(shape):
    returns, weights = book_of(*shape)
    out = np.empty(len(returns))
    valued_2d(returns, weights, out)
    assert out == pytest.approx(returns @ weights, abs=0)
    room, again = np.full(len(out) + 1, np.nan), np.full(len(out) + 1, np.nan)
    count = pack_1d(out, 0.0, room)
    assert count == (out <= 0.0).sum() == pack_1d.py_func(out, 0.0, again)
    assert np.array_equal(room[: int(count)], out[out <= 0.0])
    tied = np.round(4 * out) / 4
    for wanted in range(1, len(out) + 1):
        places = lowest_1d(tied, wanted)
        order = np.argsort(tied, kind="stable")
        assert np.array_equal(places, order[: len(places)])
        assert len(places) >= wanted


@pytest.mark.parametrize("mean", SHORTFALLS)
@pytest.mark.parametrize("rule", ["linear", "inverted_cdf"])
def test_a_large_book_is_taken_apart_as_a_small_one_is(monkeypatch, rule, mean):
    """Weights of both signs, and scenarios that lose the same."""
    returns, weights = book_of(400, 6)
    for level in (0.5, 0.95, 0.99, 0.9999):
        terms = Terms(level=level, quantile=rule, shortfall=mean)
        plain = by_position.scenario_components(returns, weights, terms)
        monkeypatch.setattr(by_position, "LARGE", 1)
        fast = by_position.scenario_components(returns, weights, terms)
        monkeypatch.undo()
        for one, other in zip(fast, plain, strict=True):
            assert one == pytest.approx(other, abs=1e-13)
        assert weights @ fast[2] == pytest.approx(fast[0], abs=1e-12)
        assert weights @ fast[3] == pytest.approx(fast[1], abs=1e-12)


def test_the_part_of_the_last_scenario_counts_in_part():
    returns = np.array([[-0.05], [-0.04], [0.01], [0.02], [0.03]])
    var, es, by_var, by_es = tail_by_position_2d(returns, np.ones(1), 1, 0.0, 2, 1.5)
    assert (var, by_var[0]) == (0.04, 0.04)
    assert es == pytest.approx((0.05 + 0.5 * 0.04) / 1.5)
    assert by_es[0] == pytest.approx(es)
