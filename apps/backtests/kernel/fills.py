"""When and at which price a decision is filled, and in which units."""

from __future__ import annotations

from dataclasses import dataclass

from apps.core.errors import Invalid


@dataclass(frozen=True, slots=True)
class FillRule:
    """Where a decision made at a close is filled.

    Parameters
    ----------
    price
        The field of the bar that gives the price.
    delay
        How many bars after the decision.
    says
        The sentence printed on every result.
    tradable
        False for rules that no market offers; promotion refuses such runs.
    """

    name: str
    price: str
    delay: int
    says: str
    tradable: bool = True


FILLS: dict[str, FillRule] = {
    rule.name: rule
    for rule in (
        FillRule("next_open", "open", 1, "decided at a close, filled at the next open"),
        FillRule("next_close", "close", 1, "decided at a close, filled at the next close"),
        FillRule(
            "close",
            "close",
            0,
            "decided and filled at the same close: for comparison only, not tradable",
            tradable=False,
        ),
    )
}
UNITS = ("fractional", "whole")


def get_fill_rule(name: str) -> FillRule:
    """Return the rule ``name``. Raises ``Invalid`` when unknown."""
    if name not in FILLS:
        message = f"fill = {name!r}; choose one of {', '.join(FILLS)}."
        raise Invalid(message, code="fill.unknown", details={"field": "fill"})
    return FILLS[name]


def check_units(units: str) -> str:
    """Return ``units``. Raises ``Invalid`` when unknown."""
    if units not in UNITS:
        message = f"units = {units!r}; choose one of {', '.join(UNITS)}."
        raise Invalid(message, code="units.unknown", details={"field": "units"})
    return units
