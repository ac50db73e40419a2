"""How an order's row moves from state to state, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from apps.trading.kernel import order_states
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.models import Fill, Order

Reasons = Sequence[tuple[str, str]]


def change(order: Order, event: str, now: datetime, reasons: Reasons = ()) -> None:
    """Move an order on in memory; the caller saves. Raises ``Conflict`` for what can't happen."""
    order.state = order_states.advance(order.state, event)
    if reasons:
        found = [{"code": code, "message": message} for code, message in reasons]
        order.reasons = [*order.reasons, *found]
    if order.state in order_states.FINAL:
        order.finished_at = now


def close_order(order: Order, event: str, now: datetime, reasons: Reasons = ()) -> None:
    """Move an order on and save it."""
    change(order, event, now, reasons)
    order.save(update_fields=["state", "reasons", "finished_at"])


def book_fill(
    order: Order,
    *,
    quantity: float,
    price: float,
    fee: float,
    bar_at: datetime,
    now: datetime,
    is_last: bool = True,
) -> Fill:
    """Fill an order, in memory, and return the fill's row; the caller saves both.

    With ``is_last`` nothing is left of the order, else it goes on working.
    """
    change(order, "fill" if is_last else "part_fill", now)
    exact, got = to_quantity(quantity), to_money(price)
    order.side = "buy" if exact > 0 else "sell"
    before = order.filled_quantity or Decimal(0)
    total = before + abs(exact)
    if before and total:
        worth = before * (order.average_price or got) + abs(exact) * got
        order.average_price = to_money(float(worth / total))
    else:
        order.average_price = got
    order.filled_quantity = total
    order.fees = (order.fees or Decimal(0)) + to_money(fee)
    return Fill(
        order=order,
        account_id=order.account_id,
        deployment_id=order.deployment_id,
        symbol=order.symbol,
        quantity=exact,
        price=got,
        fee=to_money(fee),
        bar_at=bar_at,
        created_at=now,
    )


FILLED_FIELDS = (
    "state",
    "reasons",
    "finished_at",
    "side",
    "filled_quantity",
    "average_price",
    "fees",
)
