"""Orders as a strategy asks for them: what, how much, at which price, for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid

KINDS = ("market", "limit", "stop", "trailing")
# What each level stays below.
LEVELS = {
    "price": math.inf,
    "stop_loss": math.inf,
    "take_profit": math.inf,
    "trail": 1.0,
    "trailing_stop": 1.0,
}


@dataclass(frozen=True, slots=True)
class Order:
    """An order made at a close; it works from the next bar on.

    Parameters
    ----------
    asset
        The column of the instrument.
    size
        Units, negative to sell.
    kind
        ``market`` at the next fill; ``limit`` at ``price`` or better; ``stop`` once ``price`` is
        touched; ``trailing`` once the price has come back by ``trail`` (a fraction) from its best.
    bars
        How many bars it may work; 0 until it is filled or cancelled.
    reduce_only
        Fills no more than what is held the other way; ends when there is nothing.
    stop_loss, take_profit, trailing_stop
        A bracket: prices (a fraction for the last) of orders that close what this one opened, the
        one cancelling the other. A stop loss and a trailing stop exclude each other.
    """

    asset: int
    size: float
    kind: str = "market"
    price: float = math.nan
    trail: float = math.nan
    bars: int = 0
    reduce_only: bool = False
    stop_loss: float = math.nan
    take_profit: float = math.nan
    trailing_stop: float = math.nan

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise _refusal("kind", self.kind, f"one of {', '.join(KINDS)}")
        if not (math.isfinite(self.size) and self.size != 0.0):
            raise _refusal("size", self.size, "a finite number of units, not 0")
        self._check_levels()
        if self.bars < 0:
            raise _refusal("bars", self.bars, "0 or more bars")

    def _check_levels(self) -> None:
        needed = {"limit": "price", "stop": "price", "trailing": "trail"}.get(self.kind)
        for name, most in LEVELS.items():
            value = getattr(self, name)
            if (value == value or name == needed) and not 0.0 < value < most:
                raise _refusal(name, value, "a positive price" if most > 1.0 else "a fraction")
        if self.trailing_stop == self.trailing_stop and self.stop_loss == self.stop_loss:
            raise _refusal("trailing_stop", self.trailing_stop, "no stop loss beside it")


@dataclass(frozen=True, slots=True)
class Intents:
    """What a strategy wants at a close: target weights, orders, numbers of orders to cancel."""

    weights: NDArray[np.float64] | None = None
    orders: tuple[Order, ...] = ()
    cancel: tuple[int, ...] = ()


def _refusal(name: str, value: object, expected: str) -> Invalid:
    message = f"order.{name} = {value!r}; {expected} is expected."
    return Invalid(message, code="order.invalid", details={"field": name})
