"""VaR and ES of a book by any graded model, with what each position adds: one fit for all levels.

The figures are those of ``measures.tail_by`` for the book's series; the parts sum to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.components import scenario_components, slopes
from apps.risk.kernel.conventions import Tail, Terms
from apps.risk.kernel.empirical import age_weights
from apps.risk.kernel.filtered import (
    ewma_variances,
    filtered_sample,
    fit_garch,
    garch_variances,
)
from apps.risk.kernel.measures import CONSTANT, tail_by
from apps.risk.kernel.parametric import fit_student, gaussian_tail, student_tail
from apps.risk.kernel.samples import Floats

HOUSE = Terms()


@dataclass(frozen=True, slots=True)
class Parts:
    """VaR and ES at a level, losses positive, and by position ``(m,)`` what sums to them."""

    level: float
    var: float
    es: float
    by_var: Floats
    by_es: Floats
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """Returns by position ``(n, m)``, weights, the book's own returns, how to measure."""

    block: Floats
    weights: Floats
    book: Floats
    terms: tuple[Terms, ...]


def tail_parts(
    returns: Floats, weights: Floats, model: str, levels: Sequence[float]
) -> list[Parts]:
    """Return VaR and ES by ``model`` with their parts, one for each level.

    Parameters
    ----------
    returns
        ``(n, m)`` simple returns without holes.
    weights
        ``(m,)`` shares of whatever the figures are to be shares of.

    Raises
    ------
    Invalid
        ``risk.method`` for a model that is not graded, and those of the model.

    Notes
    -----
    Exact slopes (Euler) for historical, age_weighted, gaussian, cornish_fisher, ewma and, the
    volatility's path taken as known, fhs. The laws that are fitted are shared out in proportion:
    student as the covariance with the book, garch as that covariance weighted as the law weighs
    the days, fhs_garch as its scenarios and evt as the losses over its threshold.
    """
    if model not in MODELS:
        message = f"There is no model {model!r}; there are {', '.join(MODELS)}."
        raise Invalid(message, code="risk.method", details={"field": "model"})
    book = np.asarray(returns @ weights, dtype=np.float64)
    asked = tuple(replace(HOUSE, level=level) for level in levels)
    case = _Case(returns, weights, book, asked)
    if not len(book) or float(np.ptp(book)) <= 1e-15:
        return _constant(case)
    return MODELS[model](case)


def _constant(case: _Case) -> list[Parts]:
    parts = -case.weights * case.block.mean(axis=0)
    loss = -float(case.book.mean())
    return [Parts(one.level, loss, loss, parts, parts, (CONSTANT,)) for one in case.terms]


def _shared(terms: Terms, tail: Tail, by_var: Floats, by_es: Floats) -> Parts:
    """Return parts in the proportions given."""
    return Parts(
        terms.level,
        tail.var,
        tail.es,
        _scaled(by_var, tail.var),
        _scaled(by_es, tail.es),
        tail.notes,
    )


def _scaled(parts: Floats, total: float) -> Floats:
    found = float(parts.sum())
    if abs(found) < 1e-12 * float(np.abs(parts).sum()) or found == 0.0:
        return np.full(parts.size, total / parts.size)
    return np.asarray(parts * (total / found), dtype=np.float64)


def _historical(case: _Case) -> list[Parts]:
    found = []
    for one in case.terms:
        var, es, by_var, by_es = scenario_components(case.block, case.weights, one)
        parts = case.weights * by_var, case.weights * by_es
        found.append(Parts(one.level, var, max(es, var), *parts))
    return found


def _age_weighted(case: _Case) -> list[Parts]:
    masses = age_weights(case.book.size, HOUSE.ageing)
    order = np.argsort(case.book, kind="stable")
    values, sums = case.book[order], np.cumsum(masses[order])
    held = case.block[order] * case.weights
    found = []
    for one in case.terms:
        tail = one.tail
        reach = min(int(np.searchsorted(sums, tail - 1e-12)), values.size - 1)
        before = float(sums[reach - 1]) if reach else 0.0
        share = 1.0 if not reach else (tail - before) / float(sums[reach] - before)
        at = np.zeros(values.size)
        at[reach] = min(share, 1.0)
        at[max(reach - 1, 0)] += 1.0 - at[reach]
        inside = np.where(np.arange(values.size) < reach, masses[order], 0.0) / tail
        inside[reach] += (tail - before) / tail
        figures = tail_by(case.book, "age_weighted", one)
        found.append(_shared(one, figures, -(at @ held), -(inside @ held)))
    return found


