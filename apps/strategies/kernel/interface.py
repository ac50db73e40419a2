"""What a strategy is: declared parameters, causal features, a decision at each close."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel

Floats = NDArray[np.float64]
Params = dict[str, Any]
Features = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter: kind is int, float, bool, choice or text."""

    name: str
    kind: str
    default: Any
    low: float | None = None
    high: float | None = None
    unit: str = ""
    about: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spec:
    """What a strategy says of itself."""

    name: str
    title: str
    about: str
    source: str
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[str, ...] = ("close",)
    single_asset: bool = False


@dataclass(slots=True)
class View:
    """What a strategy may see when bar ``i`` has closed.

    ``features`` hold the whole arrays of ``prepare``; only rows up to ``i`` may be read.
    ``weights`` are the shares of equity held now, ``(n_assets,)``; ``tradable`` tells which
    assets have a bar.
    """

    i: int
    ts: int
    features: Features
    weights: Floats
    tradable: NDArray[np.bool_]
    memory: dict[str, Any] = field(default_factory=dict)


class Strategy(Protocol):
    """The one interface. Objects hold no state of a run: it lives in ``View.memory``."""

    spec: Spec

    def warmup(self, params: Params) -> int:
        """Return how many bars must have closed before the first decision."""
        ...

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return causal features, each ``(n_bars, n_assets)``: row i uses bars up to i only."""
        ...

    def decide(self, view: View, params: Params) -> Floats | None:
        """Return target weights ``(n_assets,)`` at this close, or None to leave all be."""
        ...

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the array twin, ``(n_bars, n_assets)``: a row of NaN where nothing changes."""
        ...


def check_params(spec: Spec, given: Params) -> Params:
    """Return every parameter with its default filled in and its type brought to the declared one.

    Raises ``Invalid`` for an unknown name, a wrong type or a value out of range.
    """
    known = {parameter.name: parameter for parameter in spec.parameters}
    for name in given:
        if name not in known:
            message = (
                f"{spec.name} has no parameter {name!r}; it has: {', '.join(known) or 'none'}."
            )
            raise Invalid(message, code="params.unknown", details={"field": f"params.{name}"})
    return {name: _value(spec, p, given.get(name, p.default)) for name, p in known.items()}


def _value(spec: Spec, parameter: Parameter, value: Any) -> Any:
    kinds = {"int": int, "float": float, "bool": bool, "choice": str, "text": str}
    wanted = kinds[parameter.kind]
    if isinstance(value, bool) != (wanted is bool) or (
        wanted is str and not isinstance(value, str)
    ):
        raise _refusal(spec, parameter, value, f"is not a {parameter.kind}")
    try:
        number = wanted(value)
    except (TypeError, ValueError, OverflowError):
        raise _refusal(spec, parameter, value, f"is not a {parameter.kind}") from None
    if wanted is int and number != value:
        raise _refusal(spec, parameter, value, "is not a whole number")
    if wanted is float and not np.isfinite(number):
        raise _refusal(spec, parameter, value, "is not finite")
    if parameter.choices and number not in parameter.choices:
        raise _refusal(spec, parameter, value, f"is none of {', '.join(parameter.choices)}")
    if wanted in {int, float} and not _within(parameter, number):
        bounds = f"lies outside {parameter.low} to {parameter.high} {parameter.unit}".rstrip()
        raise _refusal(spec, parameter, value, bounds)
    return number


def _within(parameter: Parameter, number: float) -> bool:
    low = -np.inf if parameter.low is None else parameter.low
    high = np.inf if parameter.high is None else parameter.high
    return bool(low <= number <= high)


def _refusal(spec: Spec, parameter: Parameter, value: Any, why: str) -> Invalid:
    message = f"{spec.name}: {parameter.name} = {value!r} {why}."
    return Invalid(
        message, code="params.out_of_range", details={"field": f"params.{parameter.name}"}
    )
