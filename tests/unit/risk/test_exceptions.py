"""Exceptions of a value at risk: published tables, exact p-values, size by simulation."""

import numpy as np
import pytest

from apps.core.errors import Invalid
from apps.risk.kernel.exceptions import (
    conditional_coverage,
    exceptions,
    independence,
    kupiec,
    too_many,
    traffic_light,
    transitions,
)


def flags(days, count):
    found = np.zeros(days, dtype=bool)
    found[:count] = True
    return found


def arranged(n00, n01, n10, n11):
    """Days with these transitions: exceptions alone, those in a row, the rest quiet."""
    assert n01 == n10
    parts = [False, True] * (n01 - 1) + [False] + [True] * (n11 + 1) + [False] * (n00 + 1)
    return np.array(parts)


# MathWorks, Risk Management Toolbox, examples of varbacktest.pof, varbacktest.cci, varbacktest.cc
# (EquityIndex, Normal95 and Normal99, 1043 days).
def test_ratios_are_those_of_the_toolbox():
    assert kupiec(flags(1043, 57), 0.95).statistic == pytest.approx(0.46147, abs=5e-6)
    assert kupiec(flags(1043, 57), 0.95).asymptotic == pytest.approx(0.49694, abs=5e-6)
    assert kupiec(flags(1043, 17), 0.99).statistic == pytest.approx(3.5118, abs=5e-5)
    assert kupiec(flags(1043, 17), 0.99).asymptotic == pytest.approx(0.060933, abs=5e-7)
    days = arranged(932, 53, 53, 4)
    assert transitions(days) == (932, 53, 53, 4)
    assert len(days) == 1043
    assert independence(days).statistic == pytest.approx(0.25866, abs=5e-6)
    assert independence(days).asymptotic == pytest.approx(0.61104, abs=5e-6)
    both = conditional_coverage(days, 0.95)
    assert both.statistic == pytest.approx(0.72013, abs=5e-6)
    assert both.asymptotic == pytest.approx(0.69763, abs=5e-6)


# Kupiec (1995), table of non-rejection regions at 5 %, as in Jorion, Value at Risk, 3rd ed., 6-2:
# (level, days): the counts strictly between which the chi-square does not speak against the model.
KUPIEC = {
    (0.99, 510): (1, 11), (0.99, 1000): (4, 17),
    (0.975, 255): (2, 12), (0.975, 510): (6, 21), (0.975, 1000): (15, 36),
    (0.95, 255): (6, 21), (0.95, 510): (16, 36), (0.95, 1000): (37, 65),
    (0.925, 255): (11, 28), (0.925, 510): (27, 51), (0.925, 1000): (59, 92),
    (0.90, 255): (16, 36), (0.90, 510): (38, 65), (0.90, 1000): (81, 120),
}  # fmt: skip


@pytest.mark.parametrize(("level", "days"), sorted(KUPIEC))
def test_regions_are_kupiecs(level, days):
    low, high = KUPIEC[level, days]
    passed = [x for x in range(days // 2) if kupiec(flags(days, x), level).asymptotic > 0.05]
    assert (passed[0] - 1, passed[-1] + 1) == (low, high)


# Basel Committee (1996), Supervisory framework for the use of backtesting, table 2: cumulative
# probability, and the increase of the scaling factor; multipliers of 2019 from MAR33.
BASEL = [8.11, 28.58, 54.32, 75.81, 89.22, 95.88, 98.63, 99.60, 99.89, 99.97, 99.99]
PLUS = [0, 0, 0, 0, 0, 0.40, 0.50, 0.65, 0.75, 0.85, 1.00]
MULTIPLIER = [1.5, 1.5, 1.5, 1.5, 1.5, 1.70, 1.76, 1.83, 1.88, 1.92, 2.00]


def test_lights_are_basels():
    lights = [traffic_light(flags(250, x)) for x in range(11)]
    assert [round(100 * light.probability, 2) for light in lights] == BASEL
    assert [light.plus for light in lights] == PLUS
    assert [light.multiplier for light in lights] == MULTIPLIER
    assert [light.zone for light in lights] == ["green"] * 5 + ["yellow"] * 5 + ["red"]
    assert traffic_light(flags(250, 30)).plus == 1.0
    assert traffic_light(flags(500, 5)).multiplier is None


# README of the R package ExactVaRTest 0.1.3: 300 days at 5 %, LR_cc 5.8882, exact p-value 0.0442.
def test_exact_p_value_is_that_of_the_r_package():
    from apps.risk.kernel.exceptions import _joint

    ratios, chances = _joint(300, 0.05)
    assert np.min(np.abs(ratios - 5.8882)) < 5e-5
    assert chances[ratios >= 5.8882 - 5e-5].sum() == pytest.approx(0.0442, abs=5e-5)
    assert chances.sum() == pytest.approx(1.0, abs=1e-9)


def test_exact_p_values_count_every_arrangement():
    """Against all 2^10 series of ten days."""
    days, tail = 10, 0.2
    every = (np.arange(2**days)[:, None] >> np.arange(days)) & 1 == 1
    chance = tail ** every.sum(axis=1) * (1 - tail) ** (days - every.sum(axis=1))
    for test in (kupiec, conditional_coverage):
        ratios = np.array([test(one, 1 - tail).statistic for one in every])
        for one in every[::37]:
            found = test(one, 1 - tail)
            expected = chance[ratios >= found.statistic - 1e-9].sum()
            assert found.p_value == pytest.approx(expected, abs=1e-9)
    ratios = np.array([independence(one).statistic for one in every])
    for one in every[::37]:
        same = every.sum(axis=1) == one.sum()
        found = independence(one)
        assert found.p_value == pytest.approx(np.mean(ratios[same] >= found.statistic - 1e-9))


@pytest.mark.parametrize(("days", "level"), [(250, 0.99), (500, 0.95)])
def test_size_is_five_percent(days, level):
    """With ties broken at random exactly 5 %; as reported, never more."""
    rng, draws = np.random.default_rng(6), 2000
    spoke = np.zeros((4, 2))
    for _ in range(draws):
        series = rng.random(days) < 1 - level
        found = [kupiec(series, level), independence(series), conditional_coverage(series, level)]
        found.append(too_many(series, level))
        spoke[:, 0] += [test.randomised(rng.random()) <= 0.05 for test in found]
        spoke[:, 1] += [test.p_value <= 0.05 for test in found]
    error = np.sqrt(0.05 * 0.95 / draws)
    assert np.all(np.abs(spoke[:, 0] / draws - 0.05) < 4 * error)
    assert np.all(spoke[:, 1] / draws < 0.05 + 4 * error)


def test_bad_series_are_refused():
    with pytest.raises(Invalid) as shapes:
        exceptions([0.1, 0.2], [0.1])
    assert shapes.value.code == "risk.grades.shape"
    with pytest.raises(Invalid) as infinite:
        exceptions([0.1, np.inf], [0.1, 0.1])
    assert infinite.value.code == "risk.not_finite"
    with pytest.raises(Invalid) as few:
        exceptions([0.1, np.nan], [0.1, 0.1])
    assert few.value.code == "risk.grades.too_few"


def test_days_without_a_forecast_are_left_out():
    found = exceptions([-0.02, -0.02, np.nan, 0.0], [0.01, np.nan, 0.01, 0.01])
    assert found.tolist() == [True, False]
