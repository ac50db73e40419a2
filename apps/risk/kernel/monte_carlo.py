"""Simulated tails: a t copula of fitted margins on Sobol points; normal books of many paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Tail, Terms
from apps.risk.kernel.empirical import sample_tail
from apps.risk.kernel.parametric import MAX_DEGREES, StudentLaw, fit_student
from apps.risk.kernel.samples import Floats

REPLICATES = 8
MAX_DIMENSIONS = 4_000
# Paths that are drawn together: they stay in the processor's cache.
BLOCK = 2_048
MAX_PATHS = 50_000_000
PAIRS_FROM = 2_000
COPULA_DEGREES = (2.1, 100.0)
SIMULATED = "simulated periods, compounded"


@dataclass(frozen=True, slots=True)
class Copula:
    """A t copula: correlation, degrees of freedom (infinite: normal), what had to be mended."""

    correlation: Floats
    degrees: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Simulated:
    """Returns of a book in every draw, ``(replicates, draws)``, each replicate a scramble."""

    returns: Floats
    notes: tuple[str, ...]
    figures: dict[str, float]


def monte_carlo(sample: Floats, terms: Terms) -> Tail:
    """Return VaR and ES of one series, simulated from its Student t law."""
    return simulated_tail(simulate(sample[:, None], np.ones(1), terms), terms)


def simulated_tail(found: Simulated, terms: Terms) -> Tail:
    """Return VaR and ES of all draws, with the spread between scrambles as their errors."""
    var, es = sample_tail(found.returns.ravel(), terms.tail, terms.quantile, terms.shortfall)
    each = [sample_tail(row, terms.tail, terms.quantile, terms.shortfall) for row in found.returns]
    spread = np.std(np.array(each), axis=0, ddof=1) / math.sqrt(len(each))
    figures = {**found.figures, "var_error": float(spread[0]), "es_error": float(spread[1])}
    reached = "one period" if terms.horizon == 1 else SIMULATED
    return Tail(var, es, reached, found.notes, figures)


def simulate(columns: Floats, weights: Floats, terms: Terms) -> Simulated:
    """Return simulated returns of a book: Student t margins joined by a t copula.

    Parameters
    ----------
    columns
        ``(n, m)`` simple returns without holes.
    weights
        ``(m,)`` shares of equity, rebalanced every period; the rest is cash.

    Raises
    ------
    Invalid
        ``risk.too_few``, ``risk.fit``, ``risk.draws`` where draws times positions times periods
        are too many.
    """
    m = columns.shape[1]
    _check_work(terms, m)
    laws = [_margin(columns[:, i]) for i in range(m)]
    copula = fit_copula(columns) if m > 1 else Copula(np.ones((1, 1)), laws[0].degrees)
    per = max(2 ** round(math.log2(max(terms.draws // REPLICATES, 2))), 2)
    factor = factor_of(copula.correlation)
    rows = [
        _replicate(laws, copula, factor, weights, terms, per, number)
        for number in range(REPLICATES)
    ]
    notes = (
        *copula.notes,
        f"{per * REPLICATES} draws, {REPLICATES} scrambles, seed {terms.seed}; margins Student t.",
    )
    return Simulated(np.array(rows), notes, {"copula_degrees": copula.degrees})


def _check_work(terms: Terms, m: int) -> None:
    numbers = terms.draws * (m + 1) * terms.horizon
    if numbers > 400_000_000:
        message = (
            f"{terms.draws} draws of {m} position(s) over {terms.horizon} period(s) are "
            f"{numbers:,} numbers; ask for fewer draws or a shorter horizon."
        )
        raise Invalid(message, code="risk.draws", details={"field": "draws"})


def _margin(column: Floats) -> StudentLaw:
    if float(np.ptp(column)) == 0.0:
        return StudentLaw(float(column[0]), 0.0, MAX_DEGREES, math.nan)
    return fit_student(column)


def _replicate(
    laws: Sequence[StudentLaw],
    copula: Copula,
    factor: Floats,
    weights: Floats,
    terms: Terms,
    draws: int,
    number: int,
) -> Floats:
    """Return the book's compounded returns of one scramble."""
    m = len(laws)
    value = np.ones(draws)
    points = uniforms(draws, (m + 1) * terms.horizon, terms.seed, number)
    for step in range(terms.horizon):
        now = points[:, step * (m + 1) : (step + 1) * (m + 1)]
        value *= np.maximum(1.0 + _draw(now, laws, copula, factor) @ weights, 0.0)
    return np.asarray(value - 1.0, dtype=np.float64)


