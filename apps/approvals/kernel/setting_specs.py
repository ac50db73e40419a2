"""The settings that can be changed at run time: what each holds, its default, how it is judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.approvals.kernel.fields import CHECK, CHOICE, Field
from apps.approvals.kernel.policy import (
    DEFAULT_GATES,
    FIGURES,
    MODE_WORDS,
    OPERATORS,
    gates_as_json,
    read_gates,
)
from apps.approvals.kernel.quorum import KINDS as PROPOSAL_KINDS
from apps.approvals.kernel.quorum import PROMOTION
from apps.approvals.kernel.signatures import DEFAULT_POLICY, KINDS
from apps.approvals.kernel.states import STAGES


@dataclass(frozen=True, slots=True)
class Spec:
    """A setting: ``check`` raises ValueError in words for a value that can't be."""

    key: str
    label: str
    default: Any
    check: Callable[[Any], None]
    unit: str = ""
    hint: str = field(default="")
    # A policy: changed by a proposal that others decide, never by one person.
    by_proposal: bool = False
    # The fields that the form of a value has.
    fields: Callable[[Any], tuple[Field, ...]] = lambda _: ()


SPECS: dict[str, Spec] = {}


def register(*specs: Spec) -> None:
    """Make settings known; an app to the right does so when its kernel is imported."""
    for spec in specs:
        spec.check(spec.default)
        SPECS[spec.key] = spec


def find_spec(key: str) -> Spec:
    """Return a setting's description. Raises ValueError naming those there are."""
    if key not in SPECS:
        message = f"{key!r} is not a setting; there are {', '.join(sorted(SPECS))}"
        raise ValueError(message)
    return SPECS[key]


def number(minimum: float, maximum: float, *, whole: bool = False) -> Callable[[Any], None]:
    """Return a check for a number within bounds."""

    def check(value: Any) -> None:
        kinds = int if whole else int | float
        fits = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
        if not fits or not minimum <= value <= maximum:
            kind = "a whole number" if whole else "a number"
            message = f"{value!r} is not {kind} from {minimum:g} to {maximum:g}"
            raise ValueError(message)

    return check


