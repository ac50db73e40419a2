"""What a step works on: one bar of a feed, and a deployment at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.kept import KeptSession
from apps.strategies.kernel.orders import Order as Asked
from apps.trading.kernel import order_states
from apps.trading.models import Deployment, Fill, Order

Floats = NDArray[np.float64]
FILLABLE = (order_states.ACCEPTED, order_states.PART_FILLED)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a feed: prices by symbol, NaN where there is none; row ``i`` of its panel."""

    feed: str
    epoch: int
    i: int
    opened_at: datetime
    closed_at: datetime
    symbols: tuple[str, ...]
    open: Floats
    close: Floats
    seconds_per_bar: float
    rest: Mapping[str, Floats] = field(default_factory=dict)
    timeframe: str = "1d"
    price_mode: str = "split"

    def rows(self, columns: NDArray[np.int64]) -> dict[str, Floats]:
        """Return prices, volume and further inputs of some columns by name."""
        named = {"open": self.open, "close": self.close, **self.rest}
        return {name: np.ascontiguousarray(row[columns]) for name, row in named.items()}


@dataclass(slots=True)
class Sleeve:
    """A deployment with its session, its working orders and what was filled at this bar.

    ``orders`` are targets by symbol, ``tickets`` the strategy's own orders by number, ``made``
    what the venue made of brackets and protection, ``asked`` what was decided at this close.
    """

    row: Deployment
    session: KeptSession
    columns: NDArray[np.int64]
    orders: dict[str, Order]
    tickets: dict[int, Order]
    fills: list[Fill] = field(default_factory=list)
    changed: list[Order] = field(default_factory=list)
    made: list[Order] = field(default_factory=list)
    asked: list[tuple[int, Asked]] = field(default_factory=list)

    def working(self) -> list[Order]:
        """Return the orders that may still add to what is held."""
        own = [order for order in self.tickets.values() if not order.terms.get("reduce_only")]
        return [*self.orders.values(), *own]
