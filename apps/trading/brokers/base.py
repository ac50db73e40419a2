"""The contract of a broker: what it can do, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.kept import KeptSession
from apps.backtests.kernel.results import Fills


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do; what it can't is refused, never turned into something else.

    ``kinds``: ``market`` (a quantity at the next price), ``target`` (a weight of equity, sized at
    the fill), ``limit``, ``stop``, ``stop_limit``, ``trailing``. ``deduplicates`` tells whether
    the same client id sent twice is one order.
    """

    name: str
    title: str
    is_paper: bool
    kinds: tuple[str, ...]
    fractional: bool
    shorts: bool
    deduplicates: bool


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """An order as it is sent: the client id was stored before.

    ``terms`` hold what its kind needs: levels, a bracket, how long it works.
    """

    client_id: str
    symbol: str
    kind: str
    side: str
    quantity: float
    target_weight: float | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ack:
    """What the venue said to an order: accepted or not, its own id, and why not."""

    client_id: str
    accepted: bool
    venue_id: str = ""
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill: signed quantity, the price got, the fee."""

    quantity: float
    price: float
    fee: float


class Broker(Protocol):
    """A venue. Objects hold no state of an account."""

    capabilities: Capabilities

    def submit(self, ticket: OrderTicket) -> Ack:
        """Send an order once and return what the venue said."""
        ...

    def cancel(self, client_id: str) -> Ack:
        """Ask the venue to take an order back."""
        ...

    def play(self, session: KeptSession) -> Fills:
        """Play a session's next bar with what waits in it; return the fills of that bar."""
        ...

    def fill_quantity(self, quantity: float, price: float, costs: Costs) -> Execution:
        """Fill a signed quantity at ``price``."""
        ...
