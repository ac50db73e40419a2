"""What each position adds to a book's VaR and ES: component, marginal, incremental, alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Tail, Terms, check_terms
from apps.risk.kernel.empirical import low_end
from apps.risk.kernel.measures import tail_by
from apps.risk.kernel.parametric import NORMAL
from apps.risk.kernel.samples import LARGEST, MIN_OBSERVATIONS, Floats, over_horizon

# Methods whose figures grow in proportion with the book and have slopes in closed form.
METHODS = ("historical", "gaussian", "student", "cornish_fisher")
MAX_POSITIONS = 5_000
LARGE = 250_000
# Above this their low end is found by samples of them, see ``low_end``.
MANY_SCENARIOS = 100_000


@dataclass(frozen=True, slots=True)
class Components:
    """Figures by position, ``(m,)``, losses positive; the components sum to VaR and ES.

    ``marginal_*`` is what one more unit of weight adds; ``incremental_*`` what the book would lose
    if the position were closed to cash; ``alone_*`` the position by itself.
    """

    var: float
    es: float
    method: str
    component_var: Floats
    component_es: Floats
    marginal_var: Floats
    marginal_es: Floats
    incremental_var: Floats
    incremental_es: Floats
    alone_var: Floats
    alone_es: Floats
    notes: tuple[str, ...] = ()

    def as_rows(self, names: tuple[str, ...], weights: Floats) -> list[dict[str, Any]]:
        """Return one row per position, as JSON tells it."""
        return [
            {
                "name": name,
                "weight": float(weights[i]),
                **{field: float(getattr(self, field)[i]) for field in FIELDS},
                "share_of_es": float(self.component_es[i]) / self.es if self.es else None,
            }
            for i, name in enumerate(names)
        ]


FIELDS = (
    "component_var",
    "component_es",
    "marginal_var",
    "marginal_es",
    "incremental_var",
    "incremental_es",
    "alone_var",
    "alone_es",
)


def components(
    returns: Floats, weights: Floats, method: str = "historical", terms: Terms | None = None
) -> Components:
    """Return what each position adds to VaR and ES.

    Parameters
    ----------
    returns
        ``(n, m)`` simple returns without holes (see ``common_rows``).
    weights
        ``(m,)`` shares of equity; the rest is cash.
    method
        One of ``METHODS``.

    Raises
    ------
    Invalid
        ``risk.empty`` for a book without positions or rows, ``risk.too_few``, ``risk.weights``,
        ``risk.not_finite``, ``risk.method``, ``risk.horizon``.

    Notes
    -----
    Figures are homogeneous of degree one in the weights, so by Euler they are the sum of weight
    times slope. historical: the positions' returns in the scenarios that make the VaR (those that
    are interpolated, in the same shares) and the mean over those that make the ES. Incremental
    figures measure the book again without the position.

    References
    ----------
    Tasche (1999), Risk contributions and performance measurement. Boudt, Peterson and Croux
    (2008), Journal of Risk 11(2).
    """
    asked = check_terms(terms or Terms())
    block, shares = _checked(returns, weights, method)
    if asked.scaling == "sqrt_time" and asked.horizon > 1:
        one = components(block, shares, method, replace(asked, horizon=1))
        return _times(one, math.sqrt(asked.horizon))
    if method == "historical":
        return _historical(block, shares, asked)
    return _parametric(block, shares, method, asked)


def _times(found: Components, factor: float) -> Components:
    scaled: dict[str, Any] = {name: getattr(found, name) * factor for name in FIELDS}
    return replace(found, var=found.var * factor, es=found.es * factor, **scaled)


def _checked(returns: Floats, weights: Floats, method: str) -> tuple[Floats, Floats]:
    if method not in METHODS:
        message = f"No components by {method!r}; available are {', '.join(METHODS)}."
        raise Invalid(message, code="risk.method", details={"field": "method"})
    return check_block(returns, weights)


def check_block(returns: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the returns of positions and their weights as arrays.

    Raises ``Invalid``: ``risk.weights``, ``risk.empty``, ``risk.too_few``, ``risk.not_finite``.
    """
    block, shares = np.asarray(returns, np.float64), np.asarray(weights, np.float64)
    if block.ndim != 2 or shares.shape != block.shape[1:] or not np.all(np.isfinite(shares)):
        message = (
            f"Returns are {block.shape}, weights {shares.shape}; give one finite weight each."
        )
        raise Invalid(message, code="risk.weights", details={"field": "weights"})
    if not 1 <= shares.size <= MAX_POSITIONS:
        message = f"The book has {shares.size} positions; 1 to {MAX_POSITIONS} can be told apart."
        raise Invalid(message, code="risk.empty", details={"field": "weights"})
    if np.abs(shares).max() > LARGEST:
        message = f"A weight is {np.abs(shares).max():.3g} times equity; that is no position."
        raise Invalid(message, code="risk.weights", details={"field": "weights"})
    if len(block) < MIN_OBSERVATIONS:
        message = f"{len(block)} common row(s) of returns; at least two are needed."
        code = "risk.too_few" if len(block) else "risk.empty"
        raise Invalid(message, code=code, details={"field": "returns"})
    if not np.isfinite(block.sum()):
        message = "The returns hold missing or infinite values; leave such rows out first."
        raise Invalid(message, code="risk.not_finite", details={"field": "returns"})
    if max(block.max(), -block.min()) > LARGEST:
        message = "A return is over a million; give fractions, such as 0.012 for 1.2 %."
        raise Invalid(message, code="risk.absurd", details={"field": "returns"})
    return block, shares