def _draw(points: Floats, laws: Sequence[StudentLaw], copula: Copula, factor: Floats) -> Floats:
    """Return ``(draws, m)`` returns of uniform points ``(draws, m + 1)``."""
    from scipy.special import chdtri, ndtri, stdtr, stdtrit

    if len(laws) == 1:
        law = laws[0]
        made = law.location + law.scale * stdtrit(law.degrees, points[:, :1])
        return np.asarray(made, dtype=np.float64)
    normal = ndtri(points[:, :-1]) @ factor.T
    mixing = chdtri(copula.degrees, 1.0 - points[:, -1])
    joined = normal / np.sqrt(mixing / copula.degrees)[:, None]
    out: Floats = np.empty_like(joined)
    for i, law in enumerate(laws):
        shares = np.clip(stdtr(copula.degrees, joined[:, i]), 1e-15, 1.0 - 1e-15)
        out[:, i] = law.location + law.scale * stdtrit(law.degrees, shares)
    return out


def uniforms(draws: int, dimensions: int, seed: int, number: int) -> Floats:
    """Return ``(draws, dimensions)`` numbers in (0, 1): scrambled Sobol points.

    Past 4,000 dimensions plain random numbers take their place.
    """
    from scipy.stats import qmc

    generator = np.random.default_rng((seed, number))
    if dimensions > MAX_DIMENSIONS:
        points = generator.random((draws, dimensions))
    else:
        points = qmc.Sobol(dimensions, scramble=True, rng=generator).random(draws)
    return np.asarray(np.clip(points, 1e-12, 1.0 - 1e-12), dtype=np.float64)


