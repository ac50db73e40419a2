"""Backtests of expected shortfall: Acerbi and Szekely's Z1 and Z2, and the intercept regression.

All look at losses in units of the shortfall told for their day, so that a calm and a wild day
weigh the same, and all are one-sided: they speak against a shortfall told too small.

Their law under a right model depends on how heavy its tail is. It is drawn from the Student t
whose shortfall stands to its value at risk as the forecasts' do (the normal for the lightest):
20,000 samples by order statistics of the tail alone, from a fixed seed, so that the same forecasts
always get the same grade.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from apps.core.errors import Invalid
from apps.risk.kernel.exceptions import Verdict, paired
from apps.risk.kernel.samples import Floats, tail_of

DRAWS = 20_000
SEED = 20_140_912
# Degrees of freedom among which the tail of the forecasts is looked for; infinity is the normal.
SHAPES = (2.2, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 30.0, math.inf)
# The regression needs at least this many days in the tail.
MIN_TAIL = 3
GRID = 4000
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Law:
    """The statistics of samples under a right model, each sorted."""

    z1: Floats
    z2: Floats
    esr: Floats


def scaled_losses(returns: ArrayLike, var: ArrayLike, es: ArrayLike) -> tuple[Floats, Floats]:
    """Return losses in units of the shortfall told, and those beyond the value at risk (else 0).

    Raises ``Invalid``: ``risk.grades.es`` where a shortfall told is no loss.
    """
    gains, quantiles, shortfalls = paired(returns, var, es)
    if (shortfalls <= 0.0).any():
        count = int((shortfalls <= 0.0).sum())
        message = (
            f"{count} forecast(s) of expected shortfall are no loss; there is nothing to test"
        )
        raise Invalid(f"{message} against.", code="risk.grades.es")
    losses = -gains / shortfalls
    return losses, np.where(-gains > quantiles, losses, 0.0)


def z_tests(
    returns: ArrayLike, var: ArrayLike, es: ArrayLike, level: float, *, draws: int = DRAWS
) -> tuple[Verdict, Verdict]:
    """Return Acerbi and Szekely's first and second test.

    Notes
    -----
    Z1 = 1 - mean of the scaled losses beyond the VaR: given the exceptions, are they as deep as
    told. Without an exception it says nothing: statistic 0, p-value 1.
    Z2 = 1 - their sum / (days x (1 - level)): number and depth at once. Both are 0 on average
    under a right model and negative when the shortfall is told too small.

    References
    ----------
    Acerbi and Szekely (2014), Backtesting expected shortfall, Risk 27(11).
    """
    losses, beyond = scaled_losses(returns, var, es)
    tail, n = tail_of(level), len(losses)
    law = null_law(n, tail, shape_of(var, es, level), draws)
    count = int((beyond != 0.0).sum())
    first = 1.0 - float(beyond.sum()) / count if count else 0.0
    second = 1.0 - float(beyond.sum()) / (n * tail)
    chance = _share_below(law.z1, first) if count else 1.0
    return Verdict("z1", first, chance), Verdict("z2", second, _share_below(law.z2, second))


def regression_test(
    returns: ArrayLike, var: ArrayLike, es: ArrayLike, level: float, *, draws: int = DRAWS
) -> Verdict | None:
    """Return the intercept regression test of the shortfall, None with too few days in the tail.

    Notes
    -----
    The joint regression of VaR and ES on a constant alone, of the scaled losses: its minimiser is
    the sample quantile and the sample shortfall, the sandwich variance that of
    (loss - quantile)+ / tail. t = (shortfall - 1) / standard error; the VaR told is not looked at.

    References
    ----------
    Bayer and Dimitriadis (2022), Regression-based expected shortfall backtesting, Journal of
    Financial Econometrics 20(3): their intercept test, here on returns divided by the forecast so
    that its quantile equation is right under changing volatility.
    """
    losses, _ = scaled_losses(returns, var, es)
    tail, n = tail_of(level), len(losses)
    in_tail = math.ceil(n * tail - 1e-9)
    if in_tail < MIN_TAIL:
        return None
    top = np.sort(losses)[::-1][:in_tail]
    found = float(_regression(top[None, :], n, tail)[0])
    law = null_law(n, tail, shape_of(var, es, level), draws)
    return Verdict("esr", found, _share_below(-law.esr[::-1], -found))


def _regression(top: Floats, n: int, tail: float) -> Floats:
    """Return t for each row of descending losses in the tail, the last of them the quantile."""
    quantile = top[:, -1]
    over = top - quantile[:, None]
    shortfall = quantile + over.sum(axis=1) / (n * tail)
    mean = over.sum(axis=1) / n
    variance = np.maximum((over**2).sum(axis=1) / n - mean**2, 1e-300)
    return np.asarray((shortfall - 1.0) / (np.sqrt(variance / n) / tail))


def _share_below(sample: Floats, value: float) -> float:
    """Return how likely so small a statistic is: (1 + how many are as small) / (1 + draws)."""
    return (1.0 + float(np.searchsorted(sample, value, side="right"))) / (1.0 + len(sample))


def critical_value(name: str, n: int, level: float, shape: float, size: float = 0.05) -> float:
    """Return the value below (``esr``: above) which a test of ``size`` speaks against a model."""
    law = null_law(n, tail_of(level), shape, DRAWS)
    if name == "esr":
        return float(np.quantile(law.esr, 1.0 - size))
    return float(np.quantile(getattr(law, name), size))


def shape_of(var: ArrayLike, es: ArrayLike, level: float) -> float:
    """Return the degrees of freedom whose ES to VaR is nearest the forecasts' median."""
    quantiles, shortfalls = paired(var, es)
    usable = quantiles > 0.0
    if not usable.any():
        return math.inf
    ratio = float(np.median(shortfalls[usable] / quantiles[usable]))
    told = [tail_moments(shape, tail_of(level)) for shape in SHAPES]
    gaps = [abs(math.log(es_ / -q) - math.log(max(ratio, 1e-9))) for q, es_ in told]
    return SHAPES[int(np.argmin(gaps))]


