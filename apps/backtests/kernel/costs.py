"""What a trade costs: a fee on the value traded and a worse price."""

from __future__ import annotations

import math
from dataclasses import dataclass

from apps.core.errors import Invalid

MAX_BPS = 1000.0
BPS = 1e-4


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of every trade, in basis points of its value.

    Parameters
    ----------
    fee_bps
        Paid on the value traded at the price got.
    slippage_bps
        How much worse than the bar's price the price got is: higher for buys, lower for sells.
    """

    fee_bps: float = 0.0
    slippage_bps: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fee_bps", "slippage_bps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= MAX_BPS):
                message = f"costs.{name} = {value!r}; it is a number from 0 to {MAX_BPS:g} bps."
                raise Invalid(message, code="costs.range", details={"field": f"costs.{name}"})

    @property
    def fee(self) -> float:
        """The fee as a fraction."""
        return self.fee_bps * BPS

    @property
    def slippage(self) -> float:
        """The slippage as a fraction."""
        return self.slippage_bps * BPS