def _check_gates(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        message = "gates are a list of objects"
        raise ValueError(message)
    read_gates(value)


def _gate_fields(value: Any) -> tuple[Field, ...]:
    found = []
    for at, gate in enumerate(value):
        name, group = gate["name"], gate["label"]
        stages = dict.fromkeys(["paper", "live", *gate["stages"]])
        found += [
            _threshold(gate, at, group),
            Field(f"{name}.mode", "Mode", (at, "mode"), CHOICE, choices=MODE_WORDS, group=group),
            *(
                Field(f"{name}.{stage}", f"for {stage}", (at, "stages"), CHECK, word=stage,
                      group=group)
                for stage in stages
            ),
        ]  # fmt: skip
    return tuple(found)


def _threshold(gate: Mapping[str, Any], at: int, group: str) -> Field:
    name, path = f"{gate['name']}.threshold", (at, "threshold")
    label = f"{gate['figure']} {OPERATORS[gate['operator']]}"
    if gate["operator"] == "is":
        truths = (("true", "true"), ("false", "false"))
        return Field(name, label, path, CHOICE, choices=truths, group=group)
    low, high, unit = FIGURES.get(gate["figure"], (None, None, ""))
    return Field(name, label, path, minimum=low, maximum=high, unit=unit, group=group)


MOST_USD = 1e12


def _tier_fields(_: Any) -> tuple[Field, ...]:
    return tuple(
        Field(f"tier_{at + 1}", f"Tier {at + 1} ends at", (at,), minimum=1, maximum=MOST_USD,
              unit="USD")
        for at in range(2)
    )  # fmt: skip


def _check_tiers(value: Any) -> None:
    in_range = number(1, MOST_USD)
    if not isinstance(value, list) or len(value) != 2:
        message = "tiers are two amounts in USD: the upper ends of tier 1 and tier 2"
        raise ValueError(message)
    for amount in value:
        in_range(amount)
    if value[0] >= value[1]:
        message = (
            f"tier 1 ends at {value[0]:g}, which is not below the end of tier 2, {value[1]:g}"
        )
        raise ValueError(message)


SIGNED = ("default", PROMOTION, *(f"{PROMOTION}.{s}" for s in STAGES[1:]), *PROPOSAL_KINDS)
SIGNATURES = tuple(zip(KINDS, ("code or passkey", "passkey"), strict=True))


def _signature_fields(_: Any) -> tuple[Field, ...]:
    return tuple(_signature(name) for name in SIGNED)


def _signature(name: str) -> Field:
    kind, _, stage = name.partition(".")
    if kind == "default":
        return Field(name, "Default", (name,), CHOICE, choices=SIGNATURES)
    follows = ("", f"as {PROMOTION}s" if stage else "as the default")
    label = f"{kind.capitalize()} to {stage}" if stage else kind.capitalize()
    return Field(name, label, (name,), CHOICE, choices=(follows, *SIGNATURES))


def _check_signatures(value: Any) -> None:
    names = set(SIGNED)
    if not isinstance(value, dict) or "default" not in value or not set(value) <= names:
        message = f"signatures have a default and may name {', '.join(sorted(names))}"
        raise ValueError(message)
    for name, kind in value.items():
        if kind not in KINDS:
            message = f"the signature of {name} is {kind!r}; it is one of {', '.join(KINDS)}"
            raise ValueError(message)


DAYS_OF = ("paper", "live")
MOST_DAYS, MOST_GRACE_DAYS = 3650, 365


def _day_fields(_: Any) -> tuple[Field, ...]:
    return tuple(
        Field(name, f"For {name}", (name,), minimum=1, maximum=MOST_DAYS, is_whole=True,
              unit="days")
        for name in DAYS_OF
    )  # fmt: skip


def _grace_fields(_: Any) -> tuple[Field, ...]:
    most = MOST_GRACE_DAYS
    return (Field("days", "Days", minimum=0, maximum=most, is_whole=True, unit="days"),)


def _check_days(value: Any) -> None:
    if not isinstance(value, dict) or sorted(value) != sorted(DAYS_OF):
        message = "days are given for paper and for live"
        raise ValueError(message)
    for days in value.values():
        number(1, MOST_DAYS, whole=True)(days)


register(
    Spec(
        "approvals.gates",
        "Gates of promotions",
        gates_as_json(DEFAULT_GATES),
        _check_gates,
        hint="a gate that is on fails without its figure; another gate is proposed over REST",
        by_proposal=True,
        fields=_gate_fields,
    ),
    Spec(
        "approvals.tiers_usd",
        "Upper ends of tiers 1 and 2",
        [10_000, 100_000],
        _check_tiers,
        unit="USD",
        by_proposal=True,
        fields=_tier_fields,
    ),
    Spec(
        "approvals.signatures",
        "The weakest signature that decides",
        DEFAULT_POLICY,
        _check_signatures,
        hint="a one-time code (totp) proves presence, a passkey signs what was seen",
        by_proposal=True,
        fields=_signature_fields,
    ),
    Spec(
        "approvals.valid_days",
        "Days an approval is in force",
        {"paper": 180, "live": 90},
        _check_days,
        unit="days",
        by_proposal=True,
        fields=_day_fields,
    ),
    Spec(
        "approvals.review_days",
        "Days until an approval is reviewed",
        {"paper": 90, "live": 30},
        _check_days,
        unit="days",
        by_proposal=True,
        fields=_day_fields,
    ),
    Spec(
        "approvals.review_grace_days",
        "Days after which a review that nobody did ends the approval",
        14,
        number(0, MOST_GRACE_DAYS, whole=True),
        unit="days",
        by_proposal=True,
        fields=_grace_fields,
    ),
    Spec(
        "approvals.order_minutes",
        "Minutes a proposed trade waits",
        15,
        number(1, 1440, whole=True),
        unit="minutes",
    ),
    Spec(
        "approvals.open_days",
        "Days a proposal stays open",
        14,
        number(1, 365, whole=True),
        unit="days",
    ),
)
