"""Orders by hand: through the same guard as everybody's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from apps.approvals import services as approvals
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.kernel.hashing import digest_json
from apps.core.plugs import load_plug
from apps.risk import services as risk_services
from apps.risk.kernel.limits import Refusal
from apps.trading import selectors, store
from apps.trading.brokers.base import Broker
from apps.trading.errors import Refused
from apps.trading.kernel import order_states
from apps.trading.models import Account, Order
from apps.trading.selectors.trades import (
    check_shape,
    draft,
    last_price,
    order_minutes,
    preview,
    refusals_of,
)
from apps.trading.services.changes import close_order
from apps.trading.services.sending import send_intents

BROKERS = "BROKERS"
ORDER = "order"


def place_order(
    *,
    actor: Actor,
    account_id: int,
    symbol: str,
    side: str,
    quantity: Decimal,
    now: datetime,
    client_id: str = "",
    kind: str = "market",
    sends: bool = True,
) -> Order:
    """Store a market order that passes the guard, then send it; it fills at the next open.

    Without ``sends`` it is sent when the caller's transaction has committed.

    Raises
    ------
    Denied, NotFound, Invalid
    Refused
        With every reason of the guard, or what the broker can't do.
    Conflict
        ``order.duplicate`` when the client id was used.
    """
    actor.require("trading.order")
    account = selectors.get_account(account_id, actor.team)
    check_shape(account, kind, side, quantity, client_id)
    price = last_price(account, symbol)
    refusals: list[Refusal] = []
    try:
        with transaction.atomic():
            store.pass_fence()
            account = Account.objects.select_for_update().get(pk=account_id)
            order = draft(
                account,
                symbol=symbol,
                side=side,
                quantity=quantity,
                client_id=client_id,
                price=price,
                created_by=actor.name,
                now=now,
            )
            refusals = refusals_of(account, order, now, holds=True)
            if not refusals:
                order.save(force_insert=True)
                _record(actor, order, now)
    except IntegrityError as error:
        message = f"The client id {client_id!r} was used before; read that order, or take another."
        raise Conflict(message, code="order.duplicate") from error
    if refusals:
        _note_refused(actor, account, order, refusals, now)
        raise Refused([(refusal.code, refusal.message) for refusal in refusals])
    if not sends:
        transaction.on_commit(lambda: send_intents(account_id=account_id, now=now))
        return order
    send_intents(account_id=account_id, now=now)
    order.refresh_from_db()
    return order


def propose_order(
    *,
    actor: Actor,
    account_id: int,
    symbol: str,
    side: str,
    quantity: Decimal,
    rationale: str,
    now: datetime,
    client_id: str = "",
    kind: str = "market",
    minutes: int | None = None,
) -> Any:
    """Propose a single trade, for a trader or risk manager who is somebody else to decide in time.

    What it would do to the book and what the guard says of it go along as evidence. It is sent
    when it is approved, through the same guard as every order; after ``minutes``, at most those of
    ``approvals.order_minutes``, it is over.

    Raises ``Denied``, ``NotFound``, ``Invalid``, ``Conflict``.
    """
    actor.require("proposals.create")
    account = selectors.get_account(account_id, actor.team)
    order = draft(
        account,
        symbol=symbol,
        side=side,
        quantity=quantity,
        kind=kind,
        client_id=client_id,
        now=now,
    )
    terms = {
        "account_id": account_id,
        "symbol": symbol,
        "side": side,
        "quantity": str(quantity),
        "kind": kind,
        "client_id": order.client_id,
    }
    seen = preview(order, now)
    facts = {
        "account": account.name,
        "last price": seen.price,
        "value": seen.price * float(quantity),
    }
    return approvals.propose(
        actor=actor,
        kind=ORDER,
        subject=f"order:{order.client_id}",
        title=f"{side.capitalize()} {quantity} {symbol} on {account.name}"[:200],
        digest=digest_json(terms),
        evidence={"facts": {**terms, **facts}, "book": seen.book, "guard": seen.guard},
        rationale=rationale,
        terms=terms,
        open_for=_open_for(actor.team, minutes),
        now=now,
    )


def _open_for(team_id: int, minutes: int | None) -> timedelta:
    """Return how long a trade may wait. Raises ``Invalid`` beyond what the setting allows."""
    most = order_minutes(team_id)
    if minutes is not None and not 1 <= minutes <= most:
        message = f"It would wait {minutes} minutes; a proposed trade waits 1 to {most}."
        raise Invalid(message, code="order.minutes", details={"field": "minutes"})
    return timedelta(minutes=most if minutes is None else minutes)


def place_agreed(*, actor: Actor, terms: Mapping[str, Any], now: datetime) -> Order:
    """Store the order that people agreed to; it is sent when the decision has committed.

    Raises as ``place_order``.
    """
    return place_order(
        actor=actor,
        now=now,
        sends=False,
        **{**terms, "quantity": Decimal(terms["quantity"])},
    )


def _record(actor: Actor, order: Order, now: datetime) -> None:
    body = {
        "client_id": order.client_id,
        "account_id": order.account_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "reference_price": order.reference_price,
    }
    subject = f"order:{order.pk}"
    audit.record(actor=actor, action="order.created", subject=subject, body=body, now=now)


def _note_refused(
    actor: Actor, account: Account, order: Order, refusals: list[Refusal], now: datetime
) -> None:
    """Keep the refused order, its reasons and the breaches, apart from the undone transaction."""
    order.state, order.finished_at = order_states.REFUSED, now
    order.reasons = [{"code": r.code, "message": r.message} for r in refusals]
    if Order.objects.filter(account=account, client_id=order.client_id).exists():
        order.client_id = f"r{uuid.uuid4().hex}"
    with transaction.atomic():
        order.save(force_insert=True)
        risk_services.note_breaches(
            team_id=account.team_id, subject=f"account:{account.pk}", refusals=refusals, now=now
        )
        body = {"symbol": order.symbol, "side": order.side, "reasons": order.reasons}
        subject = f"order:{order.pk}"
        audit.record(actor=actor, action="order.refused", subject=subject, body=body, now=now)


def cancel_order(*, actor: Actor, order_id: uuid.UUID, now: datetime) -> Order:
    """Take an open order back. Raises ``NotFound``, ``Conflict``."""
    actor.require("trading.order")
    found = selectors.get_order(order_id, actor.team)
    broker: Broker = load_plug(BROKERS, found.account.broker)
    answer = broker.cancel(found.client_id)
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        if order.finished_at is not None or not answer.accepted:
            message = f"The order is {order.state} already; there is nothing to take back."
            raise Conflict(message, code="order.over")
        close_order(order, "cancel", now, [("order.cancelled", f"Taken back by {actor.label}.")])
        subject = f"order:{order.pk}"
        audit.record(actor=actor, action="order.cancelled", subject=subject, body={}, now=now)
    return order
