"""One account at one bar, inside the step's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from apps.audit import services as audit
from apps.core.actors import Actor, system
from apps.core.plugs import load_plug
from apps.market.kernel.bars import Panel
from apps.risk import selectors as risk
from apps.risk.kernel.limits import BUY, SELL, Holdings, Ticket
from apps.risk.kernel.protection import policy_of
from apps.trading import selectors, store
from apps.trading.brokers.base import Broker
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.kernel.scopes import covering
from apps.trading.kernel.sleeves import Intent, intents_of
from apps.trading.models import Account, Deployment, Fill, Halt, Order
from apps.trading.selectors.guarding import facts_of
from apps.trading.selectors.snapshots import count_at_bar, find_feed
from apps.trading.services import placing
from apps.trading.services import sleeves as at_bar
from apps.trading.services.bars import Bar, Sleeve
from apps.trading.services.by_hand import Own, settle_own
from apps.trading.services.changes import FILLED_FIELDS, change
from apps.trading.services.deciding import Decided, Stale, basis_of, by_deployment, scopes_of
from apps.trading.services.desks import Desk, age_of
from apps.trading.services.protecting import protect
from apps.trading.services.reading import note_readings
from apps.trading.services.sleeves import Decision
from apps.trading.services.stopping import watch_step
from apps.trading.services.telling import tell_step

BROKERS = "BROKERS"
ACTOR = "stream"


def step_account(
    account: Account, panel: Panel, bar: Bar, decided: Decided, now: datetime
) -> None:
    """Fill, mark, follow the decisions, guard and store: everything of one bar.

    Raises ``Stale`` when what the decisions rest on has changed since.
    """
    actor = system(ACTOR, account.team_id)
    broker: Broker = load_plug(BROKERS, account.broker)
    rows = _lock_deployments(account)
    waiting = list(at_bar.open_orders(rows).select_for_update(of=("self",)))
    if basis_of(account, rows, waiting) != decided.basis:
        raise Stale
    halted, orders = _halted(account, rows), by_deployment(waiting)
    own = settle_own(account, bar, broker, halted=_is_halted(account, None, halted), now=now)
    settled = [
        at_bar.settle(
            account,
            row,
            bar,
            broker,
            orders[row.pk],
            halted=_is_halted(account, row, halted),
            now=now,
        )
        for row in rows
    ]
    _mark_account(account, bar, own, settled)
    blocking = watch_step(account, settled, bar, now)
    desk = _desk(account, own, settled, bar, blocking, now)
    for sleeve in settled:
        if sleeve.row.pk in decided.decisions:
            decision = decided.decisions[sleeve.row.pk]
            policy = policy_of(desk.limits_of(sleeve))
            _follow(actor, desk, sleeve, protect(sleeve, decision, policy, panel, bar), bar)
    note_readings(panel, bar, [s for s in settled if s.row.pk in decided.decisions], now)
    _store_trades(actor, account, own, settled, bar, now)
    points = [at_bar.save(sleeve, bar, now) for sleeve in settled]
    store.add_points([_total(account, bar, settled), *points])
    account.save()
    tell_step(account, panel, bar, desk.book, now)


def _lock_deployments(account: Account) -> list[Deployment]:
    rows = Deployment.objects.select_for_update().filter(
        account=account, status__in=(Deployment.Status.RUNNING, Deployment.Status.HALTED)
    )
    return list(rows.order_by("id"))


def _halted(account: Account, rows: list[Deployment]) -> dict[str, Halt]:
    return {halt.scope: halt for halt in selectors.halted_among(scopes_of(account, rows))}


def _is_halted(account: Account, row: Deployment | None, halted: Mapping[str, Halt]) -> bool:
    number = row.pk if row else None
    scopes = covering(team_id=account.team_id, account_id=account.pk, deployment_id=number)
    return any(scope in halted for scope in scopes)


def _mark_account(account: Account, bar: Bar, own: Own, settled: list[Sleeve]) -> None:
    """Bring the account's figures to this close; a new day begins where the last ended."""
    if account.last_bar_at and bar.opened_at.date() != account.last_bar_at.date():
        account.day_start_equity = account.equity
    account.epoch, account.last_bar_at = bar.epoch, bar.opened_at
    account.equity = float(account.cash) + own.net + sum(s.session.equity for s in settled)
    account.gross = own.gross + sum(s.session.money[1] for s in settled)
    account.net = own.net + sum(s.session.money[2] for s in settled)
    account.peak_equity = max(account.peak_equity, account.equity)


