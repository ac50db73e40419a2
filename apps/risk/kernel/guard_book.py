"""What the guard knows when it decides: an order, the book it would change, a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BUY, SELL = "buy", "sell"


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order as the guard sees it.

    ``quantity`` is positive, ``price`` the one expected or set, ``reference`` the last price of
    the market and ``price_age_seconds`` its age; ``stop_share`` is how far its stop lies from the
    price, as a share of it, None where it has none.
    """

    symbol: str
    side: str
    quantity: float
    price: float
    reference: float
    price_age_seconds: float = 0.0
    client_id: str = ""
    stop_share: float | None = None

    @property
    def signed(self) -> float:
        """The quantity with its direction: positive buys."""
        return self.quantity if self.side == BUY else -self.quantity


@dataclass(frozen=True, slots=True)
class Sent:
    """An order sent a short time ago."""

    symbol: str
    side: str
    quantity: float
    seconds_ago: float
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the account holds and has under way when an order is checked.

    Parameters
    ----------
    equity, day_start_equity
        In the account's currency, now and when the day began.
    positions
        Symbol to signed quantity.
    prices
        Symbol to last price; every position needs one.
    pending
        Symbol to signed quantity of working orders.
    client_ids
        Client ids used before.
    orders_last_minute, messages_last_minute
        How many orders, and how many orders and withdrawals, were sent in the last 60 seconds.
    recent
        Orders by hand of the last seconds.
    halted
        Scopes that are halted and cover this account.
    stopped
        Scopes whose emergency stop is active and that cover this order.
    perpetuals
        Symbols that are perpetual contracts.
    groups
        Symbol to its sector, where it is known.
    session_open
        Whether the account's feed runs; None where that says nothing.
    """

    equity: float
    day_start_equity: float
    positions: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    pending: Mapping[str, float] = field(default_factory=dict)
    client_ids: frozenset[str] = frozenset()
    orders_last_minute: int = 0
    messages_last_minute: int = 0
    recent: Sequence[Sent] = ()
    halted: Sequence[str] = ()
    stopped: Sequence[str] = ()
    perpetuals: frozenset[str] = frozenset()
    groups: Mapping[str, str] = field(default_factory=dict)
    session_open: bool | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order may not go out: a stable code and words."""

    code: str
    message: str


def projected(book: Holdings) -> dict[str, float]:
    """Return signed quantities by symbol when every working order is filled."""
    held = dict(book.positions)
    for symbol, quantity in book.pending.items():
        held[symbol] = held.get(symbol, 0.0) + quantity
    return held
