"""A replay that begins anew: what was open in the old one is settled at its last prices."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import system
from apps.market.selectors import FeedState
from apps.risk import services as risk
from apps.trading import store
from apps.trading.kernel.money import to_money
from apps.trading.models import Account, Deployment, Order, Position
from apps.trading.services.changes import close_order
from apps.trading.services.deployments import tell_changed

NOTE = "Its feed was started anew; settled at the last prices."


def settle_epoch(*, account_id: int, feed: FeedState, now: datetime) -> bool:
    """Turn everything an account holds into cash when its feed has begun a new epoch.

    Deployments end: their positions belong to a time that the feed has left. Tells whether
    there was anything to do.
    """
    account = Account.objects.get(pk=account_id)
    if account.epoch == feed.epoch:
        return False
    with transaction.atomic():
        store.pass_fence()
        account = Account.objects.select_for_update().get(pk=account_id)
        if account.epoch == feed.epoch:
            return False
        for order in Order.objects.filter(account=account, finished_at=None):
            close_order(order, "cancel", now, [("feed.restarted", NOTE)])
        _end_deployments(account, now)
        Position.objects.filter(account=account).delete()
        account.cash = to_money(account.equity)
        account.gross = account.net = 0.0
        account.epoch, account.last_bar_at = feed.epoch, None
        account.day_start_equity = account.peak_equity = account.equity
        account.save()
        actor = system("stream", account.team_id)
        body = {"feed": feed.name, "epoch": feed.epoch, "cash": account.cash}
        subject = f"account:{account.pk}"
        audit.record(actor=actor, action="account.settled", subject=subject, body=body, now=now)
        risk.note_change(team_id=account.team_id, subject=subject)
    return True


def _end_deployments(account: Account, now: datetime) -> None:
    rows = Deployment.objects.select_for_update().filter(
        account=account, status__in=(Deployment.Status.RUNNING, Deployment.Status.HALTED)
    )
    for row in rows:
        row.status, row.note, row.ended_at = Deployment.Status.ENDED, NOTE, now
        row.save(update_fields=["status", "note", "ended_at"])
        tell_changed(row)
