"""The guard's view of an account while the orders of one bar are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from apps.risk import services as risk_services
from apps.risk.kernel.limits import (
    BUY,
    Holdings,
    Limits,
    Refusal,
    Ticket,
    check_order,
    projected,
    strictest,
)
from apps.trading.kernel import order_states
from apps.trading.models import Account, Order
from apps.trading.selectors.guarding import stop_scopes
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
    # What the approvals of the deployments allow, how much of it other accounts use, and how much
    # more this bar's orders would hold.
    caps: Mapping[int, float] = field(default_factory=dict)
    elsewhere: Mapping[int, float] = field(default_factory=dict)
    added: dict[int, float] = field(default_factory=dict)
    # Limits that strategies have of their own, by name; scopes whose emergency stop blocks.
    own: Mapping[str, Limits] = field(default_factory=dict)
    blocking: frozenset[str] = frozenset()

    def judge(
        self, sleeve: Sleeve, ticket: Ticket, *, adds: bool = True, size: float | None = None
    ) -> list[Refusal]:
        """Return every reason against a deployment's order; one that passes counts from now on.

        ``size`` is the signed quantity that the approval's capital is held against.
        """
        refusals = self._refusals(sleeve, ticket, adds=adds)
        if adds:
            signed = ticket.signed if size is None else size
            refusals += self.check_cap(sleeve, ticket.symbol, signed, ticket.price)
        if refusals:
            return refusals
        if adds:
            self._use_cap(sleeve, ticket, ticket.signed if size is None else size)
        self._count(ticket, adds=adds)
        return []

    def limits_of(self, sleeve: Sleeve) -> Limits:
        """Return the stricter of the account's limits and of those the strategy has of its own."""
        own = self.own.get(sleeve.row.strategy)
        return self.limits if own is None else strictest(self.limits, own)

    def stops_of(self, sleeve: Sleeve) -> list[str]:
        """Return the scopes whose emergency stop lets the deployment open nothing."""
        mine = stop_scopes(self.account.team_id, self.account.pk, [sleeve.row.pk])
        return [scope for scope in mine if scope in self.blocking]

    def check_cap(self, sleeve: Sleeve, symbol: str, signed: float, price: float) -> list[Refusal]:
        """Refuse an order by which more would be held than the approval allows, on all accounts.

        Orders that wait count as if they were filled. What makes a position smaller always passes.
        """
        cap = self.caps.get(sleeve.row.pk)
        if cap is None:
            return []
        more = adds(sleeve, symbol, signed, price)
        added = self.added.get(sleeve.row.pk, 0.0) + waiting(sleeve)
        others = self.elsewhere.get(sleeve.row.pk, 0.0)
        after = float(sleeve.session.money[1]) + added + others + more
        if more > 0.0 and after > cap:
            words = f"It would hold {after:,.2f}; the approval allows {cap:,.2f}."
            if others:
                words += f" Other accounts use {others:,.2f} of that."
            return [Refusal(CAPITAL_CAP, words)]
        return []

    def _use_cap(self, sleeve: Sleeve, ticket: Ticket, signed: float) -> None:
        more = adds(sleeve, ticket.symbol, signed, ticket.price)
        self.added[sleeve.row.pk] = self.added.get(sleeve.row.pk, 0.0) + max(more, 0.0)

    def _refusals(self, sleeve: Sleeve, ticket: Ticket, *, adds: bool) -> list[Refusal]:
        """Ask the guard.

        Without ``adds`` it can only reduce: it is judged as one that closes what is held, and
        leads to nothing that others build on.
        """
        book = replace(self.book, stopped=self.stops_of(sleeve))
        if not adds:
            book = replace(book, positions={ticket.symbol: -ticket.signed}, pending={})
        return check_order(ticket, book, self.limits_of(sleeve))

    def _count(self, ticket: Ticket, *, adds: bool) -> None:
        pending, prices = dict(self.book.pending), self.book.prices
        if adds:
            pending[ticket.symbol] = pending.get(ticket.symbol, 0.0) + ticket.signed
            prices = {ticket.symbol: ticket.price, **prices}
        self.book = replace(
            self.book,
            pending=pending,
            prices=prices,
            orders_last_minute=self.book.orders_last_minute + 1,
            messages_last_minute=self.book.messages_last_minute + 1,
        )

    def release(self, order: Order) -> None:
        """Forget a working order that ended before it was filled."""
        pending = dict(self.book.pending)
        left = float(order.quantity - order.filled_quantity)
        signed = left * (1.0 if order.side == BUY else -1.0)
        pending[order.symbol] = pending.get(order.symbol, 0.0) - signed
        sent = self.book.messages_last_minute + 1
        self.book = replace(self.book, pending=pending, messages_last_minute=sent)

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


def adds(sleeve: Sleeve, symbol: str, signed: float, price: float) -> float:
    """Return by how much an order would raise the value held; below zero when it lowers it."""
    held = float(sleeve.session.positions[sleeve.row.symbols.index(symbol)])
    return (abs(held + signed) - abs(held)) * price


def waiting(sleeve: Sleeve) -> float:
    """Return what the orders of earlier bars would add to what is held."""
    total = 0.0
    for order in sleeve.working():
        left = float(order.quantity - order.filled_quantity)
        signed = left * (1.0 if order.side == BUY else -1.0)
        total += max(adds(sleeve, order.symbol, signed, float(order.reference_price)), 0.0)
    return total
