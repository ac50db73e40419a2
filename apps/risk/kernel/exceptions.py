"""Exceptions of a value at risk: how many, and whether they come one by one.

Every p-value here is exact. The tests are likelihood ratios whose textbook chi-square is poor for
a year of days, so their law under a right model is summed up instead: the number of exceptions is
binomial, and given it every order of the days is as likely as any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apps.core.errors import Invalid
from apps.risk.kernel.samples import Floats, tail_of

Flags = NDArray[np.bool_]
Counts = NDArray[np.signedinteger[Any]]
MIN_FORECASTS = 2
# Terms of the binomial law smaller than this change no p-value that is shown.
NEGLIGIBLE = 1e-14
# Two statistics are the same when rounding alone tells them apart.
SAME = 1e-9
# Basel: cumulative probability at which yellow and red begin.
YELLOW, RED = 0.95, 0.9999
BASEL_DAYS, BASEL_LEVEL = 250, 0.99
# Exceptions 0 to 10: what is added to 3 (1996), and the multiplier from 2019 on (MAR33.44).
PLUS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.40, 0.50, 0.65, 0.75, 0.85, 1.0)
MULTIPLIER = (1.50, 1.50, 1.50, 1.50, 1.50, 1.70, 1.76, 1.83, 1.88, 1.92, 2.00)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A test's statistic and p-value; ``tie`` is the probability of exactly this statistic.

    ``p_value`` counts ties in full, so that the test is never too eager.
    """

    name: str
    statistic: float
    p_value: float
    tie: float = 0.0
    asymptotic: float | None = None

    def randomised(self, u: float) -> float:
        """Return the p-value with the tie broken by a uniform draw: its size is exact."""
        return self.p_value - (1.0 - u) * self.tie


@dataclass(frozen=True, slots=True)
class Light:
    """Basel's traffic light; the factors exist for 250 days at 99 % alone."""

    zone: str
    probability: float
    plus: float | None
    multiplier: float | None


def exceptions(returns: ArrayLike, var: ArrayLike) -> Flags:
    """Return on which days the loss was greater than the value at risk told the day before.

    Parameters
    ----------
    returns, var
        ``(n,)`` each; ``var`` is a positive loss. Where one of them is NaN nothing was told or
        nothing is known, and the day is left out.

    Raises
    ------
    Invalid
        ``risk.grades.shape``, ``risk.not_finite``, ``risk.grades.too_few``.
    """
    gains, told = paired(returns, var)
    return np.asarray(-gains > told)


def paired(returns: ArrayLike, *told: ArrayLike) -> tuple[Floats, ...]:
    """Return the series without the days on which one of them is missing."""
    series = [np.asarray(values, dtype=np.float64) for values in (returns, *told)]
    if any(s.ndim != 1 or s.shape != series[0].shape for s in series):
        shapes = ", ".join(str(s.shape) for s in series)
        message = f"Returns and forecasts have shapes {shapes}; give one forecast per return."
        raise Invalid(message, code="risk.grades.shape")
    if any(np.isinf(s).any() for s in series):
        message = "Returns or forecasts hold an infinite value; repair what they come from."
        raise Invalid(message, code="risk.not_finite")
    known = ~np.any([np.isnan(s) for s in series], axis=0)
    if int(known.sum()) < MIN_FORECASTS:
        message = f"{int(known.sum())} forecast(s) with a return; at least {MIN_FORECASTS} needed."
        raise Invalid(message, code="risk.grades.too_few")
    return tuple(s[known] for s in series)


def kupiec(flags: Flags, level: float) -> Verdict:
    """Test whether exceptions are as many as told: proportion of failures, two-sided.

    Notes
    -----
    LR = 2 log of the likelihood at x/n over that at 1 - level; exact p-value: the binomial
    probability of every count whose ratio is at least as great.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3(2).
    """
    n, x = len(flags), int(flags.sum())
    ratios, chances = _counts(n, tail_of(level))
    found = float(ratios[x])
    tie = float(chances[np.abs(ratios - found) <= SAME].sum())
    p_value = float(chances[ratios >= found - SAME].sum())
    return Verdict("kupiec", found, min(1.0, p_value), tie, chi_square_tail(found, 1))


