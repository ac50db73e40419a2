"""Trendlines by consensus, breaks, retests and divergence: each rule on numbers drawn by hand."""

import numpy as np
import pytest

from apps.strategies.kernel import trendline_loops
from apps.strategies.kernel.indicators.own import pivots, ta
from apps.strategies.kernel.trendlines import (
    Line,
    Rules,
    better,
    consensus,
    diverges,
    follow_lines,
    touching,
    unbroken,
)
from tests.unit.strategies.panels import crypto

RULES = Rules(
    window=60,
    tolerance=1.0,
    least_touches=3,
    steepest=2.0,
    flattest=0.0,
    least_anchor=-1.0,
    memory=10,
)


def zigzag():
    """Return highs on 80 - bar/2 at bars 4, 12, 20, 28 with lows of 50 between, then a break."""
    y = np.full(40, 50.0)
    for top in (4, 12, 20, 28):
        y[top - 1 : top + 2] = 60.0
        y[top] = 80.0 - top / 2
    y[33] = 70.0
    y[34] = 66.0
    y[35] = 62.5
    y[36] = 66.0
    y[37] = 50.0
    return y


def test_a_line_tells_its_height_and_duration():
    line = Line(anchor=4, value=78.0, slope=-0.5, touches=3, last=20)
    assert (line.at(12), line.duration) == (74.0, 16)


def test_pivots_within_the_tolerance_touch():
    y = np.array([80.0, 0, 79.2, 0, 75.0, 0, 77.4])
    line = Line(0, 80.0, -0.5, 0, 0)
    assert touching(y, [0, 2, 4, 6], line, 1.0) == [0, 2, 6]
    assert touching(y, [0, 2, 4, 6], line, 0.1) == [0]


def test_a_line_is_broken_by_anything_beyond_the_tolerance():
    y = np.array([80.0, 70, 79.9, 60])
    line = Line(0, 80.0, -0.5, 0, 0)
    assert unbroken(y, line, 3, 1.0)
    assert not unbroken(y, line, 3, 0.5)


def test_more_touches_win_then_length_then_flatness():
    base = Line(0, 80.0, -0.5, 3, 20)
    assert better(base, None)
    assert better(Line(0, 80.0, -0.5, 4, 10), base)
    assert not better(Line(5, 80.0, -0.5, 3, 20), base)
    assert better(Line(0, 80.0, -0.4, 3, 20), base)


def test_the_consensus_is_the_line_most_pivots_agree_on():
    y = zigzag()
    y[20] = 69.5
    line = consensus(y, [4, 12, 20, 28], 31, RULES)
    assert (line.anchor, line.slope, line.touches, line.last) == (4, -0.5, 4, 28)
    assert consensus(y, [4, 12], 16, RULES) is None
    assert consensus(y, [4, 12, 20, 28], 33, RULES) is None
    calm = np.concatenate((y[:32], np.full(50, 20.0)))
    assert consensus(calm, [4, 12, 20, 28], 71, RULES).anchor == 12
    assert consensus(calm, [4, 12, 20, 28], 72, RULES) is None


def test_a_line_may_neither_rise_nor_fall_too_steeply():
    y = zigzag()
    assert consensus(100.0 - y, [4, 12, 20], 25, RULES) is None
    steep = Rules(60, 1.0, 3, 0.4, 0.0, -1.0, 10)
    assert consensus(y, [4, 12, 20], 25, steep) is None
    flat = Rules(60, 1.0, 3, 2.0, 0.6, -1.0, 10)
    assert consensus(y, [4, 12, 20], 25, flat) is None


@pytest.mark.parametrize(("anchor", "found"), [(70.0, 4), (77.9, 4), (78.0, None), (90.0, None)])
def test_the_first_pivot_must_lie_above_the_anchor(anchor, found):
    rules = Rules(60, 1.0, 3, 2.0, 0.0, anchor, 10)
    line = consensus(zigzag(), [4, 12, 20, 28], 31, rules)
    assert (line and line.anchor) == found


def test_a_break_a_retest_and_a_failure_are_told_at_their_bars():
    found = follow_lines(zigzag(), RULES, 2, 2)
    assert found["touches"][23:33].tolist() == [3] * 7 + [4] * 3
    assert np.flatnonzero(found["since"] == 0).tolist() == [33]
    assert found["anchor"][33] == 78.0
    # The line runs at 62.5 at bar 35.
    assert np.flatnonzero(found["retest"]).tolist() == [35]
    assert found["retests"][33:37].tolist() == [0, 0, 1, 1]
    assert np.flatnonzero(found["fail"]).tolist() == [37]
    assert np.isnan(found["since"][37:]).all()


def test_a_broken_line_is_forgotten():
    y = zigzag()
    y[33:] = 90.0
    rules = Rules(60, 1.0, 3, 2.0, 0.0, -1.0, 3)
    since = follow_lines(y, rules, 2, 2)["since"]
    assert since[33:37].tolist() == [0, 1, 2, 3]
    assert np.isnan(since[37:]).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_compiled_lines_equal_the_plain_ones_on_real_bars(mirrored):
    rsi = ta("RSI", np.ascontiguousarray(crypto(500).close[:, 0]), timeperiod=14)
    y = 100.0 - rsi if mirrored else rsi
    rules = Rules(80, 2.0, 3, 1.5, 0.0, -1.0, 12)
    numbers = (80, 2.0, 3, 1.5, 0.0, -1.0)
    known = pivots(y, 3, 3, highs=True)
    seen, lines = [], 0
    table = np.zeros(len(y), np.int64)
    for now, pivot in enumerate(known.tolist()):
        if pivot >= 0:
            table[len(seen)] = pivot
            seen.append(pivot)
        plain = consensus(y, seen, now, rules)
        fast = trendline_loops.consensus_1d(y, table, len(seen), now, *numbers)
        expected = (
            (plain.anchor, plain.value, plain.slope, plain.touches, plain.last)
            if plain
            else (-1, 0.0, 0.0, 0, -1)
        )
        assert fast == pytest.approx(expected, rel=1e-12)
        lines += plain is not None
    assert lines > 50


def test_the_compiled_walk_equals_its_python():
    rsi = ta("RSI", np.ascontiguousarray(crypto(300).close[:, 1]), timeperiod=14)
    words = (rsi, pivots(rsi, 3, 2, highs=True), 80, 2.0, 2, 1.5, 0.0, -1.0, 12)
    np.testing.assert_allclose(
        trendline_loops.follow_1d(*words), trendline_loops.follow_1d.py_func(*words), rtol=1e-12
    )


def test_a_divergence_needs_a_lower_low_of_the_price_and_a_higher_one_of_the_oscillator():
    y = np.array([50.0, 30, 50, 35, 50, 50, 50])
    price = np.array([10.0, 8, 9, 7, 9, 9, 9])
    lows = np.array([-1, -1, 1, -1, 3, -1, -1])
    assert diverges(y, price, lows, 2).tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert diverges(y, -price, lows, 9).sum() == 0
    assert diverges(-y, price, lows, 9).sum() == 0
