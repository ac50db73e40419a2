"""Tails of fitted laws: normal, Cornish-Fisher, Student t."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Tail, Terms
from apps.risk.kernel.empirical import historical
from apps.risk.kernel.samples import Floats, Moments, moments, moments_over

NORMAL = NormalDist()
INDEPENDENT = "moments of a sum of independent returns"
MIN_DEGREES, MAX_DEGREES = 1.05, 200.0
MIN_STUDENT = 20


def gaussian(sample: Floats, terms: Terms) -> Tail:
    """Return VaR -(m + z s) and ES -m + s phi(z) / tail of a normal law."""
    found = moments_over(moments(sample, ddof=terms.ddof), terms.horizon)
    return Tail(*gaussian_tail(found.mean, found.sd, terms.tail), _reached(terms))


def gaussian_tail(mean: float, sd: float, tail: float) -> tuple[float, float]:
    """Return VaR and ES of a normal law, losses positive."""
    z = NORMAL.inv_cdf(tail)
    return -(mean + z * sd), -mean + sd * NORMAL.pdf(z) / tail


def _reached(terms: Terms) -> str:
    return "one period" if terms.horizon == 1 else INDEPENDENT


def cornish_fisher(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of the Cornish-Fisher expansion, with its domain checked.

    Raises
    ------
    Invalid
        ``risk.cornish_fisher_domain`` outside the domain when ``terms.outside`` is ``refuse``.

    Notes
    -----
    Outside its domain the expansion is no distribution: a deeper tail may lose less. By
    ``terms.outside`` that is told beside the figure, refused, or answered historically.
    """
    found = moments_over(moments(sample, ddof=terms.ddof), terms.horizon)
    valid = in_domain(found.skewness, found.excess_kurtosis)
    said = (
        f"Skewness {found.skewness:.2f} and excess kurtosis {found.excess_kurtosis:.2f} lie "
        "outside the domain of the Cornish-Fisher expansion"
    )
    if not valid and terms.outside == "refuse":
        message = f"{said}; take another method, or outside=historical."
        raise Invalid(message, code="risk.cornish_fisher_domain", details={"field": "method"})
    if not valid and terms.outside == "historical":
        instead = historical(sample, terms)
        notes = (f"{said}: these are historical figures.", *instead.notes)
        return Tail(instead.var, instead.es, instead.scaling, notes, {"in_domain": 0.0})
    h = cornish_fisher_quantile(NORMAL.inv_cdf(terms.tail), found)
    var = -(found.mean + h * found.sd)
    es = cornish_fisher_shortfall(found, h, terms.tail)
    notes = () if valid else (f"{said}: do not rely on these figures.",)
    return Tail(var, es, _reached(terms), notes, {"in_domain": float(valid)})


def cornish_fisher_quantile(z: float, found: Moments) -> float:
    """Return the standard normal quantile ``z`` bent by skewness and excess kurtosis."""
    skew, kurt = found.skewness, found.excess_kurtosis
    return (
        z
        + (z**2 - 1.0) * skew / 6.0
        + (z**3 - 3.0 * z) * kurt / 24.0
        - (2.0 * z**3 - 5.0 * z) * skew**2 / 36.0
    )


def cornish_fisher_shortfall(found: Moments, h: float, tail: float) -> float:
    """Return the mean loss of the second order Edgeworth density below its quantile ``h``.

    Where that density turns negative and the mean falls below the VaR, the VaR is given.
    """
    shape = (
        1.0
        + h**3 * found.skewness / 6.0
        + (h**4 - 2.0 * h**2 - 1.0) * found.excess_kurtosis / 24.0
        + (h**6 - 9.0 * h**4 + 9.0 * h**2 + 3.0) * found.skewness**2 / 72.0
    )
    return -found.mean + found.sd * max(NORMAL.pdf(h) / tail * shape, -h)


def in_domain(skewness: float, excess_kurtosis: float) -> bool:
    """Tell whether the Cornish-Fisher quantile rises everywhere.

    Notes
    -----
    Its slope in z is (K/8 - S^2/6) z^2 + (S/3) z + 1 - K/8 + 5 S^2/36, which must not be negative
    for any z.

    References
    ----------
    Maillard (2012), A User's Guide to the Cornish Fisher Expansion.
    """
    square = excess_kurtosis / 8.0 - skewness**2 / 6.0
    constant = 1.0 - excess_kurtosis / 8.0 + 5.0 * skewness**2 / 36.0
    slack = 1e-12
    if abs(square) <= slack:
        return abs(skewness) <= slack and constant >= -slack
    return square > 0.0 and skewness**2 / 9.0 <= 4.0 * square * constant + slack


