"""One-step-ahead forecasts of value at risk and expected shortfall, each from the days before it.

The forecast of day t is made from the ``window`` returns before t and from nothing else, and is
the figure that ``measures.tail_by`` gives for that window. Methods without a fit are forecast for
all days at once; those with one are fitted anew every ``REFIT`` days: GARCH goes on filtering with
the law it has, the others keep their figure until then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from apps.core.errors import Invalid
from apps.risk.kernel import measures
from apps.risk.kernel.conventions import Terms
from apps.risk.kernel.empirical import age_weights, sample_tail
from apps.risk.kernel.filtered import filtered_sample, fit_garch, garch_variances
from apps.risk.kernel.monte_carlo import simulate
from apps.risk.kernel.parametric import fit_student, gaussian_tail, student_tail
from apps.risk.kernel.samples import Floats, clean_returns, tail_of

WINDOW = 250
# A shorter history is halved into window and test; below this it says nothing.
MIN_WINDOW, MIN_DAYS = 60, 60
REFIT = 20
# What Monte Carlo draws for a grade: fewer than for a report, so that a night has an end.
DRAWS = 4_096
# Positions times fits of one book: past it, fits are further apart.
MOST_FITTED = 500
NORMAL = NormalDist()
HOUSE = Terms()


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Value at risk and shortfall told for each of the days after the first window."""

    var: Floats
    es: Floats


@dataclass(frozen=True, slots=True)
class _Case:
    """The windows before each day that is forecast, and the tails asked for."""

    windows: Floats
    tails: tuple[float, ...]

    @property
    def days(self) -> int:
        return len(self.windows)


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


