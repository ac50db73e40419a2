"""What a count of exceptions can see at most, without simulation.

Under a VaR that is told wrong on every day alike, exceptions are independent with one chance, and
their number is all there is to know. Its law is binomial, so the power of a test is a sum, and by
Neyman and Pearson the best test is known.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.exceptions import kupiec_p_values
from apps.risk.kernel.grades_power import CASES, SIZE, T5, Case
from apps.risk.kernel.grades_shortfall import NORMAL
from apps.risk.kernel.samples import Floats, tail_of

# Cases whose exceptions come one by one with the same chance, and more often than told.
BOUNDED = ("both_25", "both_25_t5")


def exception_chance(case: Case, level: float) -> float:
    """Return how likely a loss beyond the VaR told is on any day of ``case``.

    Raises ``Invalid`` (``risk.method``) for days that are neither normal nor Student t.
    """
    tail = tail_of(level)
    if case.truth == "normal":
        return NORMAL.cdf(NORMAL.inv_cdf(tail) * case.var)
    if case.truth != "t5":
        message = f"Exceptions on {case.truth} days come with no one chance."
        raise Invalid(message, code="risk.method", details={"field": "case"})
    from scipy import special

    return float(special.stdtr(T5, special.stdtrit(T5, tail) * case.var))


def kupiec_power(days: int, level: float, chance: float, size: float = SIZE) -> float:
    """Return the probability that Kupiec's exact two-sided test speaks."""
    return float(_binomial(days, chance)[kupiec_p_values(days, level) <= size].sum())


def most_power(days: int, level: float, chance: float, size: float = SIZE) -> float:
    """Return what the most powerful test of exceptions sees: one-sided, ties broken at random.

    No test of ``size`` that looks at which days were exceptions, however it is computed, speaks
    more often against exceptions of a greater ``chance``.

    References
    ----------
    Lehmann and Romano (2005), Testing Statistical Hypotheses, theorem 3.4.1.
    """
    told, true = _binomial(days, tail_of(level)), _binomial(days, chance)
    above = np.cumsum(told[::-1])[::-1]
    first = int(np.searchsorted(-above, -size))
    spare = size - (above[first] if first <= days else 0.0)
    at = max(first - 1, 0)
    return float(true[first:].sum() + spare / told[at] * true[at])


def days_needed(level: float, chance: float, power: float = 0.95, most: int = 5_000) -> int | None:
    """Return from how many days on Kupiec's test sees it so often, None above ``most``.

    Counted in tens: the power of a test of counts goes up and down from day to day.
    """
    return next(
        (days for days in range(60, most, 10) if kupiec_power(days, level, chance) >= power), None
    )


@lru_cache(maxsize=64)
def bounds(days: int, level: float) -> tuple[tuple[str, float, float], ...]:
    """Return title, Kupiec's power and the best possible one for every case of ``BOUNDED``."""
    found = []
    for name in BOUNDED:
        chance = exception_chance(CASES[name], level)
        told = kupiec_power(days, level, chance), most_power(days, level, chance)
        found.append((CASES[name].title, *told))
    return tuple(found)


def _binomial(days: int, chance: float) -> Floats:
    counts = np.arange(days + 1)
    table = np.array([math.lgamma(count + 1.0) for count in counts])
    ways = table[-1] - table - table[::-1]
    chances = np.exp(ways + counts * math.log(chance) + (days - counts) * math.log1p(-chance))
    return np.asarray(chances, dtype=np.float64)
