"""What a backtest is asked to do, checked before anything is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from apps.backtests.kernel.costs import Costs, FeeTier
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.feeding import inputs_of
from apps.backtests.kernel.fills import check_units, get_fill_rule
from apps.backtests.kernel.given import Given, read_given
from apps.backtests.kernel.limits import limits_from
from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import PRICE_MODES
from apps.market.kernel.periods import bounds, known_at

BENCHMARKS = ("equal_weight", "SPY", "none")
MAX_SEED = 2**63
MAX_INSTRUMENTS = 5000
MAX_LABELS = 20
MOST_LETTERS = 8
ROWS = ("orders", "targets", "signals")
# The strategy of a request that says itself what to hold or to order.
GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Request:
    """A backtest to run. ``universe`` or ``instruments`` name the assets.

    ``given`` holds orders beside the strategy, or weights or signals in its place.
    """

    strategy: str
    params: dict[str, Any] = field(default_factory=dict)
    universe: str = ""
    instruments: tuple[str, ...] = ()
    timeframe: str = ""
    start: str | None = None
    end: str | None = None
    cash: float = 100_000.0
    fee_bps: float = 0.0
    slippage_bps: float = 0.0
    fill: str = "next_open"
    units: str = "fractional"
    seed: int = 0
    price_mode: str = "total_return"
    benchmark: str = "equal_weight"
    limits: dict[str, float] = field(default_factory=dict)
    finalize: bool = False
    title: str = ""
    labels: tuple[str, ...] = ()
    study: str = ""
    as_of: str | None = None
    more_costs: dict[str, Any] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)
    currency: str = ""
    given: Given = field(default_factory=Given)

    @property
    def costs(self) -> Costs:
        """All costs. Raises ``Invalid`` for one out of range."""
        more = dict(self.more_costs)
        tiers = tuple(_tier(entry) for entry in more.pop("schedule", ()))
        return Costs(self.fee_bps, self.slippage_bps, schedule=tiers, **more)

    def inputs(self) -> tuple[str, ...]:
        """Return what the account needs to know beside prices."""
        return inputs_of(self.price_mode, funding=bool(self.more_costs.get("funding")))

    def as_dict(self) -> dict[str, Any]:
        """Return the request in the shape of the REST body, given rows by number and digest."""
        body = asdict(replace(self, given=Given()))
        body.pop("given")
        costs = {"fee_bps": body.pop("fee_bps"), "slippage_bps": body.pop("slippage_bps")}
        costs |= body.pop("more_costs")
        if not self.execution:
            body.pop("execution")
        if self.given:
            body["given"] = self.given.summary()
        if self.given.signals:
            body["signal_weight"] = self.given.signal_weight
        return {
            **body,
            "costs": costs,
            "instruments": list(self.instruments),
            "labels": list(self.labels),
        }

    def terms(self) -> dict[str, Any]:
        """Return what the result depends on beside data, strategy and parameters."""
        names = ("cash", "fee_bps", "slippage_bps", "fill", "units", "seed", "finalize", "limits")
        terms = {name: getattr(self, name) for name in names}
        others = ("as_of", "more_costs", "execution", "currency")
        more = {name: getattr(self, name) for name in others}
        more["given"] = self.given.summary()
        more["signal_weight"] = self.given.signal_weight
        return terms | {name: value for name, value in more.items() if value}


COSTS: dict[str, Any] = {
    term.name: [] if term.name == "schedule" else term.default for term in fields(Costs)
}
KNOWN = Request.__dataclass_fields__.keys() - {"fee_bps", "slippage_bps", "more_costs", "given"}
KNOWN |= {*ROWS, "signal_weight"}


def read_request(body: Mapping[str, Any], *, panel_given: bool = False) -> Request:
    """Return a checked request from a JSON body.

    Raises
    ------
    Invalid
        With the field at fault and what is expected there.
    """
    values = {name: value for name, value in body.items() if value is not None}
    costs = values.pop("costs", {})
    if not isinstance(costs, Mapping):
        raise _refusal("costs", costs, 'an object such as {"fee_bps": 10, "slippage_bps": 5}')
    unknown = sorted(set(costs) - COSTS.keys())
    unknown += sorted(set(values) - KNOWN)
    if unknown:
        names = [name for name in Request.__dataclass_fields__ if name in KNOWN]
        known = ", ".join((*names, *ROWS, "signal_weight"))
        message = f"{', '.join(unknown)} is no field of a backtest; the fields are {known}, costs."
        raise Invalid(message, code="request.unknown_field", details={"field": unknown[0]})
    given = read_given(values)
    if given:
        values.setdefault("strategy", GIVEN)
    request = Request(
        strategy=_text(values, "strategy", required=True),
        params=_params(values.get("params", {})),
        universe=_text(values, "universe"),
        instruments=_names(values, "instruments", MAX_INSTRUMENTS),
        timeframe=_text(values, "timeframe"),
        start=_text(values, "start") or None,
        end=_text(values, "end") or None,
        cash=_number(values.get("cash", 100_000.0), "cash"),
        fee_bps=_number(costs.get("fee_bps", 0.0), "costs.fee_bps"),
        slippage_bps=_number(costs.get("slippage_bps", 0.0), "costs.slippage_bps"),
        fill=_text(values, "fill") or "next_open",
        units=_text(values, "units") or "fractional",
        seed=_whole(values.get("seed", 0), "seed"),
        price_mode=_text(values, "price_mode") or "total_return",
        benchmark=_text(values, "benchmark") or "equal_weight",
        limits=_limits(values.get("limits", {})),
        finalize=_flag(values.get("finalize", False), "finalize"),
        title=_text(values, "title")[:200],
        labels=_names(values, "labels", MAX_LABELS),
        study=_text(values, "study"),
        as_of=_text(values, "as_of") or None,
        more_costs=_more_costs(costs),
        execution=_execution(values.get("execution", {})),
        currency=_currency(values),
        given=given,
    )
    _check(request, panel_given=panel_given)
    return request


def _check(request: Request, *, panel_given: bool) -> None:
    if not (request.costs.is_plain and not request.execution and not request.given.orders):
        _check_full(request)
    _check_given(request)
    get_fill_rule(request.fill)
    check_units(request.units)
    if not request.cash > 0:
        raise _refusal("cash", request.cash, "a positive amount")
    if request.benchmark not in BENCHMARKS:
        raise _refusal("benchmark", request.benchmark, f"one of {', '.join(BENCHMARKS)}")
    if request.price_mode not in PRICE_MODES:
        raise _refusal("price_mode", request.price_mode, f"one of {', '.join(PRICE_MODES)}")
    if request.timeframe:
        seconds_of(request.timeframe)
    bounds(request.start, request.end)
    known_at(request.as_of)
    if panel_given:
        return
    if bool(request.universe) == bool(request.instruments):
        message = "Give either a universe or instruments; one of them, not both and not neither."
        raise Invalid(message, code="request.assets", details={"field": "universe"})


def _check_full(request: Request) -> None:
    """Refuse what serves comparisons only beside costs and rules that none of the peers has."""
    for name, wrong in (("fill", request.fill == "close"), ("finalize", request.finalize)):
        if wrong:
            message = f"{name} serves comparisons with fee_bps and slippage_bps alone."
            raise Invalid(message, code=f"{name}.comparison_only", details={"field": name})


def _check_given(request: Request) -> None:
    """Refuse rows that say the same as a strategy, and a run in which nothing says anything."""
    given, is_own = request.given, request.strategy == GIVEN
    if is_own and not given:
        message = (
            "The strategy 'given' plays what comes with the request; add orders, targets or "
            "signals, or choose a strategy that decides."
        )
        raise Invalid(message, code="given.nothing", details={"field": "orders"})
    name = "targets" if given.targets else "signals"
    if (given.targets or given.signals) and not is_own:
        message = (
            f"{name} say what to hold, and so does the strategy {request.strategy!r}; leave the "
            "strategy out, or give orders, which are played beside it."
        )
        raise Invalid(message, code="given.beside_strategy", details={"field": name})
    if given.signal_weight is not None and not given.signals:
        message = "signal_weight is what a signal stands for; there are no signals."
        raise Invalid(message, code="signals.weight", details={"field": "signal_weight"})


def _more_costs(costs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the costs beside the two plain ones, those at their defaults left out."""
    found: dict[str, Any] = {}
    for name, default in COSTS.items():
        value = costs.get(name, default)
        if name in {"fee_bps", "slippage_bps"} or value is None or value == default:
            continue
        if name == "funding":
            found[name] = _flag(value, "costs.funding")
        elif name == "schedule":
            found[name] = _schedule(value)
        else:
            found[name] = _number(value, f"costs.{name}")
    return found


