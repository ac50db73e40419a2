"""What trading costs: fees by venue and day, a worse price, borrowing, interest, funding."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from apps.core.errors import Invalid

MAX_BPS = 1000.0
MAX_YEARLY_BPS = 100_000.0
BPS = 1e-4
LARGEST_UNIT_FEE = 1e6


@dataclass(frozen=True, slots=True)
class FeeTier:
    """Fees of a venue from a day on; an empty venue is every one that names none of its own."""

    start: str
    fee_bps: float
    maker_bps: float
    per_unit: float = 0.0
    venue: str = ""

    def __post_init__(self) -> None:
        for name in ("fee_bps", "maker_bps"):
            _within(f"costs.schedule.{name}", getattr(self, name), MAX_BPS)
        _within("costs.schedule.per_unit", self.per_unit, LARGEST_UNIT_FEE, "a unit")


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of every trade, in basis points of its value unless said otherwise.

    Parameters
    ----------
    fee_bps
        Paid on the value traded at the price got.
    slippage_bps
        How much worse than the bar's price the price got is: higher for buys, lower for sells.
    maker_bps
        The fee of limit orders that rested; ``fee_bps`` without it.
    per_unit
        Paid on each unit traded, in the asset's currency.
    spread_bps
        The whole spread; half of it worsens the price.
    impact_bps
        How much a trade of the whole volume of its bar would worsen the price; a smaller one by
        the square root of its share.
    borrow_bps, interest_bps
        A year on the value of shorts, and on cash owed.
    funding
        Perpetuals: the panel's ``funding`` is settled at each close; a missing rate is an error.
    schedule
        Fees by venue, in place of ``fee_bps``, ``maker_bps`` and ``per_unit`` from a day on.
    """

    fee_bps: float = 0.0
    slippage_bps: float = 0.0
    maker_bps: float | None = None
    per_unit: float = 0.0
    spread_bps: float = 0.0
    impact_bps: float = 0.0
    borrow_bps: float = 0.0
    interest_bps: float = 0.0
    funding: bool = False
    schedule: tuple[FeeTier, ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("fee_bps", "slippage_bps", "spread_bps"):
            _within(f"costs.{name}", getattr(self, name), MAX_BPS)
        if self.maker_bps is not None:
            _within("costs.maker_bps", self.maker_bps, MAX_BPS)
        for name in ("impact_bps", "borrow_bps", "interest_bps"):
            _within(f"costs.{name}", getattr(self, name), MAX_YEARLY_BPS)
        _within("costs.per_unit", self.per_unit, LARGEST_UNIT_FEE, "a unit")

    @property
    def fee(self) -> float:
        """The fee as a fraction."""
        return self.fee_bps * BPS

    @property
    def maker(self) -> float:
        """The fee of a resting order as a fraction."""
        return (self.fee_bps if self.maker_bps is None else self.maker_bps) * BPS

    @property
    def slippage(self) -> float:
        """The slippage as a fraction, half the spread included."""
        if not self.spread_bps:
            return self.slippage_bps * BPS
        return (self.slippage_bps + self.spread_bps / 2.0) * BPS

    @property
    def is_plain(self) -> bool:
        """Whether a fee and a fixed slippage are all there is."""
        return self == Costs(self.fee_bps, self.slippage_bps)


def _within(name: str, value: float, most: float, unit: str = "bps") -> None:
    if not (math.isfinite(value) and 0.0 <= value <= most):
        message = f"{name} = {value!r}; it is a number from 0 to {most:g} {unit}."
        raise Invalid(message, code="costs.range", details={"field": name})
