"""What a backtest is asked to do, checked before anything is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.fills import check_units, get_fill_rule
from apps.backtests.kernel.limits import limits_from
from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import PRICE_MODES
from apps.market.kernel.periods import bounds, known_at

BENCHMARKS = ("equal_weight", "SPY", "none")
MAX_SEED = 2**63
MAX_INSTRUMENTS = 5000
MAX_LABELS = 20


@dataclass(frozen=True, slots=True)
class Request:
    """A backtest to run. ``universe`` or ``instruments`` name the assets."""

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

    def as_dict(self) -> dict[str, Any]:
        """Return the request in the shape of the REST body."""
        body = asdict(self)
        costs = {"fee_bps": body.pop("fee_bps"), "slippage_bps": body.pop("slippage_bps")}
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
        return terms | {"as_of": self.as_of} if self.as_of else terms


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
    unknown = sorted(set(costs) - {"fee_bps", "slippage_bps"})
    unknown += sorted(set(values) - set(Request.__dataclass_fields__))
    if unknown:
        known = ", ".join(name for name in Request.__dataclass_fields__ if "_bps" not in name)
        message = f"{', '.join(unknown)} is no field of a backtest; the fields are {known}, costs."
        raise Invalid(message, code="request.unknown_field", details={"field": unknown[0]})
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
    )
    _check(request, panel_given=panel_given)
    return request


def _check(request: Request, *, panel_given: bool) -> None:
    Costs(request.fee_bps, request.slippage_bps)
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


def _refusal(name: str, value: Any, expected: str) -> Invalid:
    message = f"{name} = {value!r}; {expected} is expected."
    return Invalid(message, code="request.invalid", details={"field": name})


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