def _by_slopes(model: str) -> Model:
    def parts(case: _Case) -> list[Parts]:
        found = []
        for one in case.terms:
            tail = tail_by(case.book, model, one)
            by_var, by_es = slopes(case.block, case.weights, model, one, tail)
            found.append(_shared(one, tail, case.weights * by_var, case.weights * by_es))
        return found

    return parts


def _student(case: _Case) -> list[Parts]:
    if case.book.size < 20:
        tail_by(case.book, "student", case.terms[0])
    law = fit_student(case.book)
    found = []
    for one in case.terms:
        tail = Tail(*student_tail(law.location, law.scale, law.degrees, one.tail), "one period")
        by_var, by_es = slopes(case.block, case.weights, "student", one, tail)
        found.append(_shared(one, tail, case.weights * by_var, case.weights * by_es))
    return found


def _ewma(case: _Case) -> list[Parts]:
    tails = [tail_by(case.book, "ewma", one) for one in case.terms]
    n = case.book.size
    days = _fading(n, HOUSE.decay) * (1.0 - HOUSE.decay) + HOUSE.decay**n / n
    parts = case.weights * (case.block.T @ (days * case.book))
    return [_shared(one, tail, parts, parts) for one, tail in zip(case.terms, tails, strict=True)]


def _fading(n: int, decay: float) -> Floats:
    return np.asarray(decay ** np.arange(n - 1, -1, -1, dtype=np.float64))


def _garch(case: _Case) -> list[Parts]:
    law = fit_garch(case.book)
    sd = math.sqrt(float(garch_variances(case.book, law)[-1]))
    n = case.book.size
    days = _fading(n, law.beta) * law.alpha + law.beta**n * law.persistence / n
    gaps = case.block - case.block.mean(axis=0)
    parts = case.weights * (gaps.T @ (days * (case.book - law.mean)))
    tails = [Tail(*gaussian_tail(law.mean, sd, one.tail), "one period") for one in case.terms]
    return [_shared(one, tail, parts, parts) for one, tail in zip(case.terms, tails, strict=True)]


def _fhs(case: _Case) -> list[Parts]:
    variances = ewma_variances(case.book, HOUSE.decay)
    tails = [tail_by(case.book, "fhs", one) for one in case.terms]
    return _filtered(case, np.maximum(variances, 1e-300), 0.0, tails)


def _fhs_garch(case: _Case) -> list[Parts]:
    law = fit_garch(case.book)
    return _filtered(case, garch_variances(case.book, law), law.mean, None)


def _filtered(
    case: _Case, variances: Floats, mean: float, tails: Sequence[Tail] | None
) -> list[Parts]:
    """Return parts of past scenarios, each brought to the volatility to come."""
    scales = math.sqrt(float(variances[-1])) / np.sqrt(variances[:-1])
    made = filtered_sample(case.book, variances, mean)
    # A position's share of what the filter leaves at the mean goes with its part of the shock.
    block = case.block * scales[:, None]
    found = []
    for i, one in enumerate(case.terms):
        tail = tails[i] if tails is not None else tail_by(made, "historical", one)
        _, _, by_var, by_es = scenario_components(block, case.weights, one)
        found.append(_shared(one, tail, case.weights * by_var, case.weights * by_es))
    return found


def _evt(case: _Case) -> list[Parts]:
    tails = [tail_by(case.book, "evt", one) for one in case.terms]
    count = max(int(case.book.size * (1.0 - HOUSE.threshold)), 1)
    worst = np.argpartition(case.book, count - 1)[:count]
    parts = -case.weights * case.block[worst].mean(axis=0)
    return [_shared(one, tail, parts, parts) for one, tail in zip(case.terms, tails, strict=True)]


Model = Callable[[_Case], list[Parts]]
# Every model that may come to be in force; Monte Carlo, graded on days of its own, never does.
MODELS: dict[str, Model] = {
    "historical": _historical,
    "age_weighted": _age_weighted,
    "gaussian": _by_slopes("gaussian"),
    "student": _student,
    "cornish_fisher": _by_slopes("cornish_fisher"),
    "ewma": _ewma,
    "fhs": _fhs,
    "garch": _garch,
    "fhs_garch": _fhs_garch,
    "evt": _evt,
}
