"""The guard's view of an account while the orders of one bar are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from apps.risk import services as risk_services
from apps.risk.kernel.limits import BUY, Holdings, Limits, Refusal, Ticket, check_order, projected
from apps.trading.kernel import order_states
from apps.trading.models import Account, Order
from apps.trading.services.bars import Bar, Sleeve

CAPITAL_CAP = "approval.capital_cap"


@dataclass(slots=True)
class Desk:
    """The guard's view of the account, kept up to date while orders of one bar are made."""

    account: Account
    book: Holdings
    limits: Limits
    fence: int
    now: datetime
    # What the approvals of the deployments allow, and how much more this bar's orders would hold.
    caps: Mapping[int, float] = field(default_factory=dict)
    added: dict[int, float] = field(default_factory=dict)

    def check_cap(self, sleeve: Sleeve, symbol: str, signed: float, price: float) -> list[Refusal]:
        """Refuse an order that would let a deployment hold more than its approval allows.

        What makes a position smaller always passes.
        """
        cap = self.caps.get(sleeve.row.pk)
        if cap is None:
            return []
        held = float(sleeve.session.positions[sleeve.row.symbols.index(symbol)])
        more = (abs(held + signed) - abs(held)) * price
        added = self.added.get(sleeve.row.pk, 0.0)
        after = float(sleeve.session.money[1]) + added + more
        if more > 0.0 and after > cap:
            words = f"It would hold {after:,.2f}; the approval allows {cap:,.2f}."
            return [Refusal(CAPITAL_CAP, words)]
        self.added[sleeve.row.pk] = added + max(more, 0.0)
        return []

    def check(self, ticket: Ticket, *, adds: bool = True) -> list[Refusal]:
        """Ask the guard; an order that passes counts from now on.

        Without ``adds`` it can only reduce: it is judged as one that closes what is held, and
        leads to nothing that others build on.
        """
        book = self.book
        if not adds:
            book = replace(book, positions={ticket.symbol: -ticket.signed}, pending={})
        refusals = check_order(ticket, book, self.limits)
        if not refusals:
            pending = dict(self.book.pending)
            if adds:
                pending[ticket.symbol] = pending.get(ticket.symbol, 0.0) + ticket.signed
            sent = self.book.orders_last_minute + 1
            self.book = replace(self.book, pending=pending, orders_last_minute=sent)
        return refusals

    def release(self, order: Order) -> None:
        """Forget a working order that ended before it was filled."""
        pending = dict(self.book.pending)
        left = float(order.quantity - order.filled_quantity)
        signed = left * (1.0 if order.side == BUY else -1.0)
        pending[order.symbol] = pending.get(order.symbol, 0.0) - signed
        self.book = replace(self.book, pending=pending)

    def projected(self, symbol: str) -> float:
        """Return what is held of a symbol when every working order is filled."""
        return projected(self.book).get(symbol, 0.0)

    def refuse(self, order: Order, refusals: list[Refusal]) -> None:
        """End an order that the guard refused, and keep the breaches."""
        order.state, order.finished_at = order_states.REFUSED, self.now
        order.reasons = [{"code": r.code, "message": r.message} for r in refusals]
        risk_services.note_breaches(
            team_id=self.account.team_id,
            subject=f"account:{self.account.pk}",
            refusals=refusals,
            now=self.now,
        )


def age_of(sleeve: Sleeve, symbol: str, bar: Bar) -> float:
    """Return how old the symbol's price is on the feed's clock; 0 with a bar at this close."""
    column = sleeve.columns[sleeve.row.symbols.index(symbol)]
    if np.isfinite(bar.close[column]):
        return 0.0
    return (bar.closed_at - bar.opened_at).total_seconds()
