"""Orders by hand: through the same guard as everybody's."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from apps.approvals import selectors as approval_selectors
from apps.approvals import services as approvals
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.kernel.hashing import digest_json
from apps.core.kernel.timeframes import seconds_of
from apps.core.plugs import load_plug
from apps.market import selectors as market
from apps.risk import selectors as risk
from apps.risk import services as risk_services
from apps.risk.kernel.limits import Holdings, Refusal, Ticket, check_order
from apps.trading import selectors, store
from apps.trading.brokers.base import Broker
from apps.trading.errors import Refused
from apps.trading.kernel import order_states
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.kernel.scopes import covering
from apps.trading.models import Account, Order
from apps.trading.selectors.windows import read_window
from apps.trading.services.changes import close_order
from apps.trading.services.sending import send_intents

BROKERS = "BROKERS"
ORDER = "order"
MAX_CLIENT_ID = 80
PRICE_BARS = 8


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
    _check_shape(account, kind, side, quantity, client_id)
    price = last_price(account, symbol)
    refusals: list[Refusal] = []
    try:
        with transaction.atomic():
            store.pass_fence()
            account = Account.objects.select_for_update().get(pk=account_id)
            order = _order(actor, account, symbol, side, quantity, price, client_id, now)
            refusals = _guard(account, order, now)
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
) -> Any:
    """Propose a single trade, for a trader or risk manager who is somebody else to decide in time.

    It is sent when it is approved, through the same guard as every order; after the minutes of
    ``approvals.order_minutes`` it is over.

    Raises ``Denied``, ``NotFound``, ``Invalid``, ``Conflict``.
    """
    actor.require("proposals.create")
    account = selectors.get_account(account_id, actor.team)
    client_id = client_id or f"m{uuid.uuid4().hex}"
    _check_shape(account, kind, side, quantity, client_id)
    price = last_price(account, symbol)
    terms = {
        "account_id": account_id,
        "symbol": symbol,
        "side": side,
        "quantity": str(quantity),
        "kind": kind,
        "client_id": client_id,
    }
    held = selectors.holdings_of(account, now, {symbol: price}).positions.get(symbol, 0.0)
    signed = float(quantity) * (1.0 if side == "buy" else -1.0)
    book = [
        {"name": f"{symbol} held", "before": held, "after": held + signed},
        {"name": f"{symbol}, value", "before": held * price, "after": (held + signed) * price},
    ]
    minutes = approval_selectors.get_setting(actor.team, "approvals.order_minutes")
    return approvals.propose(
        actor=actor,
        kind=ORDER,
        subject=f"order:{client_id}",
        title=f"{side.capitalize()} {quantity} {symbol} on {account.name}"[:200],
        digest=digest_json(terms),
        evidence={"facts": {**terms, "last price": price}, "book": book},
        rationale=rationale,
        terms=terms,
        open_for=timedelta(minutes=minutes),
        now=now,
    )


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


def _check_shape(
    account: Account, kind: str, side: str, quantity: Decimal, client_id: str
) -> None:
    broker: Broker = load_plug(BROKERS, account.broker)
    if kind != Order.Kind.MARKET or kind not in broker.capabilities.kinds:
        message = (
            f"{broker.capabilities.title} takes market orders by hand; {kind!r} is not supported "
            "and is not turned into something else."
        )
        raise Invalid(message, code="order.kind", details={"field": "kind"})
    if side not in ("buy", "sell"):
        message = f"The side is {side!r}; it is buy or sell."
        raise Invalid(message, code="order.side", details={"field": "side"})
    if not math.isfinite(quantity) or to_quantity(float(quantity)) <= 0:
        message = f"The quantity is {quantity}; it must be above 0."
        raise Invalid(message, code="order.quantity", details={"field": "quantity"})
    if account.units == "whole" and quantity != int(quantity):
        message = f"{account.name} trades whole units; {quantity} is not whole."
        raise Invalid(message, code="order.whole_units", details={"field": "quantity"})
    if len(client_id) > MAX_CLIENT_ID or not client_id.isascii():
        message = f"The client id is longer than {MAX_CLIENT_ID} ASCII characters."
        raise Invalid(message, code="order.client_id", details={"field": "client_id"})


def last_price(account: Account, symbol: str) -> float:
    """Return a symbol's last close on the account's feed. Raises ``Invalid``, ``Conflict``."""
    feed = market.feed_state(account.feed)
    if symbol not in feed.symbols:
        message = f"{symbol} is not on feed {feed.name}, which has {len(feed.symbols)} symbols."
        raise Invalid(message, code="order.symbol", details={"field": "symbol"})
    until = account.last_bar_at
    back = timedelta(seconds=PRICE_BARS * seconds_of(feed.timeframe))
    panel = read_window(feed, since=until - back, until=until) if until else None
    if panel is not None:
        closes = panel.close[:, panel.symbols.index(symbol)]
        known = closes[closes == closes]
        if len(known):
            return float(known[-1])
    message = f"{symbol} has no price yet on feed {feed.name}; wait for its next bar."
    raise Conflict(message, code="order.no_price", details={"field": "symbol"})


def _order(
    actor: Actor,
    account: Account,
    symbol: str,
    side: str,
    quantity: Decimal,
    price: float,
    client_id: str,
    now: datetime,
) -> Order:
    return Order(
        team_id=account.team_id,
        client_id=client_id or f"m{uuid.uuid4().hex}",
        account=account,
        symbol=symbol,
        kind=Order.Kind.MARKET,
        side=side,
        quantity=to_quantity(float(quantity)),
        reference_price=to_money(price),
        epoch=account.epoch,
        bar_at=account.last_bar_at,
        created_by=actor.name,
        created_at=now,
    )


def _guard(account: Account, order: Order, now: datetime) -> list[Refusal]:
    scopes = covering(team_id=account.team_id, account_id=account.pk)
    halted = [halt.scope for halt in selectors.halted_among(scopes)]
    price = float(order.reference_price)
    seen = selectors.holdings_of(account, now, {order.symbol: price})
    book = Holdings(
        equity=seen.equity,
        day_start_equity=seen.day_start_equity,
        positions=seen.positions,
        prices=seen.prices,
        pending=seen.pending,
        orders_last_minute=seen.orders_last_minute,
        halted=halted,
    )
    ticket = Ticket(
        symbol=order.symbol,
        side=order.side,
        quantity=float(order.quantity),
        price=price,
        reference=price,
        client_id=order.client_id,
    )
    limits = risk.get_limits(team_id=account.team_id, subject=f"account:{account.pk}").limits
    refusals = check_order(ticket, book, limits)
    return refusals + _too_dear(account, order, price)


def _too_dear(account: Account, order: Order, price: float) -> list[Refusal]:
    """Refuse a purchase that the cash no deployment holds can't pay."""
    factor = (1.0 + account.slippage_bps * 1e-4) * (1.0 + account.fee_bps * 1e-4)
    cost = float(order.quantity) * price * factor
    working = Order.objects.filter(account=account, deployment=None, finished_at=None, side="buy")
    bound = sum(float(o.quantity * o.reference_price) for o in working)
    if order.side == "sell" or cost + bound <= float(account.cash):
        return []
    words = f"It costs about {cost:,.2f} {account.currency}; {account.cash:,.2f} are free."
    return [Refusal("order.cash", words)]


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
