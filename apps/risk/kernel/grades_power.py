"""What the tests see: how often each speaks against a wrong model, by simulation.

``manage.py risk_power --write`` computes the table of ``grades_power_table`` with these functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.risk.kernel.exceptions import conditional_coverage, exceptions, independence, kupiec
from apps.risk.kernel.grades_power_table import DAYS, DRAWS, TABLE
from apps.risk.kernel.grades_shortfall import regression_test, tail_moments, z_tests
from apps.risk.kernel.samples import Floats, tail_of

TESTS = ("kupiec", "independence", "conditional_coverage", "z1", "z2", "esr")
SIZE = 0.05
T5 = 5.0
# Of the clustered days: variance = OMEGA + ALPHA r^2 + BETA variance, mean 1.
OMEGA, ALPHA, BETA = 0.02, 0.10, 0.88
BURN = 500


@dataclass(frozen=True, slots=True)
class Case:
    """A truth and what a model tells of it: factors of the true VaR and ES."""

    title: str
    truth: str
    var: float = 1.0
    es: float = 1.0


CASES = {
    "right": Case("a right model, normal days (the test's size)", "normal"),
    "right_t5": Case("a right model, Student t days of 5 degrees (the test's size)", "t5"),
    "both_25": Case("VaR and ES told 25 % too small, normal days", "normal", 0.75, 0.75),
    "both_25_t5": Case("VaR and ES told 25 % too small, Student t days", "t5", 0.75, 0.75),
    "es_25": Case("ES alone told 25 % too small, normal days", "normal", 1.0, 0.75),
    "es_25_t5": Case("ES alone told 25 % too small, Student t days", "t5", 1.0, 0.75),
    "normal_for_t5": Case(
        "a normal model of the right deviation on Student t days", "normal_for_t5"
    ),
    "no_clusters": Case("a constant right on average while volatility clusters", "garch"),
}


def rejections(case: Case, days: int, level: float, draws: int, seed: int) -> dict[str, float]:
    """Return by test the share of samples in which it speaks against the model at 5 %."""
    rng = np.random.Generator(np.random.PCG64(seed))
    var, es = _truth(case, level)
    told_var, told_es = np.full(days, var * case.var), np.full(days, es * case.es)
    spoke = dict.fromkeys(TESTS, 0)
    for _ in range(draws):
        for name, p_value in _p_values(_days(case, rng, days), told_var, told_es, level).items():
            spoke[name] += p_value <= SIZE
    return {name: count / draws for name, count in spoke.items()}


def _p_values(returns: Floats, var: Floats, es: Floats, level: float) -> dict[str, float]:
    flags = exceptions(returns, var)
    first, second = z_tests(returns, var, es, level)
    regression = regression_test(returns, var, es, level)
    return {
        "kupiec": kupiec(flags, level).p_value,
        "independence": independence(flags).p_value,
        "conditional_coverage": conditional_coverage(flags, level).p_value,
        "z1": first.p_value,
        "z2": second.p_value,
        "esr": regression.p_value if regression else 1.0,
    }


def _truth(case: Case, level: float) -> tuple[float, float]:
    """Return VaR and ES of days of unit deviation: true, or what the wrong model says."""
    tail = tail_of(level)
    if case.truth == "t5":
        q, es = tail_moments(T5, tail)
        unit = math.sqrt((T5 - 2.0) / T5)
        return -q * unit, es * unit
    if case.truth == "garch":
        sample = _garch(np.random.Generator(np.random.PCG64(1)), 400_000)
        quantile = float(np.quantile(sample, tail))
        return -quantile, -float(sample[sample <= quantile].mean())
    q, es = tail_moments(math.inf, tail)
    return -q, es


def _student(rng: np.random.Generator, days: int) -> Floats:
    return np.asarray(rng.standard_t(T5, days) * math.sqrt((T5 - 2.0) / T5))


def _garch(rng: np.random.Generator, days: int) -> Floats:
    shocks = rng.standard_normal(days + BURN)
    found, variance = np.empty(days + BURN), 1.0
    for t, shock in enumerate(shocks):
        found[t] = math.sqrt(variance) * shock
        variance = OMEGA + ALPHA * found[t] ** 2 + BETA * variance
    return found[BURN:]


_DRAW: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, days: rng.standard_normal(days),
    "t5": _student,
    "normal_for_t5": _student,
    "garch": _garch,
}


def _days(case: Case, rng: np.random.Generator, days: int) -> Floats:
    return _DRAW[case.truth](rng, days)


def power_for(days: int) -> dict[str, Any]:
    """Return by level, test and case how often a test speaks in about that many days.

    The largest number of days in the table that is not above ``days``, or the smallest there is.
    """
    fitting = [count for count in DAYS if count <= days]
    used = max(fitting) if fitting else min(DAYS)
    found: dict[str, Any] = {"days": used, "draws": DRAWS}
    for (case, count, level), shares in TABLE.items():
        if count == used:
            for test, share in shares.items():
                found.setdefault(level, {}).setdefault(test, {})[case] = share
    return found