def kupiec_p_values(days: int, level: float) -> Floats:
    """Return ``kupiec``'s p-value of every number of exceptions, ``(days + 1,)``."""
    ratios, chances = _counts(days, tail_of(level))
    order = np.argsort(ratios, kind="stable")
    above = np.concatenate([np.cumsum(chances[order][::-1])[::-1], [0.0]])
    found = above[np.searchsorted(ratios[order], ratios - SAME)]
    return np.asarray(np.minimum(found, 1.0))


def too_many(flags: Flags, level: float) -> Verdict:
    """Test whether exceptions are more than told: Kupiec's count, one-sided.

    Notes
    -----
    Against any greater chance of an exception no test of the days' exceptions sees more (Neyman
    and Pearson; the binomial law has a monotone likelihood ratio). A VaR told too large is not
    its to see.
    """
    n, x = len(flags), int(flags.sum())
    chances = _counts(n, tail_of(level))[1]
    return Verdict("too_many", float(x), min(1.0, float(chances[x:].sum())), float(chances[x]))


def independence(flags: Flags) -> Verdict:
    """Test whether an exception makes one on the next day more or less likely.

    Notes
    -----
    Christoffersen's ratio of a first order Markov chain to independence. Exact p-value given the
    number of exceptions: arrangements are counted by their runs.

    References
    ----------
    Christoffersen (1998), International Economic Review 39(4).
    """
    n, x = len(flags), int(flags.sum())
    found = markov_ratio(*transitions(flags))
    ratios, chances = _arrangements(n, x)
    tie = float(chances[np.abs(ratios - found) <= SAME].sum())
    p_value = float(chances[ratios >= found - SAME].sum())
    return Verdict("independence", found, min(1.0, p_value), tie, chi_square_tail(found, 1))


def conditional_coverage(flags: Flags, level: float) -> Verdict:
    """Test number and independence of exceptions at once: the sum of both ratios."""
    n, x = len(flags), int(flags.sum())
    found = float(_counts(n, tail_of(level))[0][x]) + markov_ratio(*transitions(flags))
    ratios, chances = _joint(n, tail_of(level))
    tie = float(chances[np.abs(ratios - found) <= SAME].sum())
    p_value = float(chances[ratios >= found - SAME].sum())
    asymptotic = chi_square_tail(found, 2)
    return Verdict("conditional_coverage", found, min(1.0, p_value), tie, asymptotic)


def traffic_light(flags: Flags, level: float = BASEL_LEVEL) -> Light:
    """Return Basel's zone by the chance of as many exceptions or fewer under a right model.

    Yellow begins at 95 %, red at 99.99 %, for any number of days and level.

    References
    ----------
    Basel Committee (1996), Supervisory framework for the use of backtesting; (2019), MAR32, MAR33.
    """
    n, x = len(flags), int(flags.sum())
    chances = _counts(n, tail_of(level))[1]
    chance = min(1.0, float(chances[: x + 1].sum()))
    zone = "red" if chance >= RED else "yellow" if chance >= YELLOW else "green"
    if n != BASEL_DAYS or not math.isclose(level, BASEL_LEVEL):
        return Light(zone, chance, None, None)
    at = min(x, len(PLUS) - 1)
    return Light(zone, chance, PLUS[at], MULTIPLIER[at])


def transitions(flags: Flags) -> tuple[int, int, int, int]:
    """Return how often quiet follows quiet, exception quiet, quiet exception, exception itself."""
    before, after = flags[:-1], flags[1:]
    return (
        int((~before & ~after).sum()),
        int((~before & after).sum()),
        int((before & ~after).sum()),
        int((before & after).sum()),
    )


