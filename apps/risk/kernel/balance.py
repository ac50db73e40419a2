"""The balancer: target weights by an optimiser, held back where a trade costs more than it mends.

Optimisers are skfolio's, imported on first use. Everything before and after them is decided here:
which instruments are too alike, whether the constraints can be met and which ones clash, and how
far to trade towards the target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid

Floats = NDArray[np.float64]

METHODS = {
    "min_variance": "Smallest variance",
    "risk_parity": "Equal parts of risk",
    "hrp": "Hierarchical risk parity",
    "max_diversification": "Largest diversification ratio",
    "mean_cvar": "Mean against expected shortfall",
}
MIN_OBSERVATIONS, MAX_ASSETS = 60, 200
SLACK = 1e-9
# Weights closer to nothing than this are solver's dust.
DUST = 1e-6


@dataclass(frozen=True, slots=True)
class Terms:
    """What a balance has to keep to.

    Parameters
    ----------
    method
        One of ``METHODS``.
    budget
        Sum of the weights: 1 is all of equity.
    min_weight, max_weight
        Bounds of each weight that is not dropped.
    max_correlation
        Of two instruments more alike than this one is dropped; None keeps all.
    cost
        What turnover costs, as a share of the value traded.
    max_turnover
        Largest sum of changes; None is without.
    patience
        Over how many bars being off target is held against the cost of a trade, times how much
        variance is disliked; see ``trade_towards``.
    risk_aversion, tail
        Of ``mean_cvar``: how much shortfall is disliked, and the share of bars in its tail.
    """

    method: str = "min_variance"
    budget: float = 1.0
    min_weight: float = 0.0
    max_weight: float = 1.0
    max_correlation: float | None = 0.7
    cost: float = 0.0
    max_turnover: float | None = None
    patience: float = 250.0
    risk_aversion: float = 1.0
    tail: float = 0.05

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise _refusal("method", self.method, f"one of {', '.join(METHODS)}")
        for name, low, high in (
            ("budget", 0.0, 10.0),
            ("max_weight", 0.0, 10.0),
            ("patience", 0.0, 1e6),
            ("risk_aversion", 0.0, 1e6),
            ("tail", 0.0, 0.5),
        ):
            self._check(name, low, high, above=True)
        for name, low, high in (("min_weight", 0.0, 10.0), ("cost", 0.0, 0.2)):
            self._check(name, low, high)
        for name, high in (("max_correlation", 1.0), ("max_turnover", 20.0)):
            if getattr(self, name) is not None:
                self._check(name, 0.0, high)

    def _check(self, name: str, low: float, high: float, *, above: bool = False) -> None:
        value = getattr(self, name)
        fits = math.isfinite(value) and low <= value <= high and not (above and value == low)
        if not fits:
            words = "above" if above else "from"
            raise _refusal(name, value, f"a number {words} {low:g} to {high:g}")


@dataclass(frozen=True, slots=True)
class Dropped:
    """An instrument left out, and why in words."""

    symbol: str
    why: str


@dataclass(frozen=True, slots=True)
class Balance:
    """Target weights and how they came about; weights of what is left out are 0."""

    weights: dict[str, float]
    target: dict[str, float]
    turnover: float
    cost: float
    volatility: float
    volatility_before: float
    observations: int
    dropped: Sequence[Dropped] = field(default_factory=tuple)


def balance(
    returns: Floats, symbols: Sequence[str], terms: Terms, before: Mapping[str, float]
) -> Balance:
    """Return the weights to hold.

    Parameters
    ----------
    returns
        ``(n_bars, n_assets)``, simple. Bars on which one of the assets has none are left out.
    before
        Weights held now, by symbol; what is not named is not held.

    Raises
    ------
    Invalid
        ``balance.returns``, ``balance.assets``, ``balance.observations``, ``balance.infeasible``
        with the constraints that clash in words, ``balance.failed`` when the solver gave up.
    """
    known = _clean(returns, symbols)
    names, dropped = list(symbols), []
    still = np.flatnonzero(known.std(axis=0) <= SLACK)
    dropped += [
        Dropped(names[a], "Its price does not move: there is no risk to weigh.") for a in still
    ]
    keep = np.setdiff1d(np.arange(len(names)), still)
    if terms.max_correlation is not None and len(keep) > 1:
        out = too_alike(known[:, keep], terms.max_correlation)
        dropped += [_alike(names, keep, *pair) for pair in out]
        keep = np.delete(keep, [pair[0] for pair in out])
    held = np.array([float(before.get(names[a], 0.0)) for a in keep])
    left = sum(abs(w) for s, w in before.items() if s not in {names[a] for a in keep})
    clashes = conflicts(len(keep), terms, held, left)
    if clashes:
        raise infeasible(clashes)
    seen = known[:, keep]
    target = terms.budget * optimise(seen, terms)
    weights = trade_towards(target, held, np.cov(seen, rowvar=False), terms, left)
    chosen = {names[a]: float(w) for a, w in zip(keep, weights, strict=True)}
    wanted = {names[a]: float(w) for a, w in zip(keep, target, strict=True)}
    turnover = float(np.abs(weights - held).sum()) + left
    return Balance(
        weights={name: chosen.get(name, 0.0) for name in names},
        target={name: wanted.get(name, 0.0) for name in names},
        turnover=turnover,
        cost=turnover * terms.cost,
        volatility=_volatility(known, np.array([chosen.get(name, 0.0) for name in names])),
        volatility_before=_volatility(known, np.array([before.get(n, 0.0) for n in names])),
        observations=len(known),
        dropped=tuple(dropped),
    )


def _clean(returns: Floats, symbols: Sequence[str]) -> Floats:
    found = np.asarray(returns, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != len(symbols):
        message = (
            f"Returns are shaped {found.shape}; one column for each of {len(symbols)} symbols."
        )
        raise Invalid(message, code="balance.returns", details={"field": "returns"})
    if not 2 <= len(symbols) <= MAX_ASSETS or len(set(symbols)) < len(symbols):
        message = f"{len(symbols)} instruments; give 2 to {MAX_ASSETS}, each once."
        raise Invalid(message, code="balance.assets", details={"field": "symbols"})
    if np.isinf(found).any() or (found <= -1.0).any():
        message = "A return is infinite, or loses all and more; look at the prices."
        raise Invalid(message, code="balance.returns", details={"field": "returns"})
    known = found[np.isfinite(found).all(axis=1)]
    if len(known) < MIN_OBSERVATIONS:
        message = (
            f"{len(known)} bars on which all {len(symbols)} instruments have a return; at least "
            f"{MIN_OBSERVATIONS} are needed. Leave out those with a short history."
        )
        raise Invalid(message, code="balance.observations")
    return known


def too_alike(returns: Floats, most: float) -> list[tuple[int, int, float]]:
    """Return which columns to drop so that no two left correlate above ``most``.

    Each comes with the column it is too like, and their correlation. Of the most alike pair the
    one goes that is more like all others that are left, then the next pair is looked at; only
    moving together counts, what moves against each other is kept.
    """
    correlation = np.atleast_2d(np.corrcoef(returns, rowvar=False))
    alive = np.ones(len(correlation), dtype=np.bool_)
    out: list[tuple[int, int, float]] = []
    pairs = np.triu(correlation, 1)
    while True:
        both = np.where(alive[:, None] & alive, pairs, -1.0)
        i, j = np.unravel_index(int(both.argmax()), both.shape)
        if not both[i, j] > most + SLACK:
            return out
        others = alive.copy()
        others[[i, j]] = False
        like_i, like_j = correlation[i, others].sum(), correlation[j, others].sum()
        goes, stays = (int(i), int(j)) if like_i > like_j else (int(j), int(i))
        alive[goes] = False
        out.append((goes, stays, float(both[i, j])))


def _alike(
    names: Sequence[str], keep: NDArray[np.int64], goes: int, stays: int, found: float
) -> Dropped:
    words = f"It moves with {names[keep[stays]]}: a correlation of {found:.2f}."
    return Dropped(names[keep[goes]], words)


def conflicts(count: int, terms: Terms, held: Floats, left: float = 0.0) -> list[str]:
    """Return in words which constraints clash; empty when weights that keep to all exist.

    ``held`` are the weights now of what is kept, ``left`` the gross weight of what is left out and
    has to be sold.
    """
    most, least = count * terms.max_weight, count * terms.min_weight
    found = []
    if terms.min_weight > terms.max_weight:
        words = f"The smallest weight, {terms.min_weight:.1%}, is above the largest"
        found.append(f"{words}, {terms.max_weight:.1%}.")
    if most < terms.budget - SLACK:
        words = f"{count} instruments of at most {terms.max_weight:.1%} hold {most:.1%}"
        need = terms.budget / count if count else math.inf
        found.append(
            f"{words}, and {terms.budget:.1%} is to be held: allow {need:.1%} each, hold less, "
            "or let in more instruments (a higher cap on correlation)."
        )
    if least > terms.budget + SLACK:
        words = f"{count} instruments of at least {terms.min_weight:.1%} take {least:.1%}"
        found.append(f"{words}, and {terms.budget:.1%} is to be held.")
    if found or terms.max_turnover is None:
        return found
    needed = least_turnover(held, terms) + left
    if needed > terms.max_turnover + SLACK:
        found.append(
            f"To keep to the other constraints {needed:.1%} of equity has to be traded, and "
            f"turnover may be {terms.max_turnover:.1%} at most."
        )
    return found


def least_turnover(held: Floats, terms: Terms) -> float:
    """Return the smallest sum of changes that leads to weights within bounds and budget.

    What lies outside the bounds has to be moved to them; what the budget then lacks, or has too
    much of, has to be moved once more, since what sits at a bound can't go back.
    """
    inside = np.clip(held, terms.min_weight, terms.max_weight)
    return float(np.abs(inside - held).sum() + abs(terms.budget - inside.sum()))


def infeasible(clashes: Sequence[str]) -> Invalid:
    """Return the refusal that names what clashes."""
    message = "These constraints can't all be met. " + " ".join(clashes)
    return Invalid(message, code="balance.infeasible", details={"conflicts": list(clashes)})


def optimise(returns: Floats, terms: Terms) -> Floats:
    """Return skfolio's weights, summing to 1, for bounds and budget of the terms.

    Raises ``Invalid`` (``balance.failed``) when its solver finds none.
    """
    if returns.shape[1] == 1:
        return np.ones(1)
    model = _model(terms)
    try:
        model.fit(returns)
    except Exception as error:
        message = f"The optimiser {terms.method} found no weights: {error}"
        raise Invalid(message[:500], code="balance.failed") from error
    found = np.asarray(model.weights_, dtype=np.float64)
    if not np.isfinite(found).all():
        message = f"The optimiser {terms.method} gave weights that are no numbers."
        raise Invalid(message, code="balance.failed")
    low, high = terms.min_weight / terms.budget, terms.max_weight / terms.budget
    found = np.clip(np.where(np.abs(found) < DUST, 0.0, found), low, high)
    return np.asarray(found / found.sum())


def _model(terms: Terms) -> Any:
    from skfolio import RiskMeasure
    from skfolio.optimization import (
        HierarchicalRiskParity,
        MaximumDiversification,
        MeanRisk,
        ObjectiveFunction,
        RiskBudgeting,
    )

    low, high = terms.min_weight / terms.budget, min(terms.max_weight / terms.budget, 1.0)
    bounds: dict[str, Any] = {"min_weights": low, "max_weights": high}
    if terms.method == "risk_parity":
        return RiskBudgeting(**bounds)
    if terms.method == "hrp":
        return HierarchicalRiskParity(**bounds)
    if terms.method == "max_diversification":
        return MaximumDiversification(**bounds)
    if terms.method == "mean_cvar":
        return MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
            risk_measure=RiskMeasure.CVAR,
            risk_aversion=terms.risk_aversion,
            cvar_beta=1.0 - terms.tail,
            **bounds,
        )
    return MeanRisk(**bounds)


def trade_towards(
    target: Floats, held: Floats, covariance: Floats, terms: Terms, left: float = 0.0
) -> Floats:
    """Return how far to go from ``held`` to ``target`` when turnover costs something.

    Notes
    -----
    The weights ``w`` within bounds and budget that make ``patience/2 (w-target)' C (w-target) +
    cost |w-held|`` smallest: being off target costs variance over ``patience`` bars, trading
    costs now. Around the target there is a region in which nothing is traded. Without cost and
    cap on turnover it is the target itself.

    References
    ----------
    Garleanu, Pedersen (2013), Dynamic Trading with Predictable Returns and Transaction Costs.
    """
    room = None if terms.max_turnover is None else terms.max_turnover - left
    if terms.cost == 0.0 and (room is None or np.abs(target - held).sum() <= room + SLACK):
        return target
    import cvxpy

    w = cvxpy.Variable(len(target))
    root = np.linalg.cholesky(np.atleast_2d(covariance) + 1e-12 * np.eye(len(target)))
    off = cvxpy.sum_squares(root.T @ (w - target))
    traded = cvxpy.norm1(w - held)
    # Both parts times 1e4, so that the solver's tolerance is small beside them.
    goal = cvxpy.Minimize(1e4 * (terms.patience / 2.0 * off + terms.cost * traded))
    keeps = [cvxpy.sum(w) == terms.budget, w >= terms.min_weight, w <= terms.max_weight]
    if room is not None:
        keeps.append(traded <= room)
    problem = cvxpy.Problem(goal, keeps)
    problem.solve(solver=cvxpy.CLARABEL)
    if w.value is None:
        message = f"The way to the target could not be found: the solver says {problem.status}."
        raise Invalid(message, code="balance.failed")
    found = np.asarray(w.value, dtype=np.float64)
    return np.where(np.abs(found - held) < DUST, held, found)


def _volatility(returns: Floats, weights: Floats) -> float:
    variance = float(weights @ np.cov(returns, rowvar=False) @ weights)
    return math.sqrt(max(variance, 0.0))


def _refusal(name: str, value: object, expected: str) -> Invalid:
    message = f"{name} = {value!r}; {expected} is expected."
    return Invalid(message, code="balance.terms", details={"field": name})
