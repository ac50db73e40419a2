"""A Bayesian search over a space, by optuna's tree-structured Parzen estimator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from apps.backtests.kernel.spaces import Axis, Space
from apps.strategies.kernel.interface import Params

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Told = tuple[Params, float | None]
STARTUP = 16


def propose(
    space: Space, told: Sequence[Told], waiting: Sequence[Params], count: int, *, seed: int
) -> list[Params]:
    """Return combinations to try next.

    Parameters
    ----------
    told
        Combinations tried, with their score (higher is better); None where there is none: such a
        combination is known to fail, and kept away from.
    waiting
        Combinations that others compute now.
    seed
        The same history and seed ask for the same.

    Notes
    -----
    Until ``STARTUP`` are known the draws are random. A combination asked for before may be asked
    for again when the space is small: its figures are the same and it counts as a trial.

    References
    ----------
    Bergstra, Bardenet, Bengio and Kegl (2011), "Algorithms for Hyper-Parameter Optimization",
    NeurIPS 24.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    axes = {axis.name: _distribution(axis) for axis in space.axes}
    sampler = optuna.samplers.TPESampler(
        seed=seed % 2**32, constant_liar=True, n_startup_trials=STARTUP, multivariate=True
    )
    study = optuna.create_study(sampler=sampler, direction="maximize")
    states = optuna.trial.TrialState
    known = [
        _trial(axes, params, states.COMPLETE if score is not None else states.FAIL, score)
        for params, score in told
    ]
    known += [_trial(axes, params, states.RUNNING, None) for params in waiting]
    study.add_trials(known)
    return [_plain(space, study.ask(axes).params) for _ in range(count)]


def _trial(axes: dict[str, Any], params: Params, state: Any, score: float | None) -> Any:
    from optuna.trial import create_trial

    return create_trial(params=params, distributions=axes, value=score, state=state)


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if axis.is_continuous:
        return FloatDistribution(axis.low, axis.high, log=axis.log)
    steps = _steps(axis.values)
    if steps is not None:
        low, high, step = steps
        return IntDistribution(low, high, step=step)
    return CategoricalDistribution(axis.values)


def _steps(values: Sequence[Any]) -> tuple[int, int, int] | None:
    """Return low, high and step of whole numbers in even steps; None for anything else."""
    if len(values) < 2 or any(isinstance(v, bool) or not isinstance(v, int) for v in values):
        return None
    step = values[1] - values[0]
    if step <= 0 or any(b - a != step for a, b in pairwise(values)):
        return None
    return values[0], values[-1], step


def _plain(space: Space, params: dict[str, Any]) -> Params:
    return {axis.name: params[axis.name] for axis in space.axes}
