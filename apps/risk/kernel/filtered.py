"""Tails of the volatility to come: EWMA, GARCH(1,1) and filtered historical simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Tail, Terms
from apps.risk.kernel.empirical import sample_tail
from apps.risk.kernel.parametric import gaussian_tail
from apps.risk.kernel.samples import Floats

MIN_EWMA, MIN_GARCH = 20, 100
# GARCH is fitted on returns in units of their own deviation; weights sum to less than this.
MOST_PERSISTENT = 0.99999
SIMULATED = "simulated paths of filtered shocks"


@dataclass(frozen=True, slots=True)
class Garch:
    """GARCH(1,1) with normal shocks: mean, omega, alpha, beta, log likelihood."""

    mean: float
    omega: float
    alpha: float
    beta: float
    log_likelihood: float

    @property
    def persistence(self) -> float:
        """How much of a shock to variance is left a period later."""
        return self.alpha + self.beta


def ewma_variances(sample: Floats, decay: float) -> Floats:
    """Return ``(n + 1,)`` variances of mean-zero returns by exponential weights.

    Notes
    -----
    v[t+1] = decay v[t] + (1 - decay) r[t]^2 from the mean square of the sample; the last is the
    forecast.

    References
    ----------
    J.P. Morgan/Reuters (1996), RiskMetrics Technical Document.
    """
    from apps.risk.kernel.measure_loops import variances_1d

    squares = sample**2
    found = variances_1d(squares, 0.0, 1.0 - decay, decay, float(squares.mean()))
    return np.asarray(found, dtype=np.float64)


def ewma(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of a normal law of mean 0 at the EWMA volatility to come (RiskMetrics)."""
    _enough(sample, MIN_EWMA, "EWMA")
    forecast = float(ewma_variances(sample, terms.decay)[-1])
    sd = math.sqrt(forecast * terms.horizon)
    reached = "one period" if terms.horizon == 1 else "variance times the horizon"
    figures = {"volatility": math.sqrt(forecast)}
    return Tail(*gaussian_tail(0.0, sd, terms.tail), reached, (), figures)


def fit_garch(sample: Floats) -> Garch:
    """Return the GARCH(1,1) of highest normal likelihood.

    Raises
    ------
    Invalid
        ``risk.too_few`` under 100 observations, ``risk.fit`` when no maximum is found.

    References
    ----------
    Bollerslev (1986), Journal of Econometrics 31. Fiorentini, Calzolari and Panattoni (1996),
    Journal of Applied Econometrics 11(4): the mean square stands before the first residual.
    """
    from scipy.optimize import minimize

    from apps.risk.kernel.measure_loops import garch_loss_1d

    _enough(sample, MIN_GARCH, "GARCH")
    centre, unit = float(sample.mean()), float(sample.std())
    scaled = (sample - centre) / unit
    # Log of omega; alpha and beta as shares of a total persistence, so that no bound is crossed.
    best = None
    for total, share in ((0.97, 0.08), (0.9, 0.2), (0.995, 0.04)):
        start = np.array([0.0, math.log(1.0 - total), _logit(total), _logit(share)])
        found = minimize(
            lambda at: float(garch_loss_1d(scaled, *_weights(at), 1e-10)) / len(scaled),
            start,
            method="BFGS",
            options={"gtol": 1e-7, "maxiter": 400},
        )
        if np.isfinite(found.fun) and (best is None or found.fun < best.fun - 1e-12):
            best = found
        if found.success and total == 0.97:
            break
    if best is None:
        message = "No GARCH(1,1) fits these returns; take ewma or fhs."
        raise Invalid(message, code="risk.fit", details={"field": "method"})
    mean, omega, alpha, beta = _weights(best.x)
    likelihood = -float(best.fun) * sample.size - sample.size * math.log(unit)
    return Garch(centre + unit * mean, unit**2 * omega, alpha, beta, likelihood)


def _weights(at: Floats) -> tuple[float, float, float, float]:
    total = MOST_PERSISTENT * _logistic(at[2])
    share = _logistic(at[3])
    return float(at[0]), math.exp(min(float(at[1]), 50.0)), total * share, total * (1.0 - share)


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(min(float(x), 40.0), -40.0)))


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def garch_variances(sample: Floats, law: Garch) -> Floats:
    """Return ``(n + 1,)`` variances of the law along the sample; the last is the forecast."""
    from apps.risk.kernel.measure_loops import variances_1d

    squares = (sample - law.mean) ** 2
    start = law.omega + law.persistence * float(squares.mean())
    found = variances_1d(squares, law.omega, law.alpha, law.beta, start)
    return np.asarray(found, dtype=np.float64)


