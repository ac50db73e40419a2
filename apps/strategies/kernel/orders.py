"""Orders as a strategy asks for them: what, how much, at which price, for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid

KINDS = ("market", "limit", "stop", "trailing", "stop_limit")
STATES = ("waiting", "working", "filled", "cancelled", "expired", "refused")
# An order that closes all there is when it fills: more units than anybody holds.
ALL = 1e15
MAX_TAG = 40
# What each level stays below.
LEVELS = {
    "price": math.inf,
    "limit": math.inf,
    "stop_loss": math.inf,
    "take_profit": math.inf,
    "trail": 1.0,
    "trailing_stop": 1.0,
}
NEEDED = {
    "limit": ("price",),
    "stop": ("price",),
    "trailing": ("trail",),
    "stop_limit": ("price", "limit"),
}


@dataclass(frozen=True, slots=True)
class Order:
    """An order made at a close; it works from the next bar on.

    Parameters
    ----------
    asset
        The column of the instrument.
    size
        Units, negative to sell. With ``reduce_only``, plus or minus infinity is all that is held.
    kind
        ``market`` at the next fill; ``limit`` at ``price`` or better; ``stop`` once ``price`` is
        touched; ``stop_limit`` becomes a limit order at ``limit`` once ``price`` is touched;
        ``trailing`` once the price has come back by ``trail`` (a fraction) from its best.
    bars
        Time in force: how many bars it may work; 1 is the next bar alone, 0 until it is filled or
        cancelled.
    reduce_only
        Fills no more than what is held the other way; ends when there is nothing.
    stop_loss, take_profit, trailing_stop
        A bracket: prices (a fraction for the last) of orders that close what this one opened, the
        one cancelling the other. A stop loss and a trailing stop exclude each other.
    limit
        The limit price of a ``stop_limit``.
    tag
        A name of the strategy's own, by which it finds the order again.
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
    limit: float = math.nan
    tag: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise _refusal("kind", self.kind, f"one of {', '.join(KINDS)}")
        self._check_size()
        self._check_levels()
        if len(self.tag) > MAX_TAG:
            raise _refusal("tag", self.tag, f"at most {MAX_TAG} characters")
        if self.bars < 0:
            raise _refusal("bars", self.bars, "0 or more bars")

    @property
    def is_all(self) -> bool:
        """Whether it is for all that is held."""
        return math.isinf(self.size)

    def _check_size(self) -> None:
        if self.size != self.size or self.size == 0.0:
            raise _refusal("size", self.size, "a number of units, not 0")
        if math.isinf(self.size) and not self.reduce_only:
            raise _refusal("size", self.size, "a finite number of units unless reduce_only")

    def _check_levels(self) -> None:
        needed = NEEDED.get(self.kind, ())
        for name, most in LEVELS.items():
            value = getattr(self, name)
            if (value == value or name in needed) and not 0.0 < value < most:
                raise _refusal(name, value, "a positive price" if most > 1.0 else "a fraction")
        if self.trailing_stop == self.trailing_stop and self.stop_loss == self.stop_loss:
            raise _refusal("trailing_stop", self.trailing_stop, "no stop loss beside it")


@dataclass(frozen=True, slots=True)
class Intents:
    """What a strategy wants at a close: target weights, orders, numbers of orders to cancel."""

    weights: NDArray[np.float64] | None = None
    orders: tuple[Order, ...] = ()
    cancel: tuple[int, ...] = ()

    @property
    def has_orders(self) -> bool:
        """Whether there is more to it than target weights."""
        return bool(self.orders or self.cancel)


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """What has become of an order; ``number`` cancels it.

    ``price`` is the level it waits for (of a trailing stop, its level as of now), ``average`` what
    its fills got, ``parent`` the order whose bracket it belongs to, 0 without.
    """

    number: int
    asset: int
    kind: str
    size: float
    filled: float
    state: str
    price: float
    average: float
    parent: int = 0
    tag: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.state in {"waiting", "working"}


def as_intents(found: NDArray[np.float64] | Intents | None) -> Intents:
    """Return what ``decide`` answered as intents: a bare row is target weights, None nothing."""
    return found if isinstance(found, Intents) else Intents(weights=found)


def _refusal(name: str, value: object, expected: str) -> Invalid:
    message = f"order.{name} = {value!r}; {expected} is expected."
    return Invalid(message, code="order.invalid", details={"field": name})