def _desk(
    account: Account,
    own: Own,
    settled: list[Sleeve],
    bar: Bar,
    blocking: list[str],
    now: datetime,
) -> Desk:
    held: dict[str, float] = defaultdict(float, own.positions)
    prices = dict(own.prices)
    for sleeve in settled:
        # Also of what is under way only: the guard refuses to add to a book it can't price.
        for a in np.flatnonzero(np.isfinite(sleeve.session.marks)).tolist():
            prices[sleeve.row.symbols[a]] = float(sleeve.session.marks[a])
        for a in np.flatnonzero(sleeve.session.positions).tolist():
            held[sleeve.row.symbols[a]] += float(sleeve.session.positions[a])
    sent = count_at_bar(account, bar.closed_at, now)
    facts = facts_of(find_feed(account.feed), bar.symbols)
    book = Holdings(
        equity=account.equity,
        day_start_equity=account.day_start_equity,
        positions=dict(held),
        prices=prices,
        pending=_pending(settled, own),
        orders_last_minute=sent.orders,
        messages_last_minute=sent.messages,
        perpetuals=facts.perpetuals,
        groups=facts.sectors,
        session_open=True,
    )
    limits = risk.get_limits(team_id=account.team_id, subject=f"account:{account.pk}").limits
    scopes = covering(team_id=account.team_id, account_id=account.pk)
    fence = sum(Halt.objects.filter(scope__in=scopes).values_list("fence", flat=True))
    caps, elsewhere = _caps(account, settled)
    return Desk(
        account=account,
        book=book,
        limits=limits,
        fence=fence,
        now=now,
        caps=caps,
        elsewhere=elsewhere,
        own=risk.strategy_limits(
            team_id=account.team_id, strategies={sleeve.row.strategy for sleeve in settled}
        ),
        blocking=frozenset(blocking),
    )


def _caps(account: Account, settled: list[Sleeve]) -> tuple[dict[int, float], dict[int, float]]:
    """Return what the approvals allow each deployment, and how much of it others use.

    From here on to the end of the transaction no other account orders under these approvals.
    """
    rows = [sleeve.row for sleeve in settled]
    caps = selectors.caps_of(rows)
    capped = {row.pk: row.approval_id for row in rows if row.pk in caps}
    if not capped:
        return caps, {}
    store.hold_capital(capped.values())
    held = selectors.held_elsewhere(account.pk, set(capped.values()))
    return caps, {number: held[approval] for number, approval in capped.items()}


def _pending(settled: list[Sleeve], own: Own) -> dict[str, float]:
    pending: dict[str, float] = defaultdict(float)
    waiting = [*own.waiting, *(order for s in settled for order in s.working())]
    for order in waiting:
        left = float(order.quantity - order.filled_quantity)
        pending[order.symbol] += left * (1.0 if order.side == BUY else -1.0)
    return dict(pending)


def _follow(actor: Actor, desk: Desk, sleeve: Sleeve, decision: Decision, bar: Bar) -> None:
    error = at_bar.follow(sleeve, decision)
    if error:
        _stop_failing(actor, sleeve.row, error, desk.now)
        return
    placing.take_back(desk, sleeve)
    _drop_replaced(desk, sleeve)
    made: list[Order] = []
    for intent in intents_of(sleeve.session, sleeve.row.symbols):
        order = _intend(desk, sleeve, intent, bar)
        if order is not None:
            made.append(order)
    made += placing.place(desk, sleeve, bar)
    if made:
        Order.objects.bulk_create(made)
        _record_intents(actor, sleeve.row, made, bar, desk.now)


def _drop_replaced(desk: Desk, sleeve: Sleeve) -> None:
    """End orders that waited for a bar and that a later decision has replaced."""
    words = [("order.replaced", "A later decision replaced it.")]
    for symbol, order in list(sleeve.orders.items()):
        wanted = sleeve.session.wanted[sleeve.row.symbols.index(symbol)]
        if wanted != order.target_weight:
            change(order, "cancel", desk.now, words)
            desk.release(order)
            sleeve.changed.append(sleeve.orders.pop(symbol))


