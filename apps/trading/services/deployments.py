"""Deployments: an approved version is given money and a feed, and lets both go again."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Sum

from apps.approvals import services as approvals
from apps.approvals.selectors import ApprovalView
from apps.audit import services as audit
from apps.backtests.kernel.kept import empty_book
from apps.core import events
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market import selectors as market
from apps.market.selectors import FeedState
from apps.risk import services as risk
from apps.strategies import selectors as strategies
from apps.strategies.selectors import VersionView
from apps.trading import selectors, store
from apps.trading.errors import Changed
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.kernel.scopes import covering
from apps.trading.models import Account, Deployment, Order, Position
from apps.trading.services.changes import close_order

MIN_ALLOCATION = Decimal(100)
SPARE_BARS = 300
# Money that counts as dollars against a cap.
DOLLARS = frozenset({"USD", "USDT", "USDC"})
# Exchanges that close at night and at weekends have fewer bars than hours.
CALENDAR_SPREAD = {"24/7": 1.05}
OTHER_SPREAD = 1.6


def deploy(
    *,
    actor: Actor,
    version_id: int,
    account_id: int,
    allocation: Decimal,
    now: datetime,
    symbols: Sequence[str] = (),
) -> Deployment:
    """Put an approved version to work on an account, from the feed's next bar on.

    Parameters
    ----------
    allocation
        Money of the account that the version manages.
    symbols
        Instruments of the feed; all of them when empty.

    Raises
    ------
    Denied, NotFound
    NotApproved
        Saying which approval is missing.
    Conflict
        Not enough free cash, a halted scope, or the version runs there already.
    Invalid
        An unknown symbol, or an allocation that is too small.
    """
    actor.require("trading.deploy")
    account = selectors.get_account(account_id, actor.team)
    found = _check_approved(actor, account, version_id, now)
    feed = market.feed_state(account.feed)
    chosen = _check_symbols(feed, symbols)
    _check_strategy(found.version, len(chosen), live=not account.is_paper)
    _check_allocation(allocation)
    try:
        with transaction.atomic():
            store.pass_fence()
            account = Account.objects.select_for_update().get(pk=account_id)
            _check_room(account, allocation, feed)
            store.hold_capital([found.approval.proposal_id])
            check_cap(found.approval, account, allocation)
            row = Deployment.objects.create(
                **_content(account, feed, chosen, allocation),
                version_id=found.version.id,
                version_digest=found.version.digest,
                version_label=found.version.label,
                strategy=found.version.name,
                params=found.version.params,
                approval_id=found.approval.proposal_id,
                history_from=_history_from(feed, found.version),
                created_by=actor.name,
                created_at=now,
            )
            account.cash -= row.allocation
            account.save(update_fields=["cash"])
            _record_deployed(actor, row, strategies.fences_of(found.version.name), now)
    except IntegrityError as error:
        message = f"{found.version.label} runs on {account.name} already; stop that first."
        raise Conflict(message, code="deploy.runs_already") from error
    return row


def _check_approved(
    actor: Actor, account: Account, version_id: int, now: datetime
) -> selectors.Deployable:
    """Return what may be deployed; an approval whose covered terms have changed ends here."""
    try:
        return selectors.check_approved(version_id=version_id, account=account, now=now)
    except Changed as error:
        approvals.void_approval(
            actor=system("deployments", actor.team),
            proposal_id=error.proposal_id,
            changed=error.changed,
            now=now,
        )
        raise


def check_cap(approval: ApprovalView, account: Account, allocation: Decimal) -> None:
    """Refuse to give a version more than its approval allows, over all its deployments.

    The caller holds the approval's capital (``store.hold_capital``).

    Raises ``Conflict``: ``approval.capital_cap``, or ``approval.currency`` when the account's
    money is not worth a dollar a piece.
    """
    cap = approval.terms.get("capital_usd")
    if cap is None:
        return
    if account.currency not in DOLLARS:
        message = f"The cap is in USD, {account.name} in {account.currency}; approve it anew."
        raise Conflict(message, code="approval.currency")
    rows = Deployment.objects.filter(approval_id=approval.proposal_id, status__in=selectors.OPEN)
    given = rows.aggregate(given=Sum("allocation"))["given"] or Decimal(0)
    if given + allocation > Decimal(str(cap)):
        message = (
            f"The approval allows {cap:,.2f} USD; {given:,.2f} are at work already and "
            f"{allocation:,.2f} were asked for."
        )
        raise Conflict(message, code="approval.capital_cap", details={"cap": cap})


def _content(
    account: Account, feed: FeedState, symbols: tuple[str, ...], allocation: Decimal
) -> dict[str, Any]:
    exact = to_money(float(allocation))
    book = empty_book(len(symbols), float(exact))
    state = {"book": book, "memory": {}, "average": [0.0] * len(symbols)}
    return {
        "team_id": account.team_id,
        "account": account,
        "feed": feed.name,
        "epoch": feed.epoch,
        "symbols": list(symbols),
        "allocation": exact,
        "equity": float(exact),
        "state": state,
        "last_bar_at": feed.position_at,
    }


def _record_deployed(
    actor: Actor, row: Deployment, held: dict[str, str] | None, now: datetime
) -> None:
    body = {
        "version_id": row.version_id,
        "digest": row.version_digest,
        "approval": row.approval_id,
        "account_id": row.account_id,
        "feed": row.feed,
        "epoch": row.epoch,
        "symbols": row.symbols,
        "allocation": row.allocation,
        **({"sandbox": held} if held else {}),
    }
    subject = f"deployment:{row.pk}"
    audit.record(actor=actor, action="deployment.created", subject=subject, body=body, now=now)
    tell_changed(row)


def tell_changed(row: Deployment) -> None:
    """Tell browsers that a deployment began, ended, or changed its status."""
    data = {"deployment_id": row.pk, "status": str(row.status), "note": row.note}
    topic = f"account.{row.account_id}"
    kind = "trading.deployment.changed"
    events.emit(team_id=row.team_id, topic=topic, kind=kind, data=data)


def _check_symbols(feed: FeedState, symbols: Sequence[str]) -> tuple[str, ...]:
    if not symbols:
        return feed.symbols
    unknown = sorted(set(symbols) - set(feed.symbols))
    if unknown:
        message = f"{', '.join(unknown[:5])} not on feed {feed.name}; see GET /api/v1/feeds."
        raise Invalid(message, code="deploy.symbols", details={"field": "symbols"})
    return tuple(symbol for symbol in feed.symbols if symbol in set(symbols))


def _check_strategy(version: VersionView, n_symbols: int, *, live: bool) -> None:
    strategies.check_runnable(version.name, version.team_id, live=live)
    spec = strategies.get_strategy(version.name, version.team_id).spec
    if spec.single_asset and n_symbols != 1:
        message = f"{spec.title} trades one instrument; name one of {n_symbols} in symbols."
        raise Invalid(message, code="deploy.single_asset", details={"field": "symbols"})


def _check_allocation(allocation: Decimal) -> None:
    if not math.isfinite(allocation) or allocation < MIN_ALLOCATION:
        message = f"The allocation is {allocation}; give at least {MIN_ALLOCATION}."
        raise Invalid(message, code="deploy.allocation", details={"field": "allocation"})


def _check_room(account: Account, allocation: Decimal, feed: FeedState) -> None:
    if account.epoch != feed.epoch:
        message = f"Feed {feed.name} has just been started anew; try again after its first bar."
        raise Conflict(message, code="deploy.feed_restarted")
    if allocation > account.cash:
        message = (
            f"{account.name} has {account.cash:,.2f} {account.currency} free; "
            f"{allocation:,.2f} were asked for."
        )
        raise Conflict(message, code="deploy.cash", details={"free": str(account.cash)})
    halts = selectors.halted_among(covering(team_id=account.team_id, account_id=account.pk))
    if halts:
        message = f"{halts[0].scope} is halted ({halts[0].reason}); resume it first."
        raise Conflict(message, code="deploy.halted", details={"scope": halts[0].scope})


def _history_from(feed: FeedState, version: VersionView) -> datetime:
    """Return from when on bars are shown to the strategy: its warm-up and some to spare."""
    strategy = strategies.get_strategy(version.name, version.team_id)
    bars = 3 * strategy.warmup(version.params) + SPARE_BARS
    spread = CALENDAR_SPREAD.get(feed.calendar, OTHER_SPREAD)
    at = feed.position_at or feed.start_at
    return at - timedelta(seconds=bars * spread * seconds_of(feed.timeframe))


def stop_deployment(
    *, actor: Actor, deployment_id: int, now: datetime, reason: str = ""
) -> Deployment:
    """Take a version off its account; its cash and positions become the account's own.

    Positions are kept as they are; close them with orders. Raises ``Conflict`` when it is over.
    """
    actor.require("trading.deploy")
    selectors.get_deployment(deployment_id, actor.team)
    with transaction.atomic():
        store.pass_fence()
        row = _lock_open(deployment_id)
        body = {"reason": reason, "equity": row.equity}
        _release(row, Deployment.Status.STOPPED, reason, now)
        subject = f"deployment:{row.pk}"
        audit.record(actor=actor, action="deployment.stopped", subject=subject, body=body, now=now)
    return row


def stop_lapsed(*, actor: Actor, proposal_id: uuid.UUID, reason: str, now: datetime) -> int:
    """Stop what runs under an approval that lapsed, unless another in force fits; return how many.

    Inside the caller's transaction, which holds the lapse.
    """
    actor.require("trading.deploy")
    rows = Deployment.objects.filter(
        team_id=actor.team, approval_id=proposal_id, status__in=selectors.OPEN
    )
    return sum(
        not keep_or_stop(actor=actor, deployment_id=number, reason=reason, now=now)
        for number in list(rows.order_by("id").values_list("pk", flat=True))
    )


def keep_or_stop(*, actor: Actor, deployment_id: int, reason: str, now: datetime) -> bool:
    """Let a deployment go on under another approval in force that fits, else stop it."""
    with transaction.atomic():
        store.pass_fence()
        row = _lock_open(deployment_id)
        other, _ = selectors.approval_of(row, now)
        subject = f"deployment:{row.pk}"
        body = {"reason": reason, "approval": str(row.approval_id)}
        if other is not None:
            row.approval_id = other.proposal_id
            row.save(update_fields=["approval_id"])
            body["now under"] = str(other.proposal_id)
            audit.record(
                actor=actor, action="deployment.reapproved", subject=subject, body=body, now=now
            )
            return True
        _release(row, Deployment.Status.STOPPED, reason, now)
        audit.record(actor=actor, action="deployment.stopped", subject=subject, body=body, now=now)
    return False


def check_claims(*, account_id: int, now: datetime) -> None:
    """Hold everything that runs on an account against its approval, before it decides again.

    What runs is hashed anew from the bytes that would run. An approval whose covered terms have
    changed is void from here on; what ran under it stops.
    """
    for row in selectors.open_deployments(account_id):
        approval, broken = selectors.approval_of(row, now)
        actor = system("claims", row.team_id)
        if broken:
            approvals.void_approval(
                actor=actor, proposal_id=row.approval_id, changed=broken, now=now
            )
        elif approval is None:
            words = "Its approval is not in force."
            keep_or_stop(actor=actor, deployment_id=row.pk, reason=words, now=now)


def _lock_open(deployment_id: int) -> Deployment:
    # Accounts are locked before their deployments everywhere, so nobody waits in a circle.
    account_id = Deployment.objects.values_list("account_id", flat=True).get(pk=deployment_id)
    Account.objects.select_for_update().get(pk=account_id)
    row = Deployment.objects.select_for_update().get(pk=deployment_id)
    if row.status not in (Deployment.Status.RUNNING, Deployment.Status.HALTED):
        message = f"Deployment {row.pk} is {row.status} already."
        raise Conflict(message, code="deployment.over")
    return row


def _release(row: Deployment, status: str, note: str, now: datetime) -> None:
    """Hand cash and positions over to the account and end the deployment's orders."""
    for order in Order.objects.filter(deployment=row, finished_at=None):
        close_order(order, "cancel", now, [("deployment.stopped", "Its deployment was stopped.")])
    Account.objects.filter(pk=row.account_id).update(
        cash=row.account.cash + to_money(float(row.state["book"]["cash"]))
    )
    for position in Position.objects.filter(deployment=row):
        _merge(position)
    row.status, row.note, row.ended_at = status, note[:500], now
    row.state = {**row.state, "book": _emptied(row.state["book"])}
    row.save(update_fields=["status", "note", "ended_at", "state"])
    tell_changed(row)
    risk.note_change(team_id=row.team_id, subject=f"account:{row.account_id}")


def _emptied(book: dict[str, Any]) -> dict[str, Any]:
    return {**empty_book(len(book["positions"]), 0.0), "marks": book["marks"]}


def _merge(position: Position) -> None:
    """Add a deployment's position to the account's own in the same symbol."""
    own = Position.objects.filter(
        account_id=position.account_id, deployment=None, symbol=position.symbol
    ).first()
    if own is None:
        position.deployment = None
        position.save(update_fields=["deployment"])
        return
    total = own.quantity + position.quantity
    cost = own.quantity * own.average_price + position.quantity * position.average_price
    position.delete()
    if total == 0:
        own.delete()
        return
    own.quantity = to_quantity(float(total))
    own.average_price = to_money(abs(float(cost / total)))
    own.save(update_fields=["quantity", "average_price"])
