"""The table of what the tests see, against sums of the binomial law by scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from apps.risk.kernel.exceptions import kupiec
from apps.risk.kernel.grades_power import CASES, TESTS, power_for, rejections
from apps.risk.kernel.grades_power_table import DAYS, DRAWS, TABLE


def chance_of_an_exception(case, level):
    """How likely a loss beyond the VaR told is when its truth is normal or Student t."""
    if case.truth == "t5":
        return stats.t(5).cdf(stats.t(5).ppf(1 - level) * case.var)
    return stats.norm.cdf(stats.norm.ppf(1 - level) * case.var)


def rejected_by_kupiec(days, level, chance):
    """The exact probability that Kupiec's test speaks."""
    speaks = []
    for count in range(min(days, 200)):
        flags = np.arange(days) < count
        speaks.append(kupiec(flags, level).p_value <= 0.05)
    return float(stats.binom.pmf(np.flatnonzero(speaks), days, chance).sum())


@pytest.mark.parametrize("level", [0.95, 0.975, 0.99])
@pytest.mark.parametrize("name", ["right", "both_25", "both_25_t5"])
def test_kupiec_in_the_table_is_what_the_binomial_law_says(name, level):
    exact = rejected_by_kupiec(500, level, chance_of_an_exception(CASES[name], level))
    told = TABLE[name, 500, f"{level:g}"]["kupiec"]
    assert told == pytest.approx(exact, abs=4 * math.sqrt(0.25 / DRAWS))
    if name == "both_25" or (name, level) == ("both_25_t5", 0.95):
        assert exact >= 0.95, "a quarter too small is caught in 500 days"


def test_the_table_is_whole_and_right_models_are_seldom_spoken_against():
    assert set(DAYS) == {125, 250, 500, 1000}
    assert set(TABLE) == {
        (name, days, level)
        for name in CASES
        for days in DAYS
        for level in ("0.95", "0.975", "0.99")
    }
    bound = 0.05 + 4 * math.sqrt(0.05 * 0.95 / DRAWS)
    for (name, days, level), shares in TABLE.items():
        assert set(shares) == set(TESTS)
        if name in {"right", "right_t5"}:
            spoke = {test: share for test, share in shares.items() if share > bound}
            assert not spoke, (name, days, level, spoke)
    for name in ("es_25", "es_25_t5"):
        assert TABLE[name, 500, "0.975"]["z1"] > 0.95
        assert TABLE[name, 500, "0.975"]["kupiec"] < bound


def test_the_table_is_what_the_command_computes():
    """A few samples of one row, within what so few can say."""
    draws = 200
    again = rejections(CASES["both_25"], 250, 0.95, draws, seed=5)
    for test, share in TABLE["both_25", 250, "0.95"].items():
        error = math.sqrt(max(share * (1 - share), 0.01) / draws)
        assert again[test] == pytest.approx(share, abs=5 * error)


@pytest.mark.parametrize(("days", "used"), [(60, 125), (499, 250), (500, 500), (5000, 1000)])
def test_the_nearest_smaller_number_of_days_is_told(days, used):
    found = power_for(days)
    assert (found["days"], found["draws"]) == (used, DRAWS)
    assert found["0.99"]["kupiec"]["right"] == TABLE["right", used, "0.99"]["kupiec"]
