"""What the pages of trading show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from apps.approvals import selectors as approvals
from apps.market import selectors as market
from apps.risk import selectors as risk
from apps.trading import store
from apps.trading.models import Account
from apps.trading.selectors.accounts import OPEN, get_account, list_accounts
from apps.trading.selectors.deployable import list_deployable
from apps.trading.selectors.snapshots import account_snapshot

KPI_POINTS = 60


def find_busiest_account(team_id: int) -> Account | None:
    """Return the account with most deployments at work, the oldest of equals; None without any."""
    at_work = Count("deployments", filter=Q(deployments__status__in=OPEN))
    rows = Account.objects.filter(team_id=team_id).annotate(at_work=at_work)
    return rows.order_by("-at_work", "id").first()


def new_account_context() -> dict[str, Any]:
    """Return what the form for a new account offers."""
    return {"feeds": [(feed.name, feed.name) for feed in market.list_feeds()]}


def deployable_choices(team_id: int) -> list[tuple[int, str]]:
    """Return the versions that may be deployed, as choices."""
    return [(v.id, f"{v.label} · {v.digest[:10]}") for v in list_deployable(team_id)]


def live_context(account_id: int, team_id: int) -> dict[str, Any]:
    """Return everything the live page of an account shows. Raises ``NotFound``."""
    snapshot = account_snapshot(account_id, team_id)
    account = snapshot["account"]
    curve = store.read_points(account_id, account["epoch"], limit=KPI_POINTS)
    labels = {row["id"]: row["version"] for row in snapshot["deployments"]}
    halts = snapshot["halts"]
    return {
        **snapshot,
        "accounts": list(list_accounts(team_id)),
        "choices": deployable_choices(team_id),
        "labels": labels,
        "history": curve.equity.tolist(),
        "halted_here": [halt for halt in halts if halt["scope"] != f"account:{account_id}"],
        "account_halt": next((h for h in halts if h["scope"] == f"account:{account_id}"), None),
        "seed": {"account": account_id, "sparks": sparks_by_symbol(snapshot), "labels": labels},
        "resumes": approvals.open_subjects(team_id, kind="resume"),
        **new_account_context(),
    }


def sparks_by_symbol(snapshot: dict[str, Any]) -> dict[str, list[float]]:
    """Return the sparkline of each position by symbol."""
    return {row["symbol"]: row["spark"] for row in snapshot["positions"]}


def order_what_if(
    account_id: int, team_id: int, orders: Sequence[Mapping[str, Any]], *, now: datetime
) -> dict[str, Any]:
    """Return what an order would do to the account's risk, or what to fill in first.

    Raises ``NotFound``.
    """
    account = get_account(account_id, team_id)
    if not orders:
        return {"hint": "Fill in side, quantity and symbol to see what it would do."}
    subject = f"account:{account.pk}"
    return risk.show_orders(team_id=team_id, subject=subject, orders=orders, now=now)
