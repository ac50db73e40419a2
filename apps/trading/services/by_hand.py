"""What an account holds itself: orders by hand filled at the open, positions marked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from apps.trading.brokers.base import Broker
from apps.trading.kernel import order_states
from apps.trading.kernel.averages import average_after
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.models import Account, Fill, Order, Position
from apps.trading.selectors.accounts import terms_of
from apps.trading.services.bars import Bar
from apps.trading.services.changes import book_fill, change


@dataclass(slots=True)
class Own:
    """The account's own positions after a bar, and what happened to its orders."""

    net: float = 0.0
    gross: float = 0.0
    positions: dict[str, float] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    changed: list[Order] = field(default_factory=list)
    waiting: list[Order] = field(default_factory=list)


def settle_own(account: Account, bar: Bar, broker: Broker, *, halted: bool, now: datetime) -> Own:
    """Fill accepted market orders at the bar's open and mark own positions at its close."""
    own = Own()
    held = {row.symbol: row for row in Position.objects.filter(account=account, deployment=None)}
    orders = Order.objects.select_for_update().filter(
        account=account, deployment=None, state=order_states.ACCEPTED
    )
    # Of orders made at once the sales come first: they pay for the purchases.
    for order in orders.order_by("created_at", "-side", "id"):
        price = _price(bar.open, bar, order.symbol)
        if halted or price is None:
            own.waiting.append(order)
            continue
        _fill(account, order, price, held, own, bar, broker, now)
    for row in held.values():
        _mark(row, bar, own, now)
    return own


def _price(prices: np.ndarray, bar: Bar, symbol: str) -> float | None:
    if symbol not in bar.symbols:
        return None
    price = float(prices[bar.symbols.index(symbol)])
    return price if price == price else None


def _fill(
    account: Account,
    order: Order,
    price: float,
    held: dict[str, Position],
    own: Own,
    bar: Bar,
    broker: Broker,
    now: datetime,
) -> None:
    signed = float(order.quantity) * (1.0 if order.side == "buy" else -1.0)
    done = broker.fill_quantity(signed, price, terms_of(account).costs)
    spent = to_money(done.quantity * done.price + done.fee)
    own.changed.append(order)
    if spent > account.cash:
        words = f"At the open it costs {spent:,.2f}; {account.cash:,.2f} are free."
        change(order, "reject", now, [("broker.cash", words)])
        return
    account.cash -= spent
    own.fills.append(
        book_fill(
            order,
            quantity=done.quantity,
            price=done.price,
            fee=done.fee,
            bar_at=bar.opened_at,
            now=now,
        )
    )
    row = held.get(order.symbol)
    before = (float(row.quantity), float(row.average_price)) if row else (0.0, 0.0)
    if row is None:
        row = Position(account=account, deployment=None, symbol=order.symbol)
        row.quantity = to_quantity(0.0)
        held[order.symbol] = row
    row.average_price = to_money(average_after(*before, done.quantity, done.price))
    row.quantity += to_quantity(done.quantity)
    row.last_price, row.last_price_at = to_money(done.price), bar.closed_at


def _mark(row: Position, bar: Bar, own: Own, now: datetime) -> None:
    price = _price(bar.close, bar, row.symbol)
    if price is not None:
        row.last_price, row.last_price_at = to_money(price), bar.closed_at
    row.updated_at = now
    if row.quantity == 0:
        if row.pk:
            row.delete()
        return
    row.save()
    value = float(row.quantity * row.last_price)
    own.net += value
    own.gross += abs(value)
    own.positions[row.symbol] = float(row.quantity)
    own.prices[row.symbol] = float(row.last_price)