def fit_copula(columns: Floats) -> Copula:
    """Return the t copula: correlation from Kendall's tau, degrees by highest likelihood.

    References
    ----------
    Demarta and McNeil (2005), International Statistical Review 73(1).
    """
    from scipy.optimize import minimize_scalar
    from scipy.stats import rankdata

    n = len(columns)
    taken = columns[-PAIRS_FROM:]
    moving = np.ptp(taken, axis=0) > 0.0
    correlation = np.eye(columns.shape[1])
    taus = kendall(taken[:, moving])
    correlation[np.ix_(moving, moving)] = np.sin(0.5 * np.pi * taus)
    correlation, mended = nearest_correlation(correlation)
    notes = [mended] if mended else []
    if not moving.all():
        notes.append(f"{int((~moving).sum())} position(s) never move: they carry no risk here.")
    if n > PAIRS_FROM:
        notes.append(f"Dependence is that of the last {PAIRS_FROM} rows.")
    ranks = rankdata(taken, axis=0) / (len(taken) + 1.0)
    shares, among = ranks[:, moving], correlation[np.ix_(moving, moving)]
    if shares.shape[1] < 2:
        return Copula(correlation, COPULA_DEGREES[1], tuple(notes))
    found = minimize_scalar(
        lambda log_nu: _copula_loss(math.exp(log_nu), shares, among),
        bounds=tuple(math.log(end) for end in COPULA_DEGREES),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return Copula(correlation, math.exp(float(found.x)), tuple(notes))


def _copula_loss(nu: float, shares: Floats, correlation: Floats) -> float:
    """Return the mean negative log density of a t copula at ``(n, m)`` uniform points."""
    from scipy.special import gammaln, stdtrit

    m = shares.shape[1]
    points = stdtrit(nu, shares)
    values, vectors = np.linalg.eigh(correlation)
    values = np.maximum(values, 1e-10)
    squares = np.sum((points @ vectors) ** 2 / values, axis=1)
    joint = (
        gammaln((nu + m) / 2.0)
        + (m - 1.0) * gammaln(nu / 2.0)
        - m * gammaln((nu + 1.0) / 2.0)
        - 0.5 * np.sum(np.log(values))
    )
    each = -0.5 * (nu + m) * np.log1p(squares / nu)
    alone = 0.5 * (nu + 1.0) * np.sum(np.log1p(points**2 / nu), axis=1)
    return -float(joint + np.mean(each + alone))


def kendall(columns: Floats) -> Floats:
    """Return Kendall's tau-a of every pair of columns, ``(m, m)``, ones on the diagonal."""
    n, m = columns.shape
    total = np.zeros((m, m))
    for i in range(1, n):
        signs = np.sign(columns[i] - columns[:i])
        total += signs.T @ signs
    total /= 0.5 * n * (n - 1)
    np.fill_diagonal(total, 1.0)
    return total


def nearest_correlation(matrix: Floats) -> tuple[Floats, str]:
    """Return ``matrix`` without negative eigenvalues, and what was done in words ('' if nothing).

    Notes
    -----
    Negative eigenvalues become 0 and the diagonal is brought back to 1.
    """
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= -1e-10:
        return matrix, ""
    mended = (vectors * np.maximum(values, 0.0)) @ vectors.T
    root = np.sqrt(np.diag(mended))
    mended = mended / np.outer(root, root)
    np.fill_diagonal(mended, 1.0)
    count = int((values < -1e-10).sum())
    return mended, f"{count} negative eigenvalue(s) of the correlation were set to 0."


def factor_of(matrix: Floats) -> Floats:
    """Return F with F F' = ``matrix``, also for a singular one.

    Raises ``Invalid`` (``risk.covariance``) for one that is no covariance.
    """
    if not np.all(np.isfinite(matrix)) or not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-14):
        message = "The covariance is not symmetric or not finite; rebuild it from whole rows."
        raise Invalid(message, code="risk.covariance", details={"field": "covariance"})
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -1e-8 * max(values[-1], 1e-300):
        message = f"The covariance has the eigenvalue {values[0]:.3g}: no book has such risk."
        raise Invalid(message, code="risk.covariance", details={"field": "covariance"})
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def normal_book_returns(
    mean: Floats, covariance: Floats, weights: Floats, paths: int, seed: int = 0, threads: int = 2
) -> Floats:
    """Return one period's returns of a book whose positions are jointly normal, ``(paths,)``.

    Parameters
    ----------
    mean, covariance, weights
        ``(m,)``, ``(m, m)``, ``(m,)``; a singular covariance is taken as it is.
    paths
        Draws of all m shocks.
    seed, threads
        Blocks of 2,048 paths have streams of their own, so that results do not depend on
        ``threads``.

    Notes
    -----
    A path is w'm + (F'w)'z with F F' the covariance: shocks of every position are drawn, and the
    book is valued without writing down each position's return.
    """
    from apps.risk.kernel.measure_loops import weighted_2d

    if not 1 <= paths <= MAX_PATHS:
        message = f"{paths} paths; ask for 1 to {MAX_PATHS:,}."
        raise Invalid(message, code="risk.draws", details={"field": "draws"})
    loading = np.ascontiguousarray(factor_of(covariance).T @ weights)
    out = np.empty(paths)
    blocks = np.array_split(np.arange(0, paths, BLOCK), max(threads, 1))
    streams = np.random.SeedSequence(seed)

    def fill(starts: Floats) -> None:
        room = np.empty((BLOCK, loading.size))
        for start in starts:
            source = _stream(streams, int(start) // BLOCK)
            end = min(int(start) + BLOCK, paths)
            shocks = room[: end - int(start)]
            source.standard_normal(out=shocks)
            weighted_2d(shocks, loading, out[start:end])

    if threads <= 1:
        fill(np.concatenate(blocks))
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, blocks))
    out += float(weights @ mean)
    return out


def _stream(root: np.random.SeedSequence, number: int) -> np.random.Generator:
    child = np.random.SeedSequence(root.entropy, spawn_key=(number,))
    return np.random.Generator(np.random.SFC64(child))
