"""One-step-ahead forecasts of value at risk and expected shortfall, each from the days before it.

The forecast of day t is made from the ``window`` returns before t and from nothing else. Whole
series are forecast at once on sliding windows; the figures are those that ``value_at_risk`` and
``expected_shortfall`` give for the same window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from apps.core.errors import Invalid
from apps.risk.kernel.samples import Floats, clean_returns, tail_of
from apps.risk.kernel.value_at_risk import NORMAL

WINDOW = 250
# A shorter history is halved into window and test; below this it says nothing.
MIN_WINDOW, MIN_DAYS = 60, 60
DECAY = 0.94
AGE_DECAY = 0.98


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Value at risk and shortfall told for each of the days after the first window."""

    var: Floats
    es: Floats


@dataclass(frozen=True, slots=True)
class _Case:
    """Returns, the windows before each day that is forecast, and the tail asked for."""

    returns: Floats
    windows: Floats
    window: int
    tail: float


def window_for(count: int, asked: int = WINDOW) -> int:
    """Return the window for ``count`` returns: as asked, or half of a short history.

    Raises ``Invalid`` (``risk.grades.too_few``) when neither can be learned nor tested from.
    """
    window = min(asked, count // 2)
    if window < MIN_WINDOW or count - window < MIN_DAYS:
        least = MIN_WINDOW + MIN_DAYS
        message = f"{count} returns; {least} are needed: {MIN_WINDOW} to learn from, the rest to"
        raise Invalid(f"{message} be graded on.", code="risk.grades.too_few")
    return window


def forecast(returns: ArrayLike, level: float, model: str, *, window: int = WINDOW) -> Forecasts:
    """Return the forecasts of ``model`` for day ``window`` and all after it.

    Raises
    ------
    Invalid
        ``risk.method``, ``risk.level``, ``risk.grades.too_few``, ``risk.grades.constant`` and
        those of ``clean_returns``.
    """
    if model not in MODELS:
        message = f"There is no model {model!r}; graded are {', '.join(MODELS)}."
        raise Invalid(message, code="risk.method", details={"field": "model"})
    sample = clean_returns(returns)
    if len(sample) <= window or window < 2:
        message = f"{len(sample)} returns do not reach beyond a window of {window}."
        raise Invalid(message, code="risk.grades.too_few")
    if float(np.ptp(sample)) == 0.0:
        message = f"All {len(sample)} returns are {sample[0]:g}; there is no risk to be told."
        raise Invalid(message, code="risk.grades.constant")
    windows = np.lib.stride_tricks.sliding_window_view(sample, window)[:-1]
    return MODELS[model](_Case(sample, windows, window, tail_of(level)))


def _empirical(windows: Floats, tail: float) -> Forecasts:
    """Return quantile (type 7) and mean at or below it of every row, as losses."""
    ranked = np.sort(windows, axis=1)
    at = tail * (ranked.shape[1] - 1)
    low = int(at)
    high = min(low + 1, ranked.shape[1] - 1)
    quantile = ranked[:, low] + (at - low) * (ranked[:, high] - ranked[:, low])
    inside = ranked <= quantile[:, None]
    mean = np.where(inside, ranked, 0.0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return Forecasts(-quantile, -mean)


def _historical(case: _Case) -> Forecasts:
    return _empirical(case.windows, case.tail)


def _age_weighted(case: _Case) -> Forecasts:
    """Historical with weights that halve about every 34 days (Boudoukh, Richardson, Whitelaw)."""
    n = case.window
    weights = AGE_DECAY ** np.arange(n - 1, -1, -1.0)
    weights /= weights.sum()
    order = np.argsort(case.windows, axis=1, kind="stable")
    ranked = np.take_along_axis(case.windows, order, axis=1)
    mass = np.cumsum(weights[order], axis=1)
    at = np.argmax(mass >= case.tail - 1e-12, axis=1)
    quantile = ranked[np.arange(len(ranked)), at]
    inside = np.arange(n)[None, :] < at[:, None]
    below = np.where(inside, weights[order] * ranked, 0.0).sum(axis=1)
    before = np.where(inside, weights[order], 0.0).sum(axis=1)
    # The quantile's own day counts with what is missing to the whole tail.
    return Forecasts(-quantile, -(below + (case.tail - before) * quantile) / case.tail)


def _gaussian(case: _Case) -> Forecasts:
    return _normal(case.windows.mean(axis=1), case.windows.std(axis=1), case.tail)


def _normal(mean: Floats, sd: Floats, tail: float) -> Forecasts:
    z = NORMAL.inv_cdf(tail)
    return Forecasts(-(mean + z * sd), -mean + sd * NORMAL.pdf(z) / tail)


def _cornish_fisher(case: _Case) -> Forecasts:
    mean, sd = case.windows.mean(axis=1), case.windows.std(axis=1)
    gaps = (case.windows - mean[:, None]) / np.maximum(sd, 1e-300)[:, None]
    skew, kurt = (gaps**3).mean(axis=1), (gaps**4).mean(axis=1) - 3.0
    z = NORMAL.inv_cdf(case.tail)
    h = z + (z**2 - 1) * skew / 6 + (z**3 - 3 * z) * kurt / 24 - (2 * z**3 - 5 * z) * skew**2 / 36
    shape = 1 + h**3 * skew / 6 + (h**4 - 2 * h**2 - 1) * kurt / 24
    shape += (h**6 - 9 * h**4 + 9 * h**2 + 3) * skew**2 / 72
    density = np.exp(-0.5 * h**2) / np.sqrt(2 * np.pi)
    return Forecasts(-(mean + h * sd), -mean + sd * np.maximum(density / case.tail * shape, -h))


def _student_t(case: _Case) -> Forecasts:
    """Student t by moments: degrees of freedom from the kurtosis, never below 4.1."""
    from scipy import special

    mean, sd = case.windows.mean(axis=1), case.windows.std(axis=1)
    gaps = (case.windows - mean[:, None]) / np.maximum(sd, 1e-300)[:, None]
    kurt = np.maximum((gaps**4).mean(axis=1) - 3.0, 0.06)
    nu = 4.0 + 6.0 / kurt
    q = special.stdtrit(nu, case.tail)
    scale = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2)
    density = np.exp(scale) / np.sqrt(nu * np.pi) * (1 + q**2 / nu) ** (-(nu + 1) / 2)
    unit = sd * np.sqrt((nu - 2) / nu)
    return Forecasts(
        -(mean + unit * q), -mean + unit * density / case.tail * (nu + q**2) / (nu - 1)
    )


def _volatility(case: _Case) -> Floats:
    """Return the volatility told for every day and the one after the last (RiskMetrics).

    It starts from the first window's mean square; days of that window are never forecast.
    """
    squares = case.returns**2
    found = np.empty(len(squares) + 1)
    found[0] = squares[: case.window].mean()
    for t, square in enumerate(squares):
        found[t + 1] = DECAY * found[t] + (1.0 - DECAY) * square
    return np.sqrt(np.maximum(found, 1e-300))


def _ewma(case: _Case) -> Forecasts:
    sd = _volatility(case)[case.window : -1]
    return _normal(np.zeros(len(sd)), sd, case.tail)


def _filtered(case: _Case) -> Forecasts:
    """Historical simulation of returns in units of the day's EWMA volatility (Hull and White)."""
    sd = _volatility(case)
    units = case.returns / sd[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(units, case.window)[:-1]
    told, now = _empirical(windows, case.tail), sd[case.window : -1]
    return Forecasts(told.var * now, told.es * now)


Model = Callable[[_Case], Forecasts]
MODELS: dict[str, Model] = {
    "historical": _historical,
    "age_weighted": _age_weighted,
    "gaussian": _gaussian,
    "student_t": _student_t,
    "cornish_fisher": _cornish_fisher,
    "ewma": _ewma,
    "filtered": _filtered,
}
