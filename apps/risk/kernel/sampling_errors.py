"""How far VaR and ES may be off because the sample is one of many: standard errors, named."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from apps.risk.kernel.conventions import Tail, Terms
from apps.risk.kernel.empirical import age_weights, sample_tail, weighted_tail
from apps.risk.kernel.filtered import (
    Garch,
    ewma_variances,
    fit_garch,
    garch_variances,
    variance_over,
)
from apps.risk.kernel.parametric import (
    NORMAL,
    cornish_fisher_quantile,
    cornish_fisher_shortfall,
    gaussian_tail,
    student_tail,
)
from apps.risk.kernel.samples import Floats, moments, moments_over, over_horizon

RESAMPLES = 200
ORDER = "order statistics (Maritz-Jarrett) for VaR, asymptotic for ES"
ASYMPTOTIC = "asymptotic, by the delta method"
# Of the Maritz-Jarrett weights only those that count are summed.
REACH = 12.0


@dataclass(frozen=True, slots=True)
class Errors:
    """Standard errors of VaR and ES, and how they were found."""

    var: float
    es: float
    how: str


def of_sample(sample: Floats, tail: float, *, stretch: int = 1) -> Errors:
    """Return the errors of a sample's quantile and of the mean beyond it.

    Parameters
    ----------
    stretch
        Periods in each observation that overlap: the errors grow with its root.

    Notes
    -----
    VaR: the standard deviation of the order statistic by the weights of Maritz and Jarrett, the
    tail's share of n + 1 rounded down to a rank. ES: that of (q - r)+ over the tail and root n.

    References
    ----------
    Maritz and Jarrett (1978), JASA 73. Manistre and Hancock (2005), North American Actuarial
    Journal 9(2), without the second order term.
    """
    var = maritz_jarrett(np.sort(sample), tail)
    at = -sample_tail(sample, tail)[0]
    beyond = np.maximum(at - sample, 0.0)
    es = float(np.std(beyond)) / tail / math.sqrt(sample.size)
    root = math.sqrt(stretch)
    how = ORDER if stretch == 1 else f"{ORDER}, times the root of the horizon for the overlap"
    return Errors(var * root, es * root, how)


def maritz_jarrett(ordered: Floats, tail: float) -> float:
    """Return the standard error of the ``tail`` quantile of a sorted sample."""
    from scipy.special import betainc

    n = ordered.size
    m = int(tail * n + 0.5)
    a, b = max(m - 1.0, 0.5), n - m + 0.0
    centre, spread = a / n, math.sqrt(a * b) / n / math.sqrt(n)
    first = max(int((centre - REACH * spread) * n) - 2, 0)
    last = min(int((centre + REACH * spread) * n) + 2, n)
    edges = betainc(a, b, np.arange(first, last + 1) / n)
    weights = np.diff(edges)
    values = ordered[first:last]
    mean = float(weights @ values)
    square = float(weights @ values**2)
    return math.sqrt(max(square - mean**2, 0.0))


def of_gaussian(sample: Floats, terms: Terms) -> Errors:
    """Return the errors under a normal law: of the mean s^2/n, of the deviation s^2/2n."""
    found = moments(sample, ddof=terms.ddof)
    n, h = sample.size, terms.horizon
    z = NORMAL.inv_cdf(terms.tail)

    def error(weight: float) -> float:
        return found.sd * math.sqrt(h * h / n + h * weight**2 / (2.0 * n))

    return Errors(error(z), error(NORMAL.pdf(z) / terms.tail), ASYMPTOTIC)


def of_cornish_fisher(sample: Floats, terms: Terms) -> Errors:
    """Return the spread over resamples of the moments."""
    z, tail = NORMAL.inv_cdf(terms.tail), terms.tail

    def figures(again: Floats) -> tuple[float, float]:
        found = moments_over(moments(again, ddof=terms.ddof), terms.horizon)
        h = cornish_fisher_quantile(z, found)
        return -(found.mean + h * found.sd), cornish_fisher_shortfall(found, h, tail)

    return _bootstrap(sample, figures, terms.seed)


def _bootstrap(
    sample: Floats, figures: Callable[[Floats], tuple[float, float]], seed: int
) -> Errors:
    rng = np.random.default_rng(seed)
    picks = (rng.integers(0, sample.size, sample.size) for _ in range(RESAMPLES))
    spread = np.std(np.array([figures(sample[pick]) for pick in picks]), axis=0, ddof=1)
    how = f"bootstrap, {RESAMPLES} resamples, seed {seed}"
    return Errors(float(spread[0]), float(spread[1]), how)


def of_age_weighted(sample: Floats, terms: Terms) -> Errors:
    """Return the spread over resamples of as many observations as the weights count for."""
    stretches = over_horizon(sample, terms.horizon)
    weights = age_weights(stretches.size, terms.ageing)
    count = max(int(1.0 / float(np.sum(weights**2))), 2)
    rng = np.random.default_rng(terms.seed)
    even = np.full(count, 1.0 / count)
    found = []
    for _ in range(RESAMPLES):
        again = rng.choice(stretches, count, p=weights)
        found.append(weighted_tail(again, even, terms.tail, linear=terms.quantile == "linear"))
    spread = np.std(np.array(found), axis=0, ddof=1)
    how = f"bootstrap of the weighted sample at its effective size, {RESAMPLES} resamples"
    return Errors(float(spread[0]), float(spread[1]), how)


def of_student(sample: Floats, terms: Terms, tail: Tail) -> Errors:
    """Return the errors from the curvature of the likelihood at its top."""
    law = tail.figures
    at = np.array([law["location"], math.log(law["scale"]), math.log(law["degrees"])])
    h = terms.horizon

    def loss(x: Floats) -> float:
        from scipy.special import gammaln

        scale, nu = math.exp(x[1]), math.exp(x[2])
        square = ((sample - x[0]) / scale) ** 2
        fixed = 0.5 * math.log(nu * math.pi) + gammaln(nu / 2.0) - gammaln((nu + 1.0) / 2.0)
        body = 0.5 * (nu + 1.0) * float(np.sum(np.log1p(square / nu)))
        return body + sample.size * (float(x[1]) + float(fixed))

    def figures(x: Floats) -> Floats:
        scale = math.sqrt(h) * math.exp(x[1])
        return np.array(student_tail(h * float(x[0]), scale, math.exp(x[2]), terms.tail))

    steps = np.array([1e-3 * law["scale"], 1e-3, 1e-2])
    return _delta(loss, figures, at, steps)


def _delta(
    loss: Callable[[Floats], float],
    figures: Callable[[Floats], Floats],
    at: Floats,
    steps: Floats,
) -> Errors:
    """Return errors from the inverse curvature of ``loss`` and the slopes of ``figures``."""
    spread = np.linalg.pinv(curvature(loss, at, steps), hermitian=True)
    moves = np.diag(steps)
    slopes = np.array(
        [(figures(at + move) - figures(at - move)) / (2.0 * move.sum()) for move in moves]
    )
    variance = np.einsum("ik,ij,jk->k", slopes, spread, slopes)
    errors = np.sqrt(np.maximum(variance, 0.0))
    return Errors(float(errors[0]), float(errors[1]), ASYMPTOTIC)


def curvature(loss: Callable[[Floats], float], at: Floats, steps: Floats) -> Floats:
    """Return the matrix of second derivatives by central differences."""
    moves, k = np.diag(steps), len(at)
    out = np.empty((k, k))
    for i in range(k):
        for j in range(i, k):
            a, b = moves[i], moves[j]
            total = loss(at + a + b) - loss(at + a - b) - loss(at - a + b) + loss(at - a - b)
            out[i, j] = out[j, i] = total / (4.0 * steps[i] * steps[j])
    return out


def of_ewma(sample: Floats, terms: Terms) -> Errors:
    """Return the errors of an exponentially weighted variance under a normal law."""
    forecast = float(ewma_variances(sample, terms.decay)[-1])
    weights = age_weights(sample.size, terms.decay)
    sd = math.sqrt(forecast * terms.horizon)
    error = sd * math.sqrt(float(np.sum(weights**2)) / 2.0)
    z = NORMAL.inv_cdf(terms.tail)
    return Errors(abs(z) * error, NORMAL.pdf(z) / terms.tail * error, ASYMPTOTIC)


def of_garch(sample: Floats, terms: Terms) -> Errors:
    """Return the errors from the curvature of the likelihood of GARCH(1,1)."""
    law = fit_garch(sample)
    at = np.array([law.mean, law.omega, law.alpha, law.beta])

    def figures(x: Floats) -> Floats:
        mean, omega, alpha, beta = (float(value) for value in x)
        tried = Garch(mean, max(omega, 0.0), max(alpha, 0.0), beta, math.nan)
        forecast = float(garch_variances(sample, tried)[-1])
        sd = math.sqrt(max(variance_over(tried, forecast, terms.horizon), 0.0))
        return np.array(gaussian_tail(mean * terms.horizon, sd, terms.tail))

    return _delta(garch_loss_of(sample), figures, at, garch_steps(sample, law))


def garch_loss_of(sample: Floats) -> Callable[[Floats], float]:
    """Return the negative log likelihood of a sample by mean, omega, alpha, beta."""
    from apps.risk.kernel.measure_loops import garch_loss_1d

    floor = 1e-12 * float(np.var(sample))

    def loss(x: Floats) -> float:
        mean, omega, alpha, beta = (float(value) for value in x)
        return float(garch_loss_1d(sample, mean, omega, alpha, beta, floor))

    return loss


def garch_steps(sample: Floats, law: Garch) -> Floats:
    """Return steps for differences around a law, small beside its parameters."""
    apart = 1e-2 * min(1.0 - law.persistence, max(law.alpha, 1e-3), law.beta)
    return np.array([1e-3 * float(sample.std()), 1e-2 * law.omega, apart, apart])


def of_filtered(sample: Floats, terms: Terms, made: Floats) -> Errors:
    """Return the errors of a filtered sample, the filter taken as known."""
    found = of_sample(made, terms.tail)
    scale = math.sqrt(made.size / sample.size) if terms.horizon > 1 else 1.0
    return Errors(found.var * scale, found.es * scale, f"{found.how}; the filter taken as known")


def of_extreme_value(terms: Terms, tail: Tail) -> Errors:
    """Return the errors of shape, scale and of how many losses pass the threshold.

    References
    ----------
    Smith (1987), Annals of Statistics 15(3): the variance of the estimates for a shape over -1/2.
    """
    figures = tail.figures
    shape, scale, count = figures["shape"], figures["scale"], figures["excesses"]
    share, threshold = figures["share"], figures["threshold"]

    def both(xi: float, beta: float, part: float) -> Floats:
        grown = math.expm1(-xi * math.log(terms.tail / part)) / xi
        var = threshold + beta * grown
        return np.array([var, (var + beta - xi * threshold) / (1.0 - xi)])

    xi = shape if abs(shape) > 1e-6 else 1e-6
    at, steps = np.array([xi, scale, share]), np.array([1e-5, 1e-5 * scale, 1e-5 * share])
    slopes = np.array(
        [(both(*(at + m)) - both(*(at - m))) / (2.0 * m.sum()) for m in np.diag(steps)]
    )
    spread = np.zeros((3, 3))
    spread[0, 0] = (1.0 + xi) ** 2 / count
    spread[0, 1] = spread[1, 0] = -(1.0 + xi) * scale / count
    spread[1, 1] = 2.0 * (1.0 + xi) * scale**2 / count
    spread[2, 2] = share * (1.0 - share) / (count / share)
    variance = np.einsum("ik,ij,jk->k", slopes, spread, slopes) * terms.horizon
    errors = np.sqrt(np.maximum(variance, 0.0))
    return Errors(float(errors[0]), float(errors[1]), ASYMPTOTIC)
