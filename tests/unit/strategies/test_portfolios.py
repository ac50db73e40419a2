"""From scores to weights: places, ties, sides; and the calendars they follow."""

import numpy as np
import pytest

from apps.strategies.kernel.periods import calendar_period, day_period
from apps.strategies.kernel.portfolios import quantile_weights, top_equal
from apps.strategies.kernel.windows import (
    last_seen,
    of_own_bars,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_sum,
    shift,
)

NAN = np.nan


@pytest.mark.parametrize(
    ("scores", "share", "long_short", "weights"),
    [
        ([1, 2, 3, 4], 0.25, False, [0, 0, 0, 1]),
        ([1, 2, 3, 4], 0.5, False, [0, 0, 0.5, 0.5]),
        ([1, 2, 3, 4], 0.25, True, [-0.5, 0, 0, 0.5]),
        ([4, NAN, 2, 1], 0.34, True, [0.5, 0, 0, -0.5]),
        ([1, 2], 1.0, True, [-0.5, 0.5]),
        ([1, 2, 3], 0.01, False, [0, 0, 1]),
        # Two tie for the second of two places: each has half of it.
        ([3, 2, 2, 1], 0.5, False, [0.5, 0.25, 0.25, 0]),
        # Rounding noise is a tie.
        ([0.3, 0.1 + 0.2, 0, 0], 0.25, False, [0.5, 0.5, 0, 0]),
        # Most are equal: what is long and short of the middle cancels.
        ([0, 0, 0, 1], 0.5, True, [-1 / 12, -1 / 12, -1 / 12, 0.25]),
    ],
)
def test_places_are_shared_out(scores, share, long_short, weights):
    found = quantile_weights(np.array(scores, float), share, long_short=long_short)
    np.testing.assert_allclose(found, weights, atol=1e-12)


@pytest.mark.parametrize("scores", [[NAN, NAN], [1.0, NAN], [2.0, 2.0], [0.3, 0.1 + 0.2]])
def test_scores_that_tell_nothing_apart_give_no_weights(scores):
    assert quantile_weights(np.array(scores), 0.5, long_short=False) is None


def test_the_order_of_columns_does_not_matter():
    rng = np.random.default_rng(4)
    scores = np.sign(rng.normal(size=40))
    turn = rng.permutation(40)
    first = quantile_weights(scores, 0.2, long_short=True)
    np.testing.assert_allclose(quantile_weights(scores[turn], 0.2, long_short=True), first[turn])


def test_the_top_are_equal():
    scores = np.array([1.0, NAN, 3.0, 2.0])
    np.testing.assert_array_equal(top_equal(scores, 2), [0, 0, 0.5, 0.5])
    np.testing.assert_allclose(top_equal(scores, 9), [1 / 3, 0, 1 / 3, 1 / 3])
    assert top_equal(np.full(3, NAN), 2) is None


def days(*texts):
    return np.array(texts, dtype="datetime64[us]").astype(np.int64)


def test_weeks_begin_on_mondays_and_months_on_the_first():
    ts = days("2021-01-29", "2021-01-31", "2021-02-01", "2021-02-07", "2021-02-08", "2021-04-01")
    assert np.diff(calendar_period(ts, "weekly")).tolist() == [0, 1, 0, 1, 7]
    assert np.diff(calendar_period(ts, "monthly")).tolist() == [0, 1, 0, 0, 2]
    assert np.diff(calendar_period(ts, "quarterly")).tolist() == [0, 0, 0, 0, 1]
    assert np.diff(day_period(ts, 1)).tolist() == [2, 1, 6, 1, 52]


@pytest.mark.parametrize("window", [1, 2, 3, 7, 8, 30, 64, 199])
def test_windows_by_doubling_are_plain_windows(window):
    values = np.random.default_rng(1).normal(size=(300, 3))
    view = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)
    for function, plain in ((rolling_sum, np.sum), (rolling_min, np.min), (rolling_max, np.max)):
        found = function(values, window)
        assert np.isnan(found[: window - 1]).all()
        np.testing.assert_allclose(found[window - 1 :], plain(view, axis=-1), atol=1e-11)


def test_windows_do_not_depend_on_what_came_before():
    values = np.random.default_rng(1).normal(size=(5000, 1)) * 1e6
    late = rolling_mean(values[4000:], 30)
    np.testing.assert_array_equal(late[29:], rolling_mean(values, 30)[4029:])


def test_own_bars_skip_what_is_missing():
    values = np.array([[1.0, 1.0], [NAN, 2.0], [3.0, 3.0]])
    found = of_own_bars(values, lambda x: rolling_sum(x, 2))
    np.testing.assert_array_equal(found, [[NAN, NAN], [NAN, 3.0], [4.0, 5.0]])
    np.testing.assert_array_equal(last_seen(values)[:, 0], [1, 1, 3])
    np.testing.assert_array_equal(shift(values, 5), np.full((3, 2), NAN))
