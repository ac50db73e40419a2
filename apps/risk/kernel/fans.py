"""The fan of a book: VaR at several levels over every horizon to come, by one fit of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Terms
from apps.risk.kernel.empirical import sample_tail
from apps.risk.kernel.filtered import (
    Garch,
    ewma_variances,
    filtered_paths,
    filtered_sample,
    fit_garch,
    garch_variances,
    variance_over,
)
from apps.risk.kernel.measures import tail_by, terms_of
from apps.risk.kernel.parametric import fit_student, gaussian_tail, student_tail
from apps.risk.kernel.samples import Floats, clean_returns, moments

FAN_LEVELS = (0.90, 0.95, 0.975, 0.99)
HORIZONS = tuple(range(1, 21))
Vars = Callable[[int, Sequence[float]], list[float]]


@dataclass(frozen=True, slots=True)
class Fan:
    """VaR by level, a figure for every horizon; a level that can't be told says why."""

    method: str
    horizons: tuple[int, ...]
    levels: tuple[float, ...]
    var: dict[float, list[float]]
    why_not: dict[float, str]


def fan_ahead(
    returns: Floats,
    method: str,
    *,
    levels: Sequence[float] = FAN_LEVELS,
    horizons: Sequence[int] = HORIZONS,
) -> Fan:
    """Return VaR of the next ``horizons`` periods by ``method``, fitted once.

    The figures are those of ``measures.tail_by`` for each level and horizon. Raises ``Invalid``
    when no level can be told.
    """
    sample = clean_returns(returns)
    told: dict[float, list[float]] = {}
    refused: dict[float, str] = {}
    laid = _laid(sample, method)
    for level in levels:
        try:
            told[level] = [laid(horizon, [level])[0] for horizon in horizons]
        except Invalid as error:
            refused[level] = error.message
    if not told:
        raise Invalid(next(iter(refused.values())), code="risk.fan")
    return Fan(method, tuple(horizons), tuple(told), told, refused)


def _laid(sample: Floats, method: str) -> Vars:
    """Return what tells VaR by horizon and levels, with the fit done."""
    if sample.size and moments(sample).sd > 0.0:
        if method == "student":
            return _student(sample)
        if method == "garch":
            return _garch(sample)
        if method in ("fhs", "fhs_garch"):
            return _filtered(sample, method)
    return lambda horizon, levels: [
        tail_by(sample, method, terms_of(level=level, horizon=horizon)).var for level in levels
    ]


def _student(sample: Floats) -> Vars:
    law = fit_student(sample)

    def told(horizon: int, levels: Sequence[float]) -> list[float]:
        reach = law.scale * math.sqrt(horizon)
        where, k = horizon * law.location, law.degrees
        return [student_tail(where, reach, k, Terms(level=level).tail)[0] for level in levels]

    return told


def _garch(sample: Floats) -> Vars:
    law = fit_garch(sample)
    forecast = float(garch_variances(sample, law)[-1])

    def told(horizon: int, levels: Sequence[float]) -> list[float]:
        sd = math.sqrt(variance_over(law, forecast, horizon))
        return [gaussian_tail(law.mean * horizon, sd, Terms(level=x).tail)[0] for x in levels]

    return told


def _filtered(sample: Floats, method: str) -> Vars:
    terms = Terms()
    if method == "fhs":
        law = Garch(0.0, 0.0, 1.0 - terms.decay, terms.decay, math.nan)
        tail_by(sample, method, terms)  # refuses what is too short
        variances = ewma_variances(sample, terms.decay)
    else:
        law = fit_garch(sample)
        variances = garch_variances(sample, law)
    made: dict[int, Floats] = {}

    def told(horizon: int, levels: Sequence[float]) -> list[float]:
        if horizon not in made:
            paths = filtered_sample(sample, variances, law.mean)
            if horizon > 1:
                paths = filtered_paths(sample, variances, law, terms_of(horizon=horizon))
            made[horizon] = np.asarray(paths, dtype=np.float64)
        return [
            sample_tail(made[horizon], Terms(level=x).tail, terms.quantile, terms.shortfall)[0]
            for x in levels
        ]

    return told
