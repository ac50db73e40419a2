"""Accounts and deployments."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.trading.kernel.sleeves import Terms, terms_from
from apps.trading.models import Account, Deployment

OPEN = (Deployment.Status.RUNNING, Deployment.Status.HALTED)


def list_accounts(team_id: int) -> QuerySet[Account]:
    """Return the team's accounts, newest first."""
    return Account.objects.filter(team_id=team_id).order_by("-created_at", "-id")


def get_account(account_id: int, team_id: int) -> Account:
    """Return an account of the team. Raises ``NotFound``, also for another team's."""
    row = Account.objects.filter(pk=account_id, team_id=team_id).first()
    if row is None:
        message = f"There is no account {account_id} in this team; see GET /api/v1/accounts."
        raise NotFound(message, code="account.not_found")
    return row


def list_feed_accounts(feed: str) -> list[int]:
    """Return the ids of the accounts of every team that a feed drives."""
    return list(Account.objects.filter(feed=feed).order_by("id").values_list("id", flat=True))


def list_deployments(
    team_id: int, *, account_id: int | None = None, status: str = ""
) -> QuerySet[Deployment]:
    """Return the team's deployments, newest first."""
    rows = Deployment.objects.filter(team_id=team_id).select_related("account")
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    if status:
        rows = rows.filter(status=status)
    return rows.order_by("-created_at", "-id")


def open_deployments(account_id: int) -> list[Deployment]:
    """Return the deployments of an account that hold money, oldest first."""
    rows = Deployment.objects.filter(account_id=account_id, status__in=OPEN)
    return list(rows.order_by("id"))


def get_deployment(deployment_id: int, team_id: int) -> Deployment:
    """Return a deployment of the team. Raises ``NotFound``, also for another team's."""
    rows = Deployment.objects.filter(pk=deployment_id, team_id=team_id)
    row = rows.select_related("account").first()
    if row is None:
        message = f"There is no deployment {deployment_id} in this team."
        raise NotFound(message, code="deployment.not_found")
    return row


def account_json(row: Account) -> dict[str, Any]:
    """Return an account as clients see it."""
    peak = max(row.peak_equity, row.equity)
    day = row.equity - row.day_start_equity
    return {
        "id": row.pk,
        "name": row.name,
        "broker": row.broker,
        "is_paper": row.is_paper,
        "currency": row.currency,
        "feed": row.feed,
        "epoch": row.epoch,
        "initial_cash": row.initial_cash,
        "cash": row.cash,
        "costs": {"fee_bps": row.fee_bps, "slippage_bps": row.slippage_bps, **row.more_costs},
        "execution": row.execution,
        "units": row.units,
        "equity": row.equity,
        "day_pnl": day,
        "day_return": day / row.day_start_equity if row.day_start_equity > 0 else None,
        "total_return": row.equity / float(row.initial_cash) - 1.0,
        "gross": row.gross,
        "exposure": row.gross / row.equity if row.equity > 0 else None,
        "drawdown": 1.0 - row.equity / peak if peak > 0 else None,
        "last_bar_at": row.last_bar_at,
        "created_at": row.created_at,
    }


def terms_of(account: Account) -> Terms:
    """Return what trading costs on the account and how it executes."""
    return terms_from(
        fee_bps=account.fee_bps,
        slippage_bps=account.slippage_bps,
        units=account.units,
        more_costs=account.more_costs,
        execution=account.execution,
    )
