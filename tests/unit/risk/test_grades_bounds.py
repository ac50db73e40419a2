"""What a count of exceptions can see at most, against scipy's binomial law and its programmes."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from apps.core.errors import Invalid
from apps.risk.kernel.exceptions import kupiec, kupiec_p_values, too_many
from apps.risk.kernel.grades_bounds import (
    bounds,
    days_needed,
    exception_chance,
    kupiec_power,
    most_power,
)
from apps.risk.kernel.grades_power import CASES
from apps.risk.kernel.grades_power_table import DRAWS, TABLE

DAYS, SIZE = 500, 0.05
LEVELS = (0.95, 0.975, 0.99)
# Kupiec's power, that of the best two-sided unbiased test and of the best test there is, of 500
# days, VaR told 25 % too small. By scipy alone, see ``by_scipy``.
TOLD = {
    ("both_25", 0.95): (0.998, 0.998, 0.999),
    ("both_25", 0.975): (0.997, 0.998, 0.999),
    ("both_25", 0.99): (0.992, 0.993, 0.997),
    ("both_25_t5", 0.95): (0.973, 0.976, 0.989),
    ("both_25_t5", 0.975): (0.932, 0.943, 0.973),
    ("both_25_t5", 0.99): (0.771, 0.805, 0.884),
}


def true_chance(name, level):
    law = stats.norm if name == "both_25" else stats.t(5)
    return float(law.cdf(0.75 * law.ppf(1.0 - level)))


def by_scipy(level, chance, *, unbiased):
    """The highest power of any test of the count, randomised: a linear programme over its 501
    values. Unbiased ones have a slope of zero at the chance that was told."""
    x, tail = np.arange(DAYS + 1), round(1.0 - level, 12)
    told, true = stats.binom.pmf(x, DAYS, tail), stats.binom.pmf(x, DAYS, chance)
    rows, values = ([told, x * told], [SIZE, SIZE * DAYS * tail]) if unbiased else ([told], [SIZE])
    found = optimize.linprog(-true, A_eq=rows, b_eq=values, bounds=(0, 1), method="highs")
    return -found.fun


@pytest.mark.parametrize(("name", "level"), TOLD)
def test_powers_are_those_of_the_binomial_law(name, level):
    chance = true_chance(name, level)
    assert exception_chance(CASES[name], level) == pytest.approx(chance, rel=1e-9)
    kupiecs, two_sided, most = TOLD[name, level]
    speaks = [kupiec(np.arange(DAYS) < x, level).p_value <= SIZE for x in range(DAYS + 1)]
    exact = stats.binom.pmf(np.flatnonzero(speaks), DAYS, chance).sum()
    assert kupiec_power(DAYS, level, chance) == pytest.approx(exact, abs=1e-9)
    assert exact == pytest.approx(kupiecs, abs=6e-4)
    best = by_scipy(level, chance, unbiased=False)
    assert most_power(DAYS, level, chance) == pytest.approx(best, abs=1e-6)
    assert best == pytest.approx(most, abs=6e-4)
    unbiased = by_scipy(level, chance, unbiased=True)
    assert unbiased == pytest.approx(two_sided, abs=6e-4)
    assert exact <= unbiased + 1e-9 <= best + 2e-9
    assert TABLE[name, DAYS, f"{level:g}"]["kupiec"] == pytest.approx(
        exact, abs=4 * math.sqrt(0.25 / DRAWS)
    )


def test_a_quarter_too_little_is_caught_wherever_it_can_be():
    """At least 0.95 by Kupiec in 500 days, but where no two-sided test reaches it."""
    for (name, level), (kupiecs, two_sided, most) in TOLD.items():
        assert (kupiecs >= 0.95) == (two_sided >= 0.95), (name, level)
        assert most >= 0.95 or (name, level) == ("both_25_t5", 0.99)


@pytest.mark.parametrize(("level", "days"), [(0.95, 440), (0.975, 520), (0.99, 780)])
def test_so_many_days_are_needed_on_student_days(level, days):
    assert days_needed(level, true_chance("both_25_t5", level)) == days
    assert days_needed(level, true_chance("both_25_t5", level), most=days) is None


@pytest.mark.parametrize("level", LEVELS)
def test_the_one_sided_count_reaches_the_bound(level):
    """With ties broken at random, to the digit: its size is 5 % and nobody sees more."""
    chance, x = true_chance("both_25_t5", level), np.arange(DAYS + 1)
    power, size = 0.0, 0.0
    for count in range(DAYS + 1):
        found = too_many(np.arange(DAYS) < count, level)
        assert found.p_value == pytest.approx(
            stats.binom.sf(count - 1, DAYS, round(1 - level, 12)), abs=1e-9
        )
        speaks = np.clip((SIZE - found.p_value + found.tie) / found.tie if found.tie else 1, 0, 1)
        size += speaks * stats.binom.pmf(count, DAYS, round(1 - level, 12))
        power += speaks * stats.binom.pmf(count, DAYS, chance)
    assert x.size == DAYS + 1
    assert size == pytest.approx(SIZE, abs=1e-9)
    assert power == pytest.approx(most_power(DAYS, level, chance), abs=1e-9)


def test_p_values_of_all_counts_are_those_of_the_test():
    for days, level in ((60, 0.99), (250, 0.95)):
        each = [kupiec(np.arange(days) < x, level).p_value for x in range(days + 1)]
        assert kupiec_p_values(days, level) == pytest.approx(each, abs=1e-12)


def test_the_page_is_told_of_both_and_clusters_have_no_one_chance():
    told = bounds(500, 0.99)
    assert [round(most, 3) for _, _, most in told] == [0.997, 0.884]
    with pytest.raises(Invalid):
        exception_chance(CASES["no_clusters"], 0.99)