def forecast(
    returns: ArrayLike, levels: Sequence[float], model: str, *, window: int = WINDOW
) -> dict[float, Forecasts]:
    """Return by level the forecasts of ``model`` for day ``window`` and all after it.

    Raises
    ------
    Invalid
        ``risk.method``, ``risk.level``, ``risk.grades.too_few``, ``risk.grades.constant``, those
        of ``clean_returns`` and of the method.
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
    tails = tuple(tail_of(level) for level in levels)
    return dict(zip(levels, MODELS[model](_Case(windows, tails)), strict=True))


def _historical(case: _Case) -> list[Forecasts]:
    ranked = np.sort(case.windows, axis=1)
    return [_empirical(ranked, tail) for tail in case.tails]


def _empirical(ranked: Floats, tail: float) -> Forecasts:
    """Return quantile (type 7) and mean at or below it of sorted rows, as losses."""
    at = tail * (ranked.shape[1] - 1)
    low = int(at)
    high = min(low + 1, ranked.shape[1] - 1)
    quantile = ranked[:, low] + (at - low) * (ranked[:, high] - ranked[:, low])
    inside = ranked <= quantile[:, None]
    mean = np.where(inside, ranked, 0.0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return Forecasts(-quantile, np.maximum(-mean, -quantile))


def _age_weighted(case: _Case) -> list[Forecasts]:
    weights = age_weights(case.windows.shape[1], HOUSE.ageing)
    order = np.argsort(case.windows, axis=1, kind="stable")
    ranked = np.take_along_axis(case.windows, order, axis=1)
    placed = weights[order]
    return [_weighted(ranked, placed, tail) for tail in case.tails]


def _weighted(ranked: Floats, weights: Floats, tail: float) -> Forecasts:
    """Return what ``empirical.weighted_tail`` gives for every row."""
    rows = np.arange(len(ranked))
    sums = np.cumsum(weights, axis=1)
    reach = np.minimum((sums < tail - 1e-12).sum(axis=1), ranked.shape[1] - 1)
    under = np.maximum(reach - 1, 0)
    inside = np.arange(ranked.shape[1])[None, :] < reach[:, None]
    before = np.where(reach > 0, sums[rows, under], 0.0)
    step = np.maximum(sums[rows, reach] - sums[rows, under], 1e-300)
    share = np.where(reach > 0, (tail - before) / step, 1.0)
    low, high = ranked[rows, under], ranked[rows, reach]
    at = low + np.clip(share, 0.0, 1.0) * (high - low)
    mean = (np.where(inside, weights * ranked, 0.0).sum(axis=1) + (tail - before) * high) / tail
    return Forecasts(-at, np.maximum(-mean, -at))


def _gaussian(case: _Case) -> list[Forecasts]:
    mean, sd = case.windows.mean(axis=1), case.windows.std(axis=1)
    return [_normal(mean, sd, tail) for tail in case.tails]


def _normal(mean: Floats, sd: Floats, tail: float) -> Forecasts:
    z = NORMAL.inv_cdf(tail)
    return Forecasts(-(mean + z * sd), -mean + sd * NORMAL.pdf(z) / tail)


def _cornish_fisher(case: _Case) -> list[Forecasts]:
    mean, sd = case.windows.mean(axis=1), case.windows.std(axis=1)
    gaps = (case.windows - mean[:, None]) / np.maximum(sd, 1e-300)[:, None]
    shapes = (gaps**3).mean(axis=1), (gaps**4).mean(axis=1) - 3.0
    return [_bent(mean, sd, *shapes, tail) for tail in case.tails]


def _bent(mean: Floats, sd: Floats, skew: Floats, kurt: Floats, tail: float) -> Forecasts:
    z = NORMAL.inv_cdf(tail)
    h = z + (z**2 - 1) * skew / 6 + (z**3 - 3 * z) * kurt / 24 - (2 * z**3 - 5 * z) * skew**2 / 36
    shape = 1 + h**3 * skew / 6 + (h**4 - 2 * h**2 - 1) * kurt / 24
    shape += (h**6 - 9 * h**4 + 9 * h**2 + 3) * skew**2 / 72
    density = np.exp(-0.5 * h**2) / math.sqrt(2.0 * math.pi)
    return Forecasts(-(mean + h * sd), -mean + sd * np.maximum(density / tail * shape, -h))


def _variances(windows: Floats) -> Floats:
    """Return ``(days, window + 1)`` EWMA variances along every window; the last is told."""
    squares = windows**2
    found = np.empty((len(squares), squares.shape[1] + 1))
    found[:, 0] = squares.mean(axis=1)
    for t in range(squares.shape[1]):
        found[:, t + 1] = HOUSE.decay * found[:, t] + (1.0 - HOUSE.decay) * squares[:, t]
    return np.maximum(found, 1e-300)


def _ewma(case: _Case) -> list[Forecasts]:
    sd = np.sqrt(_variances(case.windows)[:, -1])
    return [_normal(np.zeros(len(sd)), sd, tail) for tail in case.tails]


def _fhs(case: _Case) -> list[Forecasts]:
    sd = np.sqrt(_variances(case.windows))
    ranked = np.sort(case.windows / sd[:, :-1] * sd[:, -1:], axis=1)
    return [_empirical(ranked, tail) for tail in case.tails]


def _blocks(case: _Case) -> Iterator[range]:
    for start in range(0, case.days, REFIT):
        yield range(start, min(start + REFIT, case.days))


def _garch_with(tail_at: Callable[..., tuple[float, float]]) -> Model:
    def forecasts(case: _Case) -> list[Forecasts]:
        found = np.empty((len(case.tails), 2, case.days))
        for block in _blocks(case):
            law = fit_garch(case.windows[block[0]])
            for day in block:
                window = case.windows[day]
                variances = garch_variances(window, law)
                for i, tail in enumerate(case.tails):
                    found[i, :, day] = tail_at(window, variances, law.mean, tail)
        return [Forecasts(var, es) for var, es in found]

    return forecasts


def _garch_normal(
    window: Floats, variances: Floats, mean: float, tail: float
) -> tuple[float, float]:
    del window
    return gaussian_tail(mean, math.sqrt(float(variances[-1])), tail)


def _garch_filtered(
    window: Floats, variances: Floats, mean: float, tail: float
) -> tuple[float, float]:
    return sample_tail(filtered_sample(window, variances, mean), tail)


def _student(case: _Case) -> list[Forecasts]:
    def told(window: Floats) -> list[tuple[float, float]]:
        law = fit_student(window)
        return [student_tail(law.location, law.scale, law.degrees, tail) for tail in case.tails]

    return _kept(case, told)


def _evt(case: _Case) -> list[Forecasts]:
    def told(window: Floats) -> list[tuple[float, float]]:
        found = [measures.tail_by(window, "evt", Terms(level=1.0 - tail)) for tail in case.tails]
        return [(tail.var, tail.es) for tail in found]

    return _kept(case, told)


def _kept(case: _Case, told: Callable[[Floats], list[tuple[float, float]]]) -> list[Forecasts]:
    """Return the forecasts of a law that is fitted to the window every ``REFIT`` days."""
    found = np.empty((len(case.tails), 2, case.days))
    for block in _blocks(case):
        figures = np.array(told(np.ascontiguousarray(case.windows[block[0]])))
        found[:, :, block[0] : block[-1] + 1] = figures[:, :, None]
    return [Forecasts(var, es) for var, es in found]


def _monte_carlo(case: _Case) -> list[Forecasts]:
    def told(window: Floats) -> list[tuple[float, float]]:
        return _simulated(window[:, None], np.ones(1), case.tails)

    return _kept(case, told)


def _simulated(
    columns: Floats, weights: Floats, tails: Sequence[float]
) -> list[tuple[float, float]]:
    drawn = simulate(columns, weights, Terms(draws=DRAWS)).returns.ravel()
    return [sample_tail(drawn, tail) for tail in tails]


def refit_every(days: int, positions: int) -> int:
    """Return every how many days a book's positions are fitted anew."""
    return max(REFIT, math.ceil(days * positions / MOST_FITTED))


def forecast_positions(
    columns: Floats, weights: Floats, levels: Sequence[float], *, window: int = WINDOW
) -> dict[float, Forecasts]:
    """Return by level what Monte Carlo tells of a book of fixed weights, position by position.

    Parameters
    ----------
    columns
        ``(n, m)`` returns without holes; the first forecast is of row ``window``.
    weights
        ``(m,)`` shares of equity.

    Notes
    -----
    Margins and copula are fitted to the ``window`` rows before every ``refit_every``-th day, and
    stand until the next fit.
    """
    days = len(columns) - window
    tails = [tail_of(level) for level in levels]
    found = np.empty((len(tails), 2, days))
    for start in range(0, days, refit_every(days, columns.shape[1])):
        figures = _simulated(columns[start : start + window], weights, tails)
        found[:, :, start:] = np.array(figures)[:, :, None]
    return {level: Forecasts(var, es) for level, (var, es) in zip(levels, found, strict=True)}


Model = Callable[[_Case], list[Forecasts]]
# Of one series Monte Carlo is the Student t, drawn: see ``forecast_positions`` for books.
MODELS: dict[str, Model] = {
    "historical": _historical,
    "age_weighted": _age_weighted,
    "gaussian": _gaussian,
    "student": _student,
    "cornish_fisher": _cornish_fisher,
    "ewma": _ewma,
    "fhs": _fhs,
    "garch": _garch_with(_garch_normal),
    "fhs_garch": _garch_with(_garch_filtered),
    "evt": _evt,
    "monte_carlo": _monte_carlo,
}
