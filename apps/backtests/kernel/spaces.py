"""What a sweep tries: axes of values per parameter, by grid, at random, or as a search asks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.strategies.kernel.interface import Parameter, Params, Spec, check_params

METHODS = {
    "grid": "every combination, in order",
    "random": "combinations drawn at random, none twice",
    "bayesian": "a tree-structured Parzen estimator asks where the figure may be better",
}
MOST_TRIALS = {"grid": 100_000, "random": 100_000, "bayesian": 2_000}
MAX_AXES = 8
MAX_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class Axis:
    """The values one parameter takes: a list of them, or a stretch of numbers without steps."""

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def is_continuous(self) -> bool:
        """Whether any number of the stretch may be drawn."""
        return not self.values


@dataclass(frozen=True, slots=True)
class Space:
    """All axes, in the order the strategy declares its parameters."""

    axes: tuple[Axis, ...]

    @property
    def size(self) -> int | None:
        """How many combinations there are; None with a continuous axis."""
        if any(axis.is_continuous for axis in self.axes):
            return None
        return math.prod(len(axis.values) for axis in self.axes)

    def at(self, number: int) -> Params:
        """Return the combination of a number below ``size``; the last axis turns fastest."""
        found: Params = {}
        for axis in reversed(self.axes):
            number, place = divmod(number, len(axis.values))
            found[axis.name] = axis.values[place]
        return dict(reversed(found.items()))

    def draw(self, number: int, seed: int) -> Params:
        """Return the random combination of a number: the same for the same seed, on any worker."""
        random = np.random.default_rng([seed, number])
        return {axis.name: _drawn(axis, random) for axis in self.axes}


def _drawn(axis: Axis, random: np.random.Generator) -> Any:
    if axis.values:
        return axis.values[int(random.integers(len(axis.values)))]
    if axis.log:
        return float(np.exp(random.uniform(np.log(axis.low), np.log(axis.high))))
    return float(random.uniform(axis.low, axis.high))


def combinations(
    space: Space, method: str, seed: int, trials: int, first: int, count: int
) -> list[Params]:
    """Return the combinations ``first`` to ``first + count`` of a grid or a random sweep.

    Notes
    -----
    Random draws from a space that can be counted are a permutation of it: none comes twice.
    """
    numbers = range(first, min(first + count, trials))
    if method == "grid":
        return [space.at(number) for number in numbers]
    size = space.size
    if size is None:
        return [space.draw(number, seed) for number in numbers]
    order = np.random.default_rng(seed).choice(size, size=trials, replace=False)
    return [space.at(int(order[number])) for number in numbers]


def read_space(given: Any, spec: Spec, fixed: Params) -> Space:
    """Return the axes of a request, each value checked against what the strategy declares.

    Parameters
    ----------
    given
        By parameter: a list of values, or ``{"low", "high", "step"}``, or ``{"low", "high",
        "log": true}`` for any number between.
    fixed
        The parameters that are not swept.

    Raises
    ------
    Invalid
        ``sweep.space`` or the code of the parameter, with the field at fault.
    """
    if not isinstance(given, Mapping) or not given:
        raise _refusal("space", "name at least one parameter and its values")
    if len(given) > MAX_AXES:
        raise _refusal("space", f"{len(given)} parameters; at most {MAX_AXES} are swept at once")
    known = {parameter.name: parameter for parameter in spec.parameters}
    for name in given:
        if name not in known:
            has = ", ".join(known) or "none"
            raise _refusal(
                f"space.{name}", f"{spec.name} has no parameter {name!r}; it has: {has}"
            )
    axes = tuple(_axis(known[name], given[name]) for name in known if name in given)
    for axis in axes:
        for value in axis.values or (axis.low, axis.high):
            check_params(spec, {**fixed, axis.name: value})
    return Space(axes)


def _axis(parameter: Parameter, given: Any) -> Axis:
    field = f"space.{parameter.name}"
    if isinstance(given, Sequence) and not isinstance(given, str):
        return Axis(parameter.name, _listed(field, given))
    if not isinstance(given, Mapping) or set(given) - {"low", "high", "step", "log"}:
        raise _refusal(field, 'give a list of values or {"low", "high", "step"}')
    low, high, step = (_number(field, given, name) for name in ("low", "high", "step"))
    if low is None or high is None or not low < high:
        raise _refusal(field, "low and high are numbers, low below high")
    if parameter.kind not in {"int", "float"}:
        raise _refusal(field, f"a {parameter.kind} has no stretch; list its values")
    if parameter.kind == "int" and step is None:
        step = 1.0
    if step is None:
        return _stretch(parameter, field, low, high, log=given.get("log", False))
    return Axis(parameter.name, _steps(parameter, field, low, high, step))


def _listed(field: str, given: Sequence[Any]) -> tuple[Any, ...]:
    if not all(isinstance(value, str | int | float) for value in given):
        raise _refusal(field, "the list holds something else than numbers, texts and truths")
    values = tuple(dict.fromkeys(given))
    if not values:
        raise _refusal(field, "the list is empty")
    if len(values) > MAX_VALUES:
        raise _refusal(field, f"{len(values):,} values; at most {MAX_VALUES:,}")
    return values


def _stretch(parameter: Parameter, field: str, low: float, high: float, *, log: Any) -> Axis:
    if not isinstance(log, bool):
        raise _refusal(field, "log is true or false")
    if log and low <= 0:
        raise _refusal(field, "low is above 0 for a logarithmic stretch")
    return Axis(parameter.name, low=low, high=high, log=log)


def _steps(
    parameter: Parameter, field: str, low: float, high: float, step: float
) -> tuple[Any, ...]:
    if step <= 0:
        raise _refusal(field, "step is above 0")
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MAX_VALUES:
        raise _refusal(field, f"{count:,} values; at most {MAX_VALUES:,}")
    if parameter.kind == "int":
        if low % 1 or step % 1:
            raise _refusal(field, f"{parameter.name} takes whole numbers")
        return tuple(int(low) + int(step) * place for place in range(count))
    return tuple(round(low + step * place, 12) for place in range(count))


def _number(field: str, given: Mapping[str, Any], name: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refusal(f"{field}.{name}", f"{value!r} is no finite number")
    return float(value)


def trials_of(space: Space, method: str, trials: int | None) -> int:
    """Return how many combinations a sweep tries. Raises ``Invalid`` for none or too many."""
    if method not in METHODS:
        raise _refusal("method", f"{method!r} is none of {', '.join(METHODS)}")
    size = space.size
    if method == "grid":
        if size is None:
            raise _refusal("space", "a grid needs lists or steps on every axis")
        wanted = size
    elif trials is None:
        raise _refusal("trials", f"say how many combinations a {method} sweep tries")
    else:
        wanted = trials if size is None else min(trials, size)
    if not 1 <= wanted <= MOST_TRIALS[method]:
        most = MOST_TRIALS[method]
        message = f"{wanted:,} combinations; a {method} sweep takes 1 to {most:,}"
        raise _refusal("trials" if method != "grid" else "space", message)
    return wanted


def _refusal(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}.", code="sweep.space", details={"field": field})
