"""What a strategy is: declared parameters, causal features, a decision at each close."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.orders import Intents, OrderStatus

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
class Component:
    """A part of a score: the feature of that name, from 0 to ``most`` points."""

    name: str
    title: str
    most: float


@dataclass(frozen=True, slots=True)
class Spec:
    """What a strategy says of itself.

    Parameters
    ----------
    name, title, about, source
        For people; ``source`` names where the idea was published.
    parameters
        Everything that can be chosen, each with its range, default and unit.
    inputs
        What it reads: price fields, and further inputs such as ``funding``.
    optional
        Those of them it can do without: a missing one scores nothing and is shown missing.
    gaps
        ``own_bars``: each instrument counts the bars it has; ``refuse``: a bar missing between an
        instrument's first and last is refused, since the sum would mean something else.
    across
        It compares instruments, so what it wants of one depends on which others there are.
    passive
        It follows no signal: a yardstick for the others.
    components
        The parts of its score, when it has one; ``prepare`` returns them, and ``score``.
    """

    name: str
    title: str
    about: str
    source: str
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[str, ...] = ("close",)
    single_asset: bool = False
    optional: tuple[str, ...] = ()
    gaps: str = "own_bars"
    across: bool = False
    passive: bool = False
    components: tuple[Component, ...] = ()


class Declared(Protocol):
    """Anything with a name and declared parameters."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What can be chosen."""
        ...


@dataclass(slots=True)
class View:
    """What a strategy may see when bar ``i`` has closed.

    ``features`` hold the whole arrays of ``prepare``; only rows up to ``i`` may be read.
    ``weights`` are the shares of equity held now, ``positions`` the units, ``prices`` the last
    closes (NaN: none yet), each ``(n_assets,)``; ``tradable`` tells which assets have a bar.
    ``orders`` are those that work, and those that ended since the strategy was last asked.
    """

    i: int
    ts: int
    features: Features
    weights: Floats
    tradable: NDArray[np.bool_]
    memory: dict[str, Any] = field(default_factory=dict)
    positions: Floats = field(default_factory=lambda: np.zeros(0))
    prices: Floats = field(default_factory=lambda: np.zeros(0))
    equity: float = float("nan")
    orders: tuple[OrderStatus, ...] = ()


class Strategy(Protocol):
    """The one interface. Objects hold no state of a run: it lives in ``View.memory``.

    What a strategy wants (its intents) is a row of target weights; a NaN cell leaves that
    instrument be. Or it is ``Intents``: weights, orders (limits, stops, brackets, …) and numbers
    of orders to cancel. One that may answer with orders says so in ``places_orders(params)``, and
    gives them as ``orders(panel, params)`` too when they follow from the bars alone: see
    ``decisions.WithOrders``. ``View.memory`` is plain JSON: whoever runs the strategy keeps it
    between bars, for hours and days, and hands it back after a restart.
    """

    spec: Spec

    def warmup(self, params: Params) -> int:
        """Return how many bars must have closed before the first decision."""
        ...

    def prepare(self, panel: Panel, params: Params) -> Features:
        """Return causal features, each ``(n_bars, n_assets)``: row i uses bars up to i only."""
        ...

    def decide(self, view: View, params: Params) -> Floats | Intents | None:
        """Return target weights ``(n_assets,)`` at this close, intents, or None to leave all."""
        ...

    def targets(self, panel: Panel, params: Params) -> Floats:
        """Return the array twin, ``(n_bars, n_assets)``: a row of NaN where nothing changes."""
        ...


def inputs_of(strategy: Strategy, params: Params) -> tuple[str, ...]:
    """Return what a strategy reads: what it declares, and what its parameters name besides.

    One whose parameters decide, as a formula does, says so in ``reads(params)``.
    """
    reads = getattr(strategy, "reads", None)
    return tuple(dict.fromkeys((*strategy.spec.inputs, *(reads(params) if reads else ()))))


def check_params(spec: Declared, given: Params) -> Params:
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


def refuse_params(spec: Declared, field: str, why: str) -> Invalid:
    """Return the refusal of parameters that don't go together; ``field`` is the one at fault."""
    return Invalid(
        f"{spec.name}: {why}", code="params.out_of_range", details={"field": f"params.{field}"}
    )


def check_panel(spec: Spec, warmup: int, panel: Panel) -> None:
    """Refuse bars that the strategy can't be computed on.

    Raises
    ------
    Invalid
        ``inputs.missing`` for a required input that is not there, ``panel.too_short`` when no bar
        is left after the warm-up, ``panel.nan_bars`` for half a bar, or for a bar missing within
        an instrument's history when the strategy can't do with gaps.
    """
    check_inputs(spec, panel)
    check_bars(spec, panel)
    if panel.n_bars <= warmup:
        message = (
            f"The dates hold {panel.n_bars} bars; {spec.name} needs more than {warmup} before its "
            "first decision. Choose an earlier start or shorter parameters."
        )
        raise Invalid(message, code="panel.too_short", details={"field": "start"})


def check_inputs(spec: Spec, panel: Panel) -> None:
    """Refuse a panel without an input the strategy needs. Raises ``Invalid``."""
    for name in spec.inputs:
        if name in FIELDS or name in spec.optional:
            continue
        if name not in panel.extras or not np.isfinite(panel.extras[name]).any():
            message = (
                f"{spec.name} needs {name}, and nothing is known of it for {_few(panel.symbols)}; "
                "choose instruments or dates that have it."
            )
            raise Invalid(message, code="inputs.missing", details={"field": name})


def check_bars(spec: Spec, panel: Panel) -> None:
    """Refuse half bars, and gaps where the strategy has none. Raises ``Invalid``."""
    there = np.isfinite(panel.close)
    whole = np.isfinite(panel.open) & np.isfinite(panel.high) & np.isfinite(panel.low)
    _refuse_bar(spec, panel, there & ~whole, "a close and not the other prices")
    if spec.gaps == "refuse":
        begun = np.logical_or.accumulate(there, axis=0)
        goes_on = np.logical_or.accumulate(there[::-1], axis=0)[::-1]
        _refuse_bar(spec, panel, begun & goes_on & ~there, "no bar")


def _refuse_bar(spec: Spec, panel: Panel, wrong: NDArray[np.bool_], what: str) -> None:
    if not wrong.any():
        return
    row, column = np.argwhere(wrong)[0]
    symbol, at = panel.symbols[column], panel.ts[row].astype("datetime64[us]")
    message = (
        f"{symbol} has {what} at {str(at)[:16]} (and {int(wrong.sum()) - 1} like it); "
        f"{spec.name} can't be computed over that. Repair the bars or choose other dates."
    )
    raise Invalid(message, code="panel.nan_bars", details={"field": symbol})


def _few(symbols: tuple[str, ...]) -> str:
    more = f" and {len(symbols) - 3} more" if len(symbols) > 3 else ""
    return ", ".join(symbols[:3]) + more


def _value(spec: Declared, parameter: Parameter, value: Any) -> Any:
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


def _refusal(spec: Declared, parameter: Parameter, value: Any, why: str) -> Invalid:
    message = f"{spec.name}: {parameter.name} = {value!r} {why}."
    return Invalid(
        message, code="params.out_of_range", details={"field": f"params.{parameter.name}"}
    )