@lru_cache(maxsize=256)
def tail_moments(shape: float, tail: float) -> tuple[float, float]:
    """Return the quantile (negative) and the shortfall (positive) of a standard t or normal."""
    if math.isinf(shape):
        z = NORMAL.inv_cdf(tail)
        return z, NORMAL.pdf(z) / tail
    from scipy import special

    q = float(special.stdtrit(shape, tail))
    scale = math.lgamma((shape + 1.0) / 2.0) - math.lgamma(shape / 2.0)
    density = (
        math.exp(scale)
        / math.sqrt(shape * math.pi)
        * (1.0 + q * q / shape) ** (-(shape + 1.0) / 2.0)
    )
    return q, density / tail * (shape + q * q) / (shape - 1.0)


@lru_cache(maxsize=256)
def null_law(n: int, tail: float, shape: float, draws: int = DRAWS) -> Law:
    """Return how the statistics of ``n`` days fall under a right model of that tail."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    in_tail = math.ceil(n * tail - 1e-9)
    spread = 7.0 * math.sqrt(n * tail * (1.0 - tail))
    kept = min(n, max(in_tail, math.ceil(n * tail + spread)) + 2)
    sums = np.cumsum(rng.standard_exponential((draws, kept)), axis=1)
    rest = rng.standard_gamma(n + 1 - kept, size=draws)
    ranks = sums / (sums[:, -1] + rest)[:, None]
    losses = _losses(ranks, shape, tail)
    hit = ranks < tail
    count, depth = hit.sum(axis=1), np.where(hit, losses, 0.0).sum(axis=1)
    first = np.where(count > 0, 1.0 - depth / np.maximum(count, 1), 0.0)
    esr = _regression(losses[:, :in_tail], n, tail) if in_tail >= MIN_TAIL else np.zeros(draws)
    return Law(np.sort(first), np.sort(1.0 - depth / (n * tail)), np.sort(esr))


def _losses(ranks: Floats, shape: float, tail: float) -> Floats:
    """Return losses in units of the shortfall, by their probability from below.

    Quantiles are read off a grid in the logarithm of the probability: exact to 1e-6.
    """
    from scipy import special

    low, high = math.log(max(ranks.min(), 1e-300)), math.log(max(ranks.max(), 1e-300))
    points = np.linspace(low, high, GRID)
    chances = np.minimum(np.exp(points), 1.0 - 1e-12)
    values = special.ndtri(chances) if math.isinf(shape) else special.stdtrit(shape, chances)
    found = np.interp(np.log(ranks), points, values) / tail_moments(shape, tail)[1]
    return np.asarray(-found, dtype=np.float64)