def variance_over(law: Garch, forecast: float, horizon: int) -> float:
    """Return the expected variance of the sum of the next ``horizon`` returns."""
    kept = law.persistence
    level = law.omega / (1.0 - kept)
    return horizon * level + (forecast - level) * (1.0 - kept**horizon) / (1.0 - kept)


def garch(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of a normal law at the volatility that GARCH(1,1) expects."""
    law = fit_garch(sample)
    forecast = float(garch_variances(sample, law)[-1])
    sd = math.sqrt(variance_over(law, forecast, terms.horizon))
    var, es = gaussian_tail(law.mean * terms.horizon, sd, terms.tail)
    reached = "one period" if terms.horizon == 1 else "expected variance of the path"
    return Tail(var, es, reached, _told(law), _figures(law, forecast))


def _told(law: Garch) -> tuple[str, ...]:
    if law.persistence > 0.999:
        return (f"alpha + beta = {law.persistence:.4f}: shocks to volatility hardly fade.",)
    return ()


def _figures(law: Garch, forecast: float) -> dict[str, float]:
    return {
        "mean": law.mean,
        "omega": law.omega,
        "alpha": law.alpha,
        "beta": law.beta,
        "volatility": math.sqrt(forecast),
    }


def fhs(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of past returns, each brought to the EWMA volatility to come.

    References
    ----------
    Hull and White (1998), Journal of Risk 1(1).
    """
    _enough(sample, MIN_EWMA, "filtered history")
    variances = ewma_variances(sample, terms.decay)
    law = Garch(0.0, 0.0, 1.0 - terms.decay, terms.decay, math.nan)
    figures = {"volatility": math.sqrt(float(variances[-1]))}
    return _filtered(sample, variances, law, terms, (), figures)


def fhs_garch(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of past shocks of a GARCH(1,1), at the volatility to come.

    References
    ----------
    Barone-Adesi, Giannopoulos and Vosper (1999), Journal of Futures Markets 19(5).
    """
    law = fit_garch(sample)
    variances = garch_variances(sample, law)
    figures = _figures(law, float(variances[-1]))
    return _filtered(sample, variances, law, terms, _told(law), figures)


def filtered_sample(sample: Floats, variances: Floats, mean: float) -> Floats:
    """Return the past returns as they would be at the volatility to come."""
    shocks = (sample - mean) / np.sqrt(variances[:-1])
    return np.asarray(mean + math.sqrt(float(variances[-1])) * shocks, dtype=np.float64)


def _filtered(
    sample: Floats,
    variances: Floats,
    law: Garch,
    terms: Terms,
    notes: tuple[str, ...],
    figures: dict[str, float],
) -> Tail:
    if terms.horizon == 1:
        made = filtered_sample(sample, variances, law.mean)
        var, es = sample_tail(made, terms.tail, terms.quantile, terms.shortfall)
        return Tail(var, es, "one period", notes, figures)
    made = filtered_paths(sample, variances, law, terms)
    var, es = sample_tail(made, terms.tail, terms.quantile, terms.shortfall)
    told = (*notes, f"{made.size} simulated paths, seed {terms.seed}.")
    return Tail(var, es, SIMULATED, told, figures)


def filtered_paths(sample: Floats, variances: Floats, law: Garch, terms: Terms) -> Floats:
    """Return compounded returns of paths of drawn past shocks over the horizon."""
    from apps.risk.kernel.measure_loops import filtered_paths_1d

    shocks = (sample - law.mean) / np.sqrt(variances[:-1])
    draws = min(terms.draws, max(2_000, 8_000_000 // terms.horizon))
    picks = np.random.default_rng(terms.seed).integers(0, sample.size, (draws, terms.horizon))
    weights = (law.mean, law.omega, law.alpha, law.beta)
    found = filtered_paths_1d(picks, shocks, *weights, float(variances[-1]))
    return np.asarray(found, dtype=np.float64)


def _enough(sample: Floats, least: int, what: str) -> None:
    if sample.size < least:
        message = f"{sample.size} returns; {what} asks for {least} or more."
        raise Invalid(message, code="risk.too_few", details={"field": "method"})