def _over(block: Floats, horizon: int) -> Floats:
    if horizon == 1:
        return block
    return np.stack([over_horizon(block[:, i], horizon) for i in range(block.shape[1])], axis=1)


def scenario_components(
    returns: Floats, weights: Floats, terms: Terms
) -> tuple[float, float, Floats, Floats]:
    """Return VaR, ES and their marginals by position from scenarios of returns.

    Notes
    -----
    The book is valued in every scenario; only the few that make the tail are read by position.
    Of large books by a compiled loop, which needs no second processor.
    """
    n, tail = len(returns), terms.tail
    place = (n - 1) * tail if terms.quantile == "linear" else max(math.ceil(n * tail) - 1, 0)
    k, share = int(place), place - int(place)
    if returns.size >= LARGE and n <= MANY_SCENARIOS:
        return _compiled(returns, weights, terms, k, share)
    book = np.asarray(returns @ weights, dtype=np.float64)
    found = np.flatnonzero(book <= _reach(book, k + 1))
    order = found[np.argsort(book[found], kind="stable")]
    first, next_ = order[k], order[min(k + 1, n - 1)]
    at_var = (
        returns[first] if share == 0.0 else returns[first] * (1.0 - share) + returns[next_] * share
    )
    var = -float(book[first] * (1.0 - share) + book[next_] * share)
    scenarios, masses = _tail_scenarios(book[order], order, -var, terms, n)
    at_es = masses @ returns[scenarios]
    return var, -float(masses @ book[scenarios]), -at_var, -at_es


def _compiled(
    returns: Floats, weights: Floats, terms: Terms, k: int, share: float
) -> tuple[float, float, Floats, Floats]:
    from apps.risk.kernel.measure_loops import tail_by_position_2d

    n, tail = len(returns), terms.tail
    mass = round(n * tail, 9) if terms.shortfall == "tail" else float(_lowest_count(n, tail))
    count = 0 if terms.shortfall == "at_or_below" else min(math.ceil(mass), n)
    block, shares = np.ascontiguousarray(returns), np.ascontiguousarray(weights)
    found: tuple[float, float, Floats, Floats]
    found = tail_by_position_2d(block, shares, k, share, count, mass)
    return found


def _lowest_count(n: int, tail: float) -> int:
    return int((n - 1) * tail + 1e-9) + 1