def _stop_failing(actor: Actor, row: Deployment, error: str, now: datetime) -> None:
    """Halt a deployment whose strategy raised: nothing of its is sent on a guess."""
    reason = f"Its strategy stopped with {error}"[:500]
    halt, _ = Halt.objects.get_or_create(
        scope=f"deployment:{row.pk}",
        defaults={
            "team_id": row.team_id,
            "is_halted": True,
            "reason": reason,
            "halted_by": actor.name,
            "halted_at": now,
        },
    )
    halt.is_halted, halt.reason, halt.fence = True, reason, halt.fence + 1
    halt.halted_by, halt.halted_by_label, halt.halted_at = actor.name, actor.label, now
    halt.save()
    row.status, row.note = Deployment.Status.HALTED, reason
    body = {"reason": reason}
    subject = f"deployment:{row.pk}"
    audit.record(actor=actor, action="deployment.failed", subject=subject, body=body, now=now)


def _intend(desk: Desk, sleeve: Sleeve, intent: Intent, bar: Bar) -> Order | None:
    """Return a new order for what the book waits for; None when one asks for it already."""
    if intent.symbol in sleeve.orders:
        return None
    order = _order(desk, sleeve.row, intent, bar)
    ticket = Ticket(
        symbol=intent.symbol,
        side=order.side,
        quantity=max(abs(intent.quantity), 1e-12),
        price=intent.price,
        reference=intent.price,
        price_age_seconds=age_of(sleeve, intent.symbol, bar),
        client_id=order.client_id,
    )
    refusals = desk.judge(sleeve, ticket, size=intent.quantity)
    if refusals:
        desk.refuse(order, refusals)
        sleeve.session.drop(sleeve.row.symbols.index(intent.symbol))
    return order


def _order(desk: Desk, row: Deployment, intent: Intent, bar: Bar) -> Order:
    stamp = int(bar.opened_at.timestamp())
    return Order(
        team_id=row.team_id,
        client_id=f"d{row.pk}-{bar.epoch}-{stamp}-{intent.symbol}",
        account=desk.account,
        deployment=row,
        symbol=intent.symbol,
        kind=Order.Kind.TARGET,
        side=BUY if intent.quantity >= 0 else SELL,
        quantity=abs(to_quantity(intent.quantity)),
        target_weight=intent.weight,
        reference_price=to_money(intent.price),
        fence=desk.fence,
        epoch=bar.epoch,
        bar_at=bar.closed_at,
        created_by=f"deployment:{row.pk}",
        created_at=desk.now,
    )


def _record_intents(
    actor: Actor, row: Deployment, made: list[Order], bar: Bar, now: datetime
) -> None:
    body = {
        "bar": bar.opened_at,
        "version_digest": row.version_digest,
        "orders": [
            [o.client_id, o.side, o.quantity, o.target_weight, o.reference_price, o.state]
            for o in made[:300]
        ],
        "count": len(made),
    }
    subject = f"deployment:{row.pk}"
    audit.record(actor=actor, action="orders.intended", subject=subject, body=body, now=now)


def _store_trades(
    actor: Actor,
    account: Account,
    own: Own,
    settled: list[Sleeve],
    bar: Bar,
    now: datetime,
) -> None:
    changed = [*own.changed, *(order for sleeve in settled for order in sleeve.changed)]
    fills: list[Fill] = [*own.fills, *(fill for sleeve in settled for fill in sleeve.fills)]
    Order.objects.bulk_create([order for sleeve in settled for order in sleeve.made])
    Order.objects.bulk_update(changed, FILLED_FIELDS, batch_size=200)
    Fill.objects.bulk_create(fills)
    if fills:
        rows: list[list[Any]] = [
            [fill.order.client_id, fill.quantity, fill.price, fill.fee] for fill in fills[:300]
        ]
        body = {"bar": bar.opened_at, "fills": rows, "count": len(fills)}
        subject = f"account:{account.pk}"
        audit.record(actor=actor, action="fills.booked", subject=subject, body=body, now=now)


def _total(account: Account, bar: Bar, settled: list[Sleeve]) -> store.EquityPoint:
    cash = float(account.cash) + sum(sleeve.session.money[0] for sleeve in settled)
    return store.EquityPoint(
        account.pk,
        store.ACCOUNT_TOTAL,
        bar.epoch,
        bar.closed_at,
        account.equity,
        cash,
        account.gross,
        account.net,
    )
