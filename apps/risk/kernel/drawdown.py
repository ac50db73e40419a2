"""Drawdowns: at risk, conditional, expected; over the past and over a horizon to come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Terms, check_terms
from apps.risk.kernel.empirical import sample_tail
from apps.risk.kernel.samples import Floats, clean_returns

RESAMPLED = 4_000
MAX_NUMBERS = 20_000_000


@dataclass(frozen=True, slots=True)
class Drawdowns:
    """Drawdowns as positive shares of the peak (or, not compounded, of the start).

    ``at_risk`` is exceeded in the tail's share of periods, ``conditional`` is the mean of those,
    ``average`` the mean over all periods.
    """

    at_risk: float
    conditional: float
    average: float
    deepest: float
    level: float
    compounded: bool
    observations: int
    missing: int
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON tells them."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "notes": list(self.notes),
        }


def drawdown_series(sample: Floats, *, compounded: bool = True) -> Floats:
    """Return the drawdown after each return, positive, ``(n,)``; the start counts as a peak.

    Not compounded: gaps of summed returns from their peak, in units of the starting value.
    """
    if compounded:
        value = np.cumprod(1.0 + sample)
        if not np.isfinite(value[-1]):
            message = "The value grows beyond all numbers; look at the returns."
            raise Invalid(message, code="risk.absurd", details={"field": "returns"})
        peak = np.maximum(np.maximum.accumulate(value), 1.0)
        return np.asarray(1.0 - value / peak, dtype=np.float64)
    total = np.cumsum(sample)
    peak = np.maximum(np.maximum.accumulate(total), 0.0)
    return np.asarray(peak - total, dtype=np.float64)


def drawdowns(
    returns: ArrayLike, terms: Terms | None = None, *, compounded: bool = True
) -> Drawdowns:
    """Return drawdown at risk and its kin of the path that was.

    Parameters
    ----------
    returns
        ``(n,)`` simple returns; NaN is missing and left out.
    terms
        ``level``, ``quantile`` and ``shortfall`` count.

    References
    ----------
    Chekhlov, Uryasev and Zabarankin (2005), International Journal of Theoretical and Applied
    Finance 8(1).
    """
    asked = check_terms(terms or Terms())
    sample = clean_returns(returns)
    missing = int(np.size(returns)) - sample.size
    below = drawdown_series(sample, compounded=compounded)
    at_risk, conditional = sample_tail(-below, asked.tail, asked.quantile, asked.shortfall)
    notes = [f"{missing} missing return(s) left out."] if missing else []
    if compounded and float(sample.min()) <= -1.0:
        notes.append("A return of -100 % or less ends the path there.")
    return Drawdowns(
        at_risk,
        conditional,
        float(below.mean()),
        float(below.max()),
        asked.level,
        compounded,
        sample.size,
        missing,
        tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class DrawdownAhead:
    """The deepest drawdown of the next ``horizon`` periods: its mean, quantile, and tail mean."""

    expected: float
    at_risk: float
    conditional: float
    expected_error: float
    level: float
    horizon: int
    block: float
    observations: int
    notes: tuple[str, ...] = field(default=())


def drawdown_ahead(
    returns: ArrayLike, terms: Terms, *, block: float | None = None
) -> DrawdownAhead:
    """Return the distribution of the max drawdown over a horizon, from resampled blocks.

    Parameters
    ----------
    terms
        ``level``, ``horizon`` (2 periods or more), ``seed``.
    block
        Mean length of the blocks of the stationary bootstrap; the cube root of n without.

    Raises
    ------
    Invalid
        ``risk.horizon`` for a horizon of 1, ``risk.block``.

    References
    ----------
    Politis and Romano (1994), JASA 89. The error is that of the simulation.
    """
    from apps.risk.kernel.measure_loops import deepest_2d

    check_terms(terms)
    if terms.horizon < 2:
        message = "A drawdown needs a path: give a horizon of 2 periods or more."
        raise Invalid(message, code="risk.horizon", details={"field": "horizon"})
    sample = clean_returns(returns)
    length = sample.size ** (1.0 / 3.0) if block is None else float(block)
    if not 1.0 <= length <= sample.size:
        message = f"Blocks of {length:g} of {sample.size} returns; give 1 to {sample.size}."
        raise Invalid(message, code="risk.block", details={"field": "block"})
    paths = max(min(RESAMPLED, MAX_NUMBERS // terms.horizon), 200)
    picks = stationary_picks(sample.size, paths, terms.horizon, length, terms.seed)
    found = np.asarray(deepest_2d(sample, picks), dtype=np.float64)
    at_risk, conditional = sample_tail(-found, terms.tail, terms.quantile, terms.shortfall)
    return DrawdownAhead(
        float(found.mean()),
        at_risk,
        conditional,
        float(found.std(ddof=1)) / math.sqrt(paths),
        terms.level,
        terms.horizon,
        length,
        sample.size,
        (f"{paths} resampled paths, mean block {length:.1f}, seed {terms.seed}.",),
    )


def stationary_picks(n: int, paths: int, horizon: int, block: float, seed: int) -> Any:
    """Return ``(paths, horizon)`` indices of a stationary bootstrap of ``n`` observations."""
    rng = np.random.default_rng(seed)
    fresh = rng.random((paths, horizon)) < 1.0 / block
    fresh[:, 0] = True
    starts = rng.integers(0, n, (paths, horizon))
    steps = np.arange(horizon)
    since = np.maximum.accumulate(np.where(fresh, steps, 0), axis=1)
    return (np.take_along_axis(starts, since, axis=1) + steps - since) % n