def _reach(book: Floats, rank: int) -> float:
    low = low_end(book, min((rank + 1) / book.size, 1.0))
    return float(low[min(rank, low.size - 1)])


def _tail_scenarios(
    values: Floats, order: Any, at: float, terms: Terms, n: int
) -> tuple[Any, Floats]:
    """Return the scenarios whose mean is the ES, and the share of each in it."""
    if terms.shortfall == "tail":
        mass = round(n * terms.tail, 9)
        whole = min(int(mass), n)
        count = whole + (1 if mass > whole and whole < n else 0)
        masses = np.full(count, 1.0 / mass)
        if count > whole:
            masses[-1] = (mass - whole) / mass
        return order[:count], masses
    count = _lowest_count(n, terms.tail)
    if terms.shortfall == "at_or_below":
        count = max(int(np.sum(values <= at)), 1)
    return order[:count], np.full(count, 1.0 / count)


def _historical(block: Floats, weights: Floats, terms: Terms) -> Components:
    if terms.quantile not in ("linear", "inverted_cdf"):
        message = f"Components read linear or inverted_cdf quantiles, not {terms.quantile!r}."
        raise Invalid(message, code="risk.quantile", details={"field": "quantile"})
    held, one = _over(block, terms.horizon), replace(terms, horizon=1)
    var, es, by_var, by_es = scenario_components(held, weights, one)
    notes = ("Positions are held, not rebalanced, over the horizon.",) if terms.horizon > 1 else ()
    return _with_rest(held, weights, "historical", one, (var, es), (by_var, by_es), notes)


def _parametric(block: Floats, weights: Floats, method: str, terms: Terms) -> Components:
    book = tail_by(block @ weights, method, terms)
    if float(np.std(block @ weights)) == 0.0:
        mean = -terms.horizon * block.mean(axis=0)
        found = (mean, mean)
    else:
        found = slopes(block, weights, method, terms, book)
    return _with_rest(block, weights, method, terms, (book.var, book.es), found, book.notes)


def slopes(
    block: Floats, weights: Floats, method: str, terms: Terms, found: Tail
) -> tuple[Floats, Floats]:
    """Return the slopes of VaR and ES by weight; ``found`` is the book's tail by ``method``."""
    gradients = {
        "gaussian": _gaussian_slopes,
        "student": _student_slopes,
        "cornish_fisher": _cornish_fisher_slopes,
    }
    return gradients[method](block, weights, terms, (found.var, found.es))


def _gaussian_slopes(
    block: Floats, weights: Floats, terms: Terms, _found: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return the slopes of -h w'm + sqrt(h) c sqrt(w'S w)."""
    mean = block.mean(axis=0)
    gaps = block - mean
    book = gaps @ weights
    n = len(block)
    spread = gaps.T @ book / (n - terms.ddof)
    sd = math.sqrt(float(book @ book) / (n - terms.ddof))
    drift, root = -terms.horizon * mean, math.sqrt(terms.horizon) / sd
    z = NORMAL.inv_cdf(terms.tail)
    return drift - z * root * spread, drift + NORMAL.pdf(z) / terms.tail * root * spread


def _student_slopes(
    block: Floats, weights: Floats, terms: Terms, found: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return slopes of the location by means and of the rest by covariance with the book.

    As of an elliptical book: the scale is shared out as the covariance is, and the location so
    that the components sum.
    """
    mean = block.mean(axis=0)
    gaps = block - mean
    book = gaps @ weights
    beta = gaps.T @ book / float(book @ book)
    drift = -terms.horizon * mean
    level = float(weights @ drift)
    return drift + beta * (found[0] - level), drift + beta * (found[1] - level)


