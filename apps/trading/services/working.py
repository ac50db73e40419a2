"""A deployment's orders and its session: what the venue accepted works, what it did is booked."""

from __future__ import annotations

from datetime import datetime

from apps.backtests.kernel.results import Fills
from apps.strategies.kernel.orders import OrderStatus
from apps.trading.kernel import order_states
from apps.trading.kernel.averages import average_after
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.models import Order
from apps.trading.services.bars import FILLABLE, Bar, Sleeve
from apps.trading.services.changes import book_fill, change

# What closes a position without an order of the strategy's own, by the number of its fills.
PROTECTION = {-1: "stop", -2: "limit", -3: "trailing"}
WORDS = {
    "cancelled": ("cancel", "order.taken_off", "What it hung on, or what it guarded, is gone."),
    "expired": ("expire", "order.expired", "Its time in force is over."),
    "refused": ("reject", "order.no_margin", "Cash and leverage left no room for it."),
}


def match(sleeve: Sleeve, *, halted: bool) -> None:
    """Let those orders of the session work that the venue has accepted, and end those it ended."""
    session = sleeve.session
    for status in session.list_orders():
        if not status.is_open or (status.parent and status.state == "waiting"):
            continue
        order = sleeve.tickets.get(status.number)
        if halted or order is None:
            session.withdraw(status.number)
        elif order.state in FILLABLE:
            session.release(status.number)
        else:
            session.hold_back(status.number)


def take_fills(sleeve: Sleeve, fills: Fills, bar: Bar, now: datetime) -> None:
    """Book the fills of a bar to their orders and to the average prices."""
    averages = sleeve.row.state["average"]
    held = sleeve.session.positions.copy()
    for f in range(len(fills)):
        held[int(fills.asset[f])] -= fills.quantity[f]
    last = {int(number): f for f, number in enumerate(fills.order)}
    for f in range(len(fills)):
        a, number = int(fills.asset[f]), int(fills.order[f])
        quantity, price = float(fills.quantity[f]), float(fills.price[f])
        order = _order_of(sleeve, a, number, quantity, bar, now)
        fill = book_fill(
            order,
            quantity=quantity,
            price=price,
            fee=float(fills.fee[f]),
            bar_at=bar.opened_at,
            now=now,
            is_last=_is_last(sleeve, order, a, number) and (number <= 0 or last[number] == f),
        )
        sleeve.fills.append(fill)
        if order not in sleeve.made:
            sleeve.changed.append(order)
        if order.finished_at is not None:
            _forget(sleeve, order)
        averages[a] = average_after(held[a], averages[a], quantity, price)
        held[a] += quantity


def _order_of(
    sleeve: Sleeve, asset: int, number: int, quantity: float, bar: Bar, now: datetime
) -> Order:
    symbol = sleeve.row.symbols[asset]
    if number == 0 and symbol in sleeve.orders:
        return sleeve.orders[symbol]
    if number in sleeve.tickets:
        return sleeve.tickets[number]
    if number > 0:
        return _child(sleeve, _status(sleeve, number), bar, now)
    kind = PROTECTION.get(number, str(Order.Kind.MARKET))
    words = "Protection of the account's terms." if number else "The venue closed it."
    order = _of_venue(sleeve, asset, kind, quantity, bar, now, name=f"v{-number}", number=None)
    order.reasons = [{"code": "order.forced", "message": words}]
    return order


def _status(sleeve: Sleeve, number: int) -> OrderStatus:
    return next(found for found in sleeve.session.list_orders() if found.number == number)


def _is_last(sleeve: Sleeve, order: Order, asset: int, number: int) -> bool:
    if number > 0:
        return sleeve.session.state_of(number) == "filled"
    if number == 0 and order.kind == Order.Kind.TARGET:
        return bool(sleeve.session.wanted[asset] != order.target_weight)
    return True


def _forget(sleeve: Sleeve, order: Order) -> None:
    if order.number is not None:
        sleeve.tickets.pop(order.number, None)
    elif sleeve.orders.get(order.symbol) is order:
        del sleeve.orders[order.symbol]


def _child(sleeve: Sleeve, status: OrderStatus, bar: Bar, now: datetime) -> Order:
    """Return the order of a bracket's side, which the venue made when its parent filled."""
    order = _of_venue(
        sleeve,
        status.asset,
        status.kind,
        status.size,
        bar,
        now,
        name=f"o{status.number}",
        number=status.number,
    )
    price = status.price if status.price == status.price else None
    order.terms = {"price": price, "reduce_only": True, "parent": status.parent}
    sleeve.tickets[status.number] = order
    return order


def _of_venue(
    sleeve: Sleeve,
    asset: int,
    kind: str,
    size: float,
    bar: Bar,
    now: datetime,
    *,
    name: str,
    number: int | None,
) -> Order:
    row, symbol = sleeve.row, sleeve.row.symbols[asset]
    client_id = f"d{row.pk}-{bar.epoch}-{int(bar.opened_at.timestamp())}-{symbol}-{name}"
    order = Order(
        team_id=row.team_id,
        client_id=client_id,
        account_id=row.account_id,
        deployment=row,
        symbol=symbol,
        kind=kind,
        side="buy" if size > 0.0 else "sell",
        quantity=abs(to_quantity(size)),
        number=number,
        terms={"reduce_only": True},
        reference_price=to_money(float(sleeve.session.marks[asset])),
        state=order_states.ACCEPTED,
        venue_id=f"paper-{client_id}",
        epoch=bar.epoch,
        bar_at=bar.closed_at,
        created_by=f"deployment:{row.pk}",
        created_at=now,
        sent_at=now,
    )
    sleeve.made.append(order)
    return order


def note_ends(sleeve: Sleeve, bar: Bar, now: datetime) -> None:
    """Note the orders that ended within the bar, and the sides of brackets that begin to work."""
    for status in sleeve.session.list_orders():
        order = sleeve.tickets.get(status.number)
        if order is None:
            if status.parent and status.state == "working":
                _child(sleeve, status, bar, now)
        elif not status.is_open and status.state in WORDS:
            end(sleeve, order, *WORDS[status.state], now)


def end(sleeve: Sleeve, order: Order, event: str, code: str, words: str, now: datetime) -> None:
    """End a working order of the strategy's own, in memory."""
    if event == "reject" and order.state == order_states.PART_FILLED:
        event = "cancel"
    change(order, event, now, [(code, words)])
    if order not in sleeve.made:
        sleeve.changed.append(order)
    _forget(sleeve, order)
