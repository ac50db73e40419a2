"""Stored intents go out: claimed under the fence, sent outside of any transaction, recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.db import transaction
from django.db.models import Q

from apps.audit import services as audit
from apps.core import telemetry
from apps.core.actors import system
from apps.core.errors import Unavailable
from apps.core.plugs import load_plug
from apps.trading import selectors, store
from apps.trading.brokers.base import Ack, Broker, OrderTicket
from apps.trading.kernel import order_states
from apps.trading.kernel.scopes import covering
from apps.trading.models import Account, Order
from apps.trading.services.changes import change

BROKERS = "BROKERS"
# A claim this old belongs to a process that died before it recorded the venue's answer.
ABANDONED_AFTER = timedelta(seconds=10)
PER_EVENT = 500
CHANGED = ("state", "reasons", "venue_id", "sent_at", "finished_at")


def send_intents(*, account_id: int, now: datetime) -> int:
    """Send what is stored and not sent, and record the answers; return how many were accepted.

    An order whose sender died is sent again under its own id where the venue recognises it, and
    is ``unknown`` until there is evidence where it does not. Nothing passes a halt.
    """
    waiting = Q(state=order_states.CREATED) | Q(
        state=order_states.SUBMITTED, sent_at__lt=now - ABANDONED_AFTER
    )
    if not Order.objects.filter(waiting, account_id=account_id).exists():
        return 0
    broker: Broker = load_plug(BROKERS, Account.objects.get(pk=account_id).broker)
    with transaction.atomic():
        claimed = _claim(account_id, waiting, broker, now)
    answers = [_send(broker, order) for order in claimed]
    with transaction.atomic():
        return _record(claimed, answers, now)


def _claim(account_id: int, waiting: Q, broker: Broker, now: datetime) -> list[Order]:
    store.pass_fence()
    rows = Order.objects.select_for_update(skip_locked=True).filter(waiting, account_id=account_id)
    orders = list(rows.order_by("created_at", "id"))
    account = Account.objects.get(pk=account_id)
    halted = {halt.scope for halt in selectors.halted_among(_scopes(account, orders))}
    claimed = []
    for order in orders:
        mine = covering(
            team_id=account.team_id, account_id=account_id, deployment_id=order.deployment_id
        )
        stopped = sorted(halted & set(mine))
        if stopped and order.state == order_states.CREATED:
            change(order, "cancel", now, [("limit.halted", f"{stopped[0]} is halted.")])
        elif order.state == order_states.CREATED:
            change(order, "submit", now)
            order.sent_at = now
            claimed.append(order)
        elif broker.capabilities.deduplicates and not stopped:
            order.sent_at = now
            claimed.append(order)
        else:
            change(order, "lose", now, [("order.unknown", "Its sender died before the answer.")])
    Order.objects.bulk_update(orders, CHANGED, batch_size=200)
    _file(account, "orders.submitted", orders, now)
    return claimed


def _file(account: Account, action: str, orders: Iterable[Order], now: datetime) -> None:
    """Record what became of orders, as many to an event as fit."""
    actor = system("trading", account.team_id)
    for some in batched(orders, PER_EVENT):
        body = {"states": {str(order.pk): order.state for order in some}}
        subject = f"account:{account.pk}"
        audit.record(actor=actor, action=action, subject=subject, body=body, now=now)


def batched(orders: Iterable[Order], size: int) -> Iterator[list[Order]]:
    """Yield lists of up to ``size``."""
    left = iter(orders)
    while some := list(islice(left, size)):
        yield some


def _scopes(account: Account, orders: list[Order]) -> list[str]:
    scopes = covering(team_id=account.team_id, account_id=account.pk)
    return [*scopes, *sorted({f"deployment:{o.deployment_id}" for o in orders})]


def _send(broker: Broker, order: Order) -> Ack | None:
    """Send once; None when the venue's answer is missing."""
    ticket = OrderTicket(
        client_id=order.client_id,
        symbol=order.symbol,
        kind=str(order.kind),
        side=order.side,
        quantity=float(order.quantity),
        target_weight=order.target_weight,
        terms=order.terms,
    )
    with telemetry.span("order.submit", order_id=str(order.pk), client_id=order.client_id):
        try:
            return broker.submit(ticket)
        except Unavailable:
            return None


def _record(claimed: list[Order], answers: list[Ack | None], now: datetime) -> int:
    """Book the answers; an order that moved on meanwhile (a halt) is left as it is."""
    ids = [order.pk for order in claimed]
    rows = Order.objects.select_for_update().filter(pk__in=ids, state=order_states.SUBMITTED)
    found = {order.pk: order for order in rows.order_by("id")}
    for sent, answer in zip(claimed, answers, strict=True):
        order = found.get(sent.pk)
        if order is None:
            continue
        if answer is None:
            change(order, "lose", now, [("order.unknown", "The venue did not answer.")])
        elif answer.accepted:
            change(order, "accept", now)
            order.venue_id = answer.venue_id
        else:
            change(order, "reject", now, [(answer.code, answer.message)])
    Order.objects.bulk_update(found.values(), CHANGED, batch_size=200)
    if found:
        account = Account.objects.get(pk=claimed[0].account_id)
        _file(account, "orders.answered", found.values(), now)
    return sum(order.state == order_states.ACCEPTED for order in found.values())