def _cornish_fisher_slopes(
    block: Floats, weights: Floats, terms: Terms, _found: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return slopes through the slopes of the book's moments: m2, m3, m4 by weight."""
    mean = block.mean(axis=0)
    gaps = block - mean
    book = gaps @ weights
    n = len(block)
    m2, m3, m4 = (float(np.mean(book**k)) for k in (2, 3, 4))
    by = [k * (gaps.T @ book ** (k - 1)) / n for k in (2, 3, 4)]
    h = terms.horizon
    correction = n / (n - terms.ddof)
    skew, kurt = m3 / m2**1.5, m4 / m2**2 - 3.0
    by_sd = 0.5 * by[0] * math.sqrt(correction / m2)
    by_skew = by[1] / m2**1.5 - 1.5 * m3 / m2**2.5 * by[0]
    by_kurt = by[2] / m2**2 - 2.0 * m4 / m2**3 * by[0]
    sd, root = math.sqrt(m2 * correction), math.sqrt(h)
    skew, by_skew, kurt, by_kurt = skew / root, by_skew / root, kurt / h, by_kurt / h
    sd, by_sd = sd * root, by_sd * root
    shape = _ShapeSlopes(terms.tail, skew, kurt)
    drift = -h * mean
    by_var = drift - shape.h * by_sd - sd * (shape.h_skew * by_skew + shape.h_kurt * by_kurt)
    by_es = drift + shape.es * by_sd + sd * (shape.es_skew * by_skew + shape.es_kurt * by_kurt)
    return by_var, by_es


class _ShapeSlopes:
    """The bent quantile h and the standardised ES, with slopes by skewness and kurtosis."""

    def __init__(self, tail: float, skew: float, kurt: float) -> None:
        z = NORMAL.inv_cdf(tail)
        cube, odd = z**3 - 3.0 * z, 2.0 * z**3 - 5.0 * z
        self.h = z + (z**2 - 1.0) * skew / 6.0 + cube * kurt / 24.0 - odd * skew**2 / 36.0
        self.h_skew = (z**2 - 1.0) / 6.0 - odd * skew / 18.0
        self.h_kurt = cube / 24.0
        h = self.h
        third, fourth = h**3 / 6.0, (h**4 - 2.0 * h**2 - 1.0) / 24.0
        sixth = (h**6 - 9.0 * h**4 + 9.0 * h**2 + 3.0) / 72.0
        shape = 1.0 + third * skew + fourth * kurt + sixth * skew**2
        height = NORMAL.pdf(h) / tail
        self.es = height * shape
        # By h: the height falls by h, the polynomial rises by its own slope.
        slope = h**2 / 2.0 * skew + (4.0 * h**3 - 4.0 * h) / 24.0 * kurt
        slope += (6.0 * h**5 - 36.0 * h**3 + 18.0 * h) / 72.0 * skew**2
        by_h = height * (slope - h * shape)
        self.es_skew = by_h * self.h_skew + height * (third + 2.0 * sixth * skew)
        self.es_kurt = by_h * self.h_kurt + height * fourth
        if self.es < -h:
            self.es, self.es_skew, self.es_kurt = -h, -self.h_skew, -self.h_kurt


def _with_rest(
    block: Floats,
    weights: Floats,
    method: str,
    terms: Terms,
    found: tuple[float, float],
    slopes: tuple[Floats, Floats],
    notes: tuple[str, ...],
) -> Components:
    """Add the figures that measure again: without each position, and each alone."""
    measure = _measured(method, terms)
    book = block @ weights
    parts = block * weights
    without = np.array([measure(book - parts[:, i]) for i in range(weights.size)])
    alone = np.array([measure(parts[:, i]) for i in range(weights.size)])
    return Components(
        found[0],
        found[1],
        method,
        weights * slopes[0],
        weights * slopes[1],
        slopes[0],
        slopes[1],
        found[0] - without[:, 0],
        found[1] - without[:, 1],
        alone[:, 0],
        alone[:, 1],
        notes,
    )


def _measured(method: str, terms: Terms) -> Callable[[Floats], tuple[float, float]]:
    def figures(series: Floats) -> tuple[float, float]:
        if float(np.ptp(series)) <= 1e-15:
            mean = -terms.horizon * float(series.mean())
            return mean, mean
        tail = tail_by(series, method, terms)
        return tail.var, tail.es

    return figures
