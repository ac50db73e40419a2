"""The settings that can be changed at run time: what each holds, its default, how it is judged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.approvals.kernel.policy import DEFAULT_GATES, gates_as_json, read_gates
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


def _check_tiers(value: Any) -> None:
    in_range = number(1, 1e12)
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


def _check_signatures(value: Any) -> None:
    names = {"default", PROMOTION, *PROPOSAL_KINDS, *(f"{PROMOTION}.{s}" for s in STAGES[1:])}
    if not isinstance(value, dict) or "default" not in value or not set(value) <= names:
        message = f"signatures have a default and may name {', '.join(sorted(names))}"
        raise ValueError(message)
    for name, kind in value.items():
        if kind not in KINDS:
            message = f"the signature of {name} is {kind!r}; it is one of {', '.join(KINDS)}"
            raise ValueError(message)


def _check_days(value: Any) -> None:
    names = ("paper", "live")
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        message = "days are given for paper and for live"
        raise ValueError(message)
    for days in value.values():
        number(1, 3650, whole=True)(days)


register(
    Spec(
        "approvals.gates",
        "Gates of promotions",
        gates_as_json(DEFAULT_GATES),
        _check_gates,
        hint="mode is off, on (without its figure it fails) or if_available",
        by_proposal=True,
    ),
    Spec(
        "approvals.tiers_usd",
        "Upper ends of tiers 1 and 2",
        [10_000, 100_000],
        _check_tiers,
        unit="USD",
        by_proposal=True,
    ),
    Spec(
        "approvals.signatures",
        "The weakest signature that decides",
        DEFAULT_POLICY,
        _check_signatures,
        hint="totp proves presence, passkey signs what was seen; by kind, or kind.stage",
        by_proposal=True,
    ),
    Spec(
        "approvals.valid_days",
        "Days an approval is in force",
        {"paper": 180, "live": 90},
        _check_days,
        unit="days",
        by_proposal=True,
    ),
    Spec(
        "approvals.review_days",
        "Days until an approval is reviewed",
        {"paper": 90, "live": 30},
        _check_days,
        unit="days",
        by_proposal=True,
    ),
    Spec(
        "approvals.review_grace_days",
        "Days after which a review that nobody did ends the approval",
        14,
        number(0, 365, whole=True),
        unit="days",
        by_proposal=True,
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