@dataclass(frozen=True, slots=True)
class StudentLaw:
    """A Student t law by location, scale and degrees of freedom, with its log likelihood."""

    location: float
    scale: float
    degrees: float
    log_likelihood: float


def fit_student(sample: Floats) -> StudentLaw:
    """Return the Student t law of highest likelihood, 1.05 to 200 degrees of freedom.

    Raises
    ------
    Invalid
        ``risk.too_few`` under 20 observations, ``risk.fit`` when no maximum is found.
    """
    from scipy.optimize import minimize

    if sample.size < MIN_STUDENT:
        message = f"{sample.size} returns; a Student t law asks for {MIN_STUDENT} or more."
        raise Invalid(message, code="risk.too_few", details={"field": "method"})
    centre = float(np.median(sample))
    spread = _spread(sample, centre)
    scaled = (sample - centre) / spread
    bounds = ((-20.0, 20.0), (-12.0, 6.0), (math.log(MIN_DEGREES), math.log(MAX_DEGREES)))
    start = np.array([0.0, 0.3, math.log(5.0)])
    found = minimize(
        _student_loss,
        start,
        args=(scaled,),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-14, "gtol": 1e-8, "maxiter": 500},
    )
    if not np.isfinite(found.fun):
        message = "No Student t law fits these returns; take the historical method."
        raise Invalid(message, code="risk.fit", details={"field": "method"})
    place, log_scale, log_degrees = (float(value) for value in found.x)
    loss = float(found.fun) * sample.size + sample.size * math.log(spread)
    return StudentLaw(
        centre + spread * place, spread * math.exp(log_scale), math.exp(log_degrees), -loss
    )


def _spread(sample: Floats, centre: float) -> float:
    """Return the median absolute deviation, or the standard deviation where that is nothing."""
    middle = float(np.median(np.abs(sample - centre)))
    return middle if middle > 1e-3 * float(np.std(sample)) else float(np.std(sample))


def _student_loss(at: Floats, scaled: Floats) -> tuple[float, Floats]:
    """Return the mean negative log likelihood and its slope in location, log scale, log df."""
    from scipy.special import digamma, gammaln

    scale, nu = math.exp(at[1]), math.exp(at[2])
    gap = (scaled - at[0]) / scale
    square = gap**2
    inner = np.log1p(square / nu)
    share = (nu + 1.0) / (nu + square)
    loss = (
        0.5 * (nu + 1.0) * float(inner.mean())
        + at[1]
        + 0.5 * math.log(nu * math.pi)
        + float(gammaln(nu / 2.0) - gammaln((nu + 1.0) / 2.0))
    )
    by_nu = (
        0.5 * float(inner.mean())
        - 0.5 * float((share * square).mean()) / nu
        + 0.5 / nu
        + 0.5 * float(digamma(nu / 2.0) - digamma((nu + 1.0) / 2.0))
    )
    slope = np.array(
        [-float((share * gap).mean()) / scale, 1.0 - float((share * square).mean()), by_nu * nu]
    )
    return loss, slope


def student(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of the Student t law of highest likelihood.

    Notes
    -----
    Sums of t are no t: over a horizon the location grows with it and the scale with its root,
    which keeps the tail of one period and so errs on the side of loss.
    """
    law = fit_student(sample)
    h = terms.horizon
    notes = []
    if law.degrees >= MAX_DEGREES - 0.01:
        notes.append(f"{MAX_DEGREES:.0f} degrees of freedom: the sample looks normal.")
    if law.degrees <= 2.0:
        notes.append(f"{law.degrees:.2f} degrees of freedom: the variance is infinite.")
    if h > 1:
        notes.append("The tail of one period is kept over the horizon.")
    var, es = student_tail(h * law.location, math.sqrt(h) * law.scale, law.degrees, terms.tail)
    figures = {"location": law.location, "scale": law.scale, "degrees": law.degrees}
    reached = "one period" if h == 1 else "location times h, scale times the root of h"
    return Tail(var, es, reached, tuple(notes), figures)


def student_tail(
    location: float, scale: float, degrees: float, tail: float
) -> tuple[float, float]:
    """Return VaR and ES of a Student t law, losses positive; ``degrees`` above 1."""
    from scipy.special import gammaln, stdtrit

    q = float(stdtrit(degrees, tail))
    height = math.exp(
        float(gammaln((degrees + 1.0) / 2.0) - gammaln(degrees / 2.0))
        - 0.5 * math.log(degrees * math.pi)
        - 0.5 * (degrees + 1.0) * math.log1p(q * q / degrees)
    )
    mean = height * (degrees + q * q) / (degrees - 1.0) / tail
    return -(location + scale * q), -location + scale * mean
