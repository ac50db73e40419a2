"""A strategy's own orders: guarded, stored as intents, taken back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from apps.risk.kernel.limits import BUY, SELL, Refusal, Ticket
from apps.strategies.kernel.orders import Order as Asked
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.models import Order
from apps.trading.services.bars import Bar, Sleeve
from apps.trading.services.desks import Desk, age_of
from apps.trading.services.working import end

LEAST = 1e-12
TOLD = {"asset", "size", "kind"}


def take_back(desk: Desk, sleeve: Sleeve) -> None:
    """End the orders that the session no longer has open: their strategy took them back."""
    still = {status.number for status in sleeve.session.list_orders() if status.is_open}
    for number, order in list(sleeve.tickets.items()):
        if number not in still:
            words = "Its strategy took it back."
            end(sleeve, order, "cancel", "order.cancelled", words, desk.now)
            if not order.terms.get("reduce_only"):
                desk.release(order)


def place(desk: Desk, sleeve: Sleeve, bar: Bar) -> list[Order]:
    """Return the orders decided on; what the guard refuses is refused in the session too."""
    return [_place(desk, sleeve, number, asked, bar) for number, asked in sleeve.asked]


def _place(desk: Desk, sleeve: Sleeve, number: int, asked: Asked, bar: Bar) -> Order:
    row, symbol = sleeve.row, sleeve.row.symbols[asked.asset]
    mark = float(sleeve.session.marks[asked.asset])
    quantity = abs(asked.size)
    if asked.reduce_only:
        quantity = max(min(quantity, abs(desk.projected(symbol))), LEAST)
    stamp = int(bar.opened_at.timestamp())
    order = Order(
        team_id=row.team_id,
        client_id=f"d{row.pk}-{bar.epoch}-{stamp}-{symbol}-o{number}",
        account=desk.account,
        deployment=row,
        symbol=symbol,
        kind=asked.kind,
        side=BUY if asked.size > 0.0 else SELL,
        quantity=to_quantity(quantity),
        number=number,
        terms=terms_of_order(asked),
        reference_price=to_money(mark if mark == mark else 0.0),
        fence=desk.fence,
        epoch=bar.epoch,
        bar_at=bar.closed_at,
        created_by=f"deployment:{row.pk}",
        created_at=desk.now,
    )
    refusals = _guard(desk, sleeve, order, asked, mark, bar)
    if refusals:
        desk.refuse(order, refusals)
        sleeve.session.withdraw(number, "refused")
    return order


def _guard(
    desk: Desk, sleeve: Sleeve, order: Order, asked: Asked, mark: float, bar: Bar
) -> list[Refusal]:
    """Ask the guard; a limit's price is held against the last one, a stop's is not."""
    price = {"limit": asked.price, "stop_limit": asked.limit}.get(asked.kind, mark)
    if asked.reduce_only:
        price = mark
    ticket = Ticket(
        symbol=order.symbol,
        side=order.side,
        quantity=max(float(order.quantity), LEAST),
        price=price,
        reference=mark,
        price_age_seconds=age_of(sleeve, order.symbol, bar),
        client_id=order.client_id,
        stop_share=_stop_share(asked, price),
    )
    return desk.judge(sleeve, ticket, adds=not asked.reduce_only)


def _stop_share(asked: Asked, price: float) -> float | None:
    """Return how far an order's own stop lies from its price; None when it brings none."""
    if asked.stop_loss == asked.stop_loss and price > 0.0:
        return abs(price - asked.stop_loss) / price
    return asked.trailing_stop if asked.trailing_stop == asked.trailing_stop else None


def terms_of_order(asked: Asked) -> dict[str, Any]:
    """Return what an order asks for beside kind, side and quantity, as JSON; defaults left out."""
    found = {entry.name: getattr(asked, entry.name) for entry in fields(asked)}
    return {
        name: value
        for name, value in found.items()
        if name not in TOLD and value == value and value
    } | ({"all": True} if asked.is_all else {})
