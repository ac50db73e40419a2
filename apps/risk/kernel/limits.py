"""The pre-trade guard: what an order would break, decided without touching anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from apps.core.errors import Invalid

BUY, SELL = "buy", "sell"
SECONDS_PER_MINUTE = 60.0
# A share may exceed its limit by rounding alone.
SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Limits:
    """A set of limits; None switches one off.

    Parameters
    ----------
    max_position_value
        Largest value of one position, in the account's currency.
    max_position_share
        Largest value of one position as a share of equity.
    min_position_value
        A position left open may not be worth less.
    max_leverage
        Largest gross exposure by equity, whatever the exposure policy allows.
    max_exposure
        Largest gross exposure as a share of equity: 2.0 is 200 %.
    max_positions
        How many instruments may be held at once.
    max_daily_loss
        Loss since the day began, as a share of equity then, from which on nothing is opened.
    price_collar
        How far a price may lie from the reference, as a share of it.
    max_orders_per_minute
        How many orders an account may send within 60 seconds.
    max_price_age_seconds
        How old the reference price may be.
    restricted
        Symbols that may only be reduced.
    """

    max_position_value: float | None = 2000.0
    max_position_share: float | None = 0.5
    min_position_value: float | None = 100.0
    max_leverage: float | None = 10.0
    max_exposure: float | None = 2.0
    max_positions: int | None = 20
    max_daily_loss: float | None = 0.10
    price_collar: float | None = 0.10
    max_orders_per_minute: int | None = 120
    max_price_age_seconds: float | None = 120.0
    restricted: frozenset[str] = frozenset()


DEFAULT = Limits()
# For paper accounts of the sample: wide enough for portfolios of every instrument in it.
WIDE = Limits(
    max_position_value=None,
    max_position_share=1.05,
    min_position_value=1.0,
    max_leverage=10.0,
    max_exposure=2.0,
    max_positions=1000,
    max_daily_loss=0.25,
    price_collar=0.5,
    max_orders_per_minute=None,
    max_price_age_seconds=None,
)
NAMED: dict[str, Limits] = {"default": DEFAULT, "wide": WIDE}


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order as the guard sees it.

    ``quantity`` is positive, ``price`` the one expected or set, ``reference`` the last price of
    the market and ``price_age_seconds`` its age.
    """

    symbol: str
    side: str
    quantity: float
    price: float
    reference: float
    price_age_seconds: float = 0.0
    client_id: str = ""

    @property
    def signed(self) -> float:
        """The quantity with its direction: positive buys."""
        return self.quantity if self.side == BUY else -self.quantity


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
    orders_last_minute
        How many orders were sent in the last 60 seconds.
    halted
        Scopes that are halted and cover this account.
    """

    equity: float
    day_start_equity: float
    positions: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    pending: Mapping[str, float] = field(default_factory=dict)
    client_ids: frozenset[str] = frozenset()
    orders_last_minute: int = 0
    halted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order may not go out: a stable code and words."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class _Case:
    """An order with what it would lead to."""

    order: Ticket
    book: Holdings
    limits: Limits
    before: float
    after: float

    @property
    def reducing(self) -> bool:
        """Whether the position gets smaller and does not change sides."""
        return abs(self.after) <= abs(self.before) and self.after * self.before >= 0.0

    @property
    def value(self) -> float:
        return abs(self.after) * self.order.price

    @property
    def gross(self) -> float:
        """Gross exposure when this and all working orders are filled."""
        held = projected(self.book)
        held[self.order.symbol] = self.after
        prices = {**self.book.prices, self.order.symbol: self.order.price}
        return sum(abs(q) * prices.get(s, 0.0) for s, q in held.items() if q)


def projected(book: Holdings) -> dict[str, float]:
    """Return signed quantities by symbol when every working order is filled."""
    held = dict(book.positions)
    for symbol, quantity in book.pending.items():
        held[symbol] = held.get(symbol, 0.0) + quantity
    return held


def check_order(order: Ticket, book: Holdings, limits: Limits = DEFAULT) -> list[Refusal]:
    """Return every reason against the order; an empty list lets it pass.

    Notes
    -----
    An order that reduces a position passes all limits on size, loss, price age and the
    restricted list, so that a way out is always open; a halt, the collar, the throttle and a
    repeated client id stop it too.
    """
    malformed = _malformed(order)
    if malformed:
        return malformed
    before = projected(book).get(order.symbol, 0.0)
    after = before + order.signed
    if abs(after) <= SLACK * max(abs(before), order.quantity):
        after = 0.0
    case = _Case(order, book, limits, before, after)
    rules = ALWAYS if case.reducing else (*ALWAYS, *OPENING)
    return [refusal for rule in rules for refusal in rule(case)]


def _malformed(order: Ticket) -> list[Refusal]:
    numbers = (order.quantity, order.price, order.reference)
    if order.side not in {BUY, SELL}:
        return [Refusal("order.side", f"The side is {order.side!r}; it is buy or sell.")]
    if not all(math.isfinite(number) and number > 0.0 for number in numbers):
        words = f"quantity {order.quantity}, price {order.price}, reference {order.reference}"
        return [Refusal("order.not_positive", f"{words}: each must be a positive number.")]
    return []


def _halted(case: _Case) -> Iterator[Refusal]:
    for scope in case.book.halted:
        yield Refusal("limit.halted", f"{scope} is halted; resume it with a reason first.")


def _duplicate(case: _Case) -> Iterator[Refusal]:
    if case.order.client_id and case.order.client_id in case.book.client_ids:
        words = f"An order with client id {case.order.client_id} exists already."
        yield Refusal("limit.duplicate", words)


def _rate(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_orders_per_minute
    sent = case.book.orders_last_minute
    if most is not None and sent >= most:
        yield Refusal("limit.rate", f"{sent} orders in the last minute; the limit is {most}.")


def _collar(case: _Case) -> Iterator[Refusal]:
    collar, order = case.limits.price_collar, case.order
    away = abs(order.price / order.reference - 1.0)
    if collar is not None and away > collar + SLACK:
        words = f"{order.price:g} is {away:.1%} from the last price {order.reference:g}"
        yield Refusal("limit.price_collar", f"{words}; the collar is {collar:.1%}.")


def _restricted(case: _Case) -> Iterator[Refusal]:
    if case.order.symbol in case.limits.restricted:
        words = f"{case.order.symbol} is on the restricted list; it may only be reduced."
        yield Refusal("limit.restricted", words)


def _stale(case: _Case) -> Iterator[Refusal]:
    oldest, age = case.limits.max_price_age_seconds, case.order.price_age_seconds
    if oldest is not None and age > oldest:
        words = f"The last price of {case.order.symbol} is {age:.0f} s old; at most {oldest:.0f} s"
        yield Refusal("limit.stale_price", f"{words} are allowed. Look at the feed.")


def _daily_loss(case: _Case) -> Iterator[Refusal]:
    most, began = case.limits.max_daily_loss, case.book.day_start_equity
    loss = 1.0 - case.book.equity / began if began > 0.0 else 0.0
    if most is not None and loss >= most - SLACK:
        words = f"The account lost {loss:.1%} today; from {most:.1%} on nothing is opened."
        yield Refusal("limit.daily_loss", words)


def _position_value(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_position_value
    if most is not None and case.value > most * (1.0 + SLACK):
        words = f"{case.order.symbol} would be worth {case.value:,.2f}; the limit is {most:,.2f}."
        yield Refusal("limit.position_value", words)


def _position_share(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_position_share
    if most is not None and case.value > most * max(case.book.equity, 0.0) * (1.0 + SLACK):
        share = _share(case.value, case.book.equity)
        words = f"{case.order.symbol} would be {share} of equity; the limit is {most:.0%}."
        yield Refusal("limit.position_share", words)


def _position_min(case: _Case) -> Iterator[Refusal]:
    least = case.limits.min_position_value
    if least is not None and 0.0 < case.value < least * (1.0 - SLACK):
        words = f"{case.order.symbol} would be worth {case.value:,.2f}; the least is {least:,.2f}."
        yield Refusal("limit.position_min", words)


def _exposure(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_exposure
    if most is not None and case.gross > most * max(case.book.equity, 0.0) * (1.0 + SLACK):
        share = _share(case.gross, case.book.equity)
        words = f"Gross exposure would be {share} of equity; the limit is {most:.0%}."
        yield Refusal("limit.exposure", words)


def _leverage(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_leverage
    if most is not None and case.gross > most * max(case.book.equity, 0.0) * (1.0 + SLACK):
        share = _share(case.gross, case.book.equity)
        words = f"Leverage would be {share} of equity; the limit is {most:g} times."
        yield Refusal("limit.leverage", words)


def _count(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_positions
    held = {symbol for symbol, quantity in projected(case.book).items() if quantity}
    after = len(held | {case.order.symbol})
    if most is not None and case.order.symbol not in held and after > most:
        words = f"This would be position {after}; at most {most} may be held at once."
        yield Refusal("limit.positions", words)


def _share(value: float, equity: float) -> str:
    return f"{value / equity:.1%}" if equity > 0.0 else "more than all"


Rule = Callable[[_Case], Iterator[Refusal]]
ALWAYS: tuple[Rule, ...] = (_halted, _duplicate, _rate, _collar)
OPENING: tuple[Rule, ...] = (
    _restricted,
    _stale,
    _daily_loss,
    _position_value,
    _position_share,
    _position_min,
    _exposure,
    _leverage,
    _count,
)


def limits_from(values: Mapping[str, Any], *, base: Limits = DEFAULT) -> Limits:
    """Return ``base`` with ``values`` put in, each checked.

    Raises ``Invalid``: ``limits.unknown`` for a name that is none, ``limits.value`` for a value
    that is not a positive number (or null, which switches the limit off).
    """
    known = {entry.name for entry in fields(Limits)}
    unknown = sorted(set(values) - known)
    if unknown:
        message = f"No limit {', '.join(unknown)}; there are {', '.join(sorted(known))}."
        raise Invalid(message, code="limits.unknown", details={"field": unknown[0]})
    merged = {**as_values(base), **values}
    return Limits(**{name: _checked(name, value) for name, value in merged.items()})


def loosened(before: Limits, after: Limits) -> list[str]:
    """Return the limits that allow more after than before; changes of these take a decision."""
    names = []
    for entry in fields(Limits):
        was, becomes = getattr(before, entry.name), getattr(after, entry.name)
        if entry.name == "restricted":
            allows_more = not was <= becomes
        elif was is None or becomes is None:
            allows_more = becomes is None and was is not None
        else:
            allows_more = becomes < was if entry.name.startswith("min_") else becomes > was
        if allows_more:
            names.append(entry.name)
    return names


def as_values(limits: Limits) -> dict[str, Any]:
    """Return limits as JSON."""
    found = {entry.name: getattr(limits, entry.name) for entry in fields(Limits)}
    return {**found, "restricted": sorted(limits.restricted)}


def _checked(name: str, value: Any) -> Any:
    if name == "restricted":
        if isinstance(value, str) or not all(isinstance(symbol, str) for symbol in value or ()):
            message = "restricted is a list of symbols."
            raise Invalid(message, code="limits.value", details={"field": name})
        return frozenset(value or ())
    if value is None:
        return None
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not math.isfinite(value) or value <= 0:
        message = f"{name} is {value!r}; give a positive number, or null to switch it off."
        raise Invalid(message, code="limits.value", details={"field": name})
    if name in {"max_positions", "max_orders_per_minute"} and value != int(value):
        message = f"{name} is {value!r}; give a whole number."
        raise Invalid(message, code="limits.value", details={"field": name})
    return value


def utilisation(book: Holdings, limits: Limits) -> list[dict[str, Any]]:
    """Return how much of each limit on size is used: used, limit, and their ratio (None: off)."""
    equity = max(book.equity, 0.0)
    values = {s: abs(q) * book.prices.get(s, 0.0) for s, q in book.positions.items() if q}
    largest, gross = max(values.values(), default=0.0), sum(values.values())
    began = book.day_start_equity
    used: dict[str, float | None] = {
        "max_position_value": largest,
        "max_position_share": largest / equity if equity else None,
        "max_exposure": gross / equity if equity else None,
        "max_leverage": gross / equity if equity else None,
        "max_positions": float(len(values)),
        "max_daily_loss": max(0.0, 1.0 - book.equity / began) if began > 0.0 else None,
    }
    return [_used(name, value, getattr(limits, name)) for name, value in used.items()]


def _used(name: str, value: float | None, limit: float | None) -> dict[str, Any]:
    ratio = None if limit is None or value is None else value / limit
    return {
        "limit": name,
        "used": value,
        "allowed": limit,
        "ratio": ratio,
        "breached": ratio is not None and ratio > 1.0 + SLACK,
    }