def _schedule(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise _refusal("costs.schedule", value, "a list of fees with the day each begins")
    for entry in value:
        _tier(entry)
    return [dict(entry) for entry in value]


def _tier(entry: Mapping[str, Any]) -> FeeTier:
    """Return one line of a schedule of fees. Raises ``Invalid``."""
    name = "costs.schedule"
    unknown = sorted(set(entry) - {"start", "venue", "fee_bps", "maker_bps", "per_unit"})
    if unknown:
        expected = "start, venue, fee_bps, maker_bps and per_unit"
        raise _refusal(f"{name}.{unknown[0]}", entry[unknown[0]], expected)
    start, venue = entry.get("start"), entry.get("venue", "")
    if not isinstance(start, str) or not isinstance(venue, str):
        raise _refusal(f"{name}.start", start, "a date such as 2020-01-01, and a venue by name")
    try:
        bounds(start, None)
    except Invalid as error:
        raise _refusal(f"{name}.start", start, "a date such as 2020-01-01") from error
    fee = _number(entry.get("fee_bps", 0.0), f"{name}.fee_bps")
    maker = _number(entry.get("maker_bps", fee), f"{name}.maker_bps")
    per_unit = _number(entry.get("per_unit", 0.0), f"{name}.per_unit")
    return FeeTier(start, fee, maker, per_unit, venue)


def _execution(value: Any) -> dict[str, Any]:
    """Return the terms of execution that were given, checked."""
    if not isinstance(value, Mapping):
        raise _refusal("execution", value, 'an object such as {"stop_loss": 0.1}')
    known = {term.name for term in fields(Execution)}
    found: dict[str, Any] = {}
    for name, given in value.items():
        if name not in known:
            message = f"execution.{name} is unknown; there are {', '.join(sorted(known))}."
            details: dict[str, object] = {"field": f"execution.{name}"}
            raise Invalid(message, code="request.unknown_field", details=details)
        if given is None:
            continue
        by_symbol = isinstance(given, Mapping) and name in {"lot", "tick", "venues"}
        if name == "venues":
            if not by_symbol or not all(isinstance(venue, str) for venue in given.values()):
                raise _refusal("execution.venues", given, "a venue by symbol")
            found[name] = dict(given)
        elif by_symbol:
            found[name] = {s: _number(n, f"execution.{name}.{s}") for s, n in given.items()}
        else:
            found[name] = _number(given, f"execution.{name}")
    Execution(**found)
    return found


def _refusal(name: str, value: Any, expected: str) -> Invalid:
    message = f"{name} = {value!r}; {expected} is expected."
    return Invalid(message, code="request.invalid", details={"field": name})


def _currency(values: Mapping[str, Any]) -> str:
    found = _text(values, "currency").upper()
    if found and not (found.isalpha() and found.isascii() and 3 <= len(found) <= MOST_LETTERS):
        raise _refusal("currency", found, "a currency such as USD")
    return found


def _text(values: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = values.get(name, "")
    if isinstance(value, int) and not isinstance(value, bool) and name == "strategy":
        value = str(value)
    if not isinstance(value, str) or len(value) > 500 or (required and not value.strip()):
        raise _refusal(name, value, "a text")
    return value.strip()


def _params(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _refusal("params", value, "an object of parameters by name")
    return dict(value)


def _limits(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise _refusal("limits", value, "an object of limits by name")
    limits_from(value)
    return {str(name): float(number) for name, number in value.items()}


def _names(values: Mapping[str, Any], name: str, most: int) -> tuple[str, ...]:
    found = values.get(name, ())
    if isinstance(found, str):
        found = found.replace(",", " ").split()
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        raise _refusal(name, found, "a list of names")
    if len(found) > most:
        raise _refusal(name, f"{len(found)} names", f"at most {most}")
    return tuple(one.strip() for one in found if one.strip())


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refusal(name, value, "a finite number")
    return float(value)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_SEED:
        raise _refusal(name, value, "a whole number from 0 on")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _refusal(name, value, "true or false")
    return value