def markov_ratio(n00: int, n01: int, n10: int, n11: int) -> float:
    """Return the likelihood ratio of independence against a first order Markov chain."""
    alone = _log_likelihood(n00 + n10, n01 + n11)
    chain = _log_likelihood(n00, n01) + _log_likelihood(n10, n11)
    return max(0.0, 2.0 * (chain - alone))


def _log_likelihood(misses: int, hits: int) -> float:
    total = misses + hits
    return _x_log(misses, total) + _x_log(hits, total)


def _x_log(count: int, total: int) -> float:
    return count * math.log(count / total) if count else 0.0


def chi_square_tail(value: float, degrees: int) -> float:
    """Return the chance that chi-square with 1 or 2 degrees of freedom exceeds ``value``."""
    if degrees == 1:
        return math.erfc(math.sqrt(max(value, 0.0) / 2.0))
    return math.exp(-max(value, 0.0) / 2.0)


@lru_cache(maxsize=64)
def _counts(n: int, tail: float) -> tuple[Floats, Floats]:
    """Return by number of exceptions 0..n: the ratio, and its probability."""
    x = np.arange(n + 1)
    chances = np.exp(_log_choose(n, x) + x * math.log(tail) + (n - x) * math.log1p(-tail))
    told = x * math.log(tail) + (n - x) * math.log1p(-tail)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.where(x > 0, x * np.log(x / n), 0.0) + np.where(
            x < n, (n - x) * np.log1p(-x / n), 0.0
        )
    return np.maximum(0.0, 2.0 * (seen - told)), chances


@lru_cache(maxsize=1024)
def _arrangements(n: int, x: int) -> tuple[Floats, Floats]:
    """Return ratios and chances of the arrangements of ``x`` exceptions among ``n`` days.

    With r runs of exceptions, and f, l telling whether the first and the last day is one, there
    are C(x-1, r-1) C(n-x-1, r-f-l) of them: z = r + 1 - f - l runs of quiet days.
    """
    if x in {0, n}:
        return np.zeros(1), np.ones(1)
    ratios, logs = [], []
    whole = float(_log_choose(n, np.array([x]))[0])
    quiet = n - x
    for first in (0, 1):
        for last in (0, 1):
            runs = np.arange(1, x + 1)
            gaps = runs + 1 - first - last
            runs = runs[(gaps >= 1) & (gaps <= quiet)]
            ways = _log_choose(x - 1, runs - 1) + _log_choose(quiet - 1, runs - first - last)
            logs.append(ways - whole)
            n01, n10, n11 = runs - first, runs - last, x - runs
            n00 = quiet - (runs + 1 - first - last)
            ratios.append(_markov_ratios(n00, n01, n10, n11))
    return np.concatenate(ratios), np.exp(np.concatenate(logs))


def _markov_ratios(n00: Counts, n01: Counts, n10: Counts, n11: Counts) -> Floats:
    def likelihood(misses: Counts, hits: Counts) -> Floats:
        total = np.maximum(misses + hits, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(misses > 0, misses * np.log(misses / total), 0.0) + np.where(
                hits > 0, hits * np.log(hits / total), 0.0
            )

    alone = likelihood(n00 + n10, n01 + n11)
    return np.maximum(0.0, 2.0 * (likelihood(n00, n01) + likelihood(n10, n11) - alone))


@lru_cache(maxsize=64)
def _joint(n: int, tail: float) -> tuple[Floats, Floats]:
    """Return ratios and chances of conditional coverage over counts and arrangements."""
    counted, chances = _counts(n, tail)
    ratios, weights = [], []
    for x in np.flatnonzero(chances > NEGLIGIBLE):
        inner, given = _arrangements(n, int(x))
        ratios.append(counted[x] + inner)
        weights.append(chances[x] * given)
    return np.concatenate(ratios), np.concatenate(weights)


def _log_choose(n: int, k: NDArray[np.int64]) -> Floats:
    table = _log_factorials(n)
    return np.asarray(table[n] - table[k] - table[n - k])


@lru_cache(maxsize=64)
def _log_factorials(n: int) -> Floats:
    return np.array([math.lgamma(i + 1.0) for i in range(n + 1)])
