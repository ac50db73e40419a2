"""Positions, with their shares of the account."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.trading.models import Position


def list_positions(team_id: int, *, account_id: int | None = None) -> QuerySet[Position]:
    """Return what the team holds, by symbol."""
    rows = Position.objects.filter(account__team_id=team_id).select_related("account")
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    return rows.order_by("symbol", "id")


def position_row(row: Position) -> dict[str, Any]:
    """Return a position by its own account's equity."""
    return position_json(row, row.account.equity)


def position_json(row: Position, equity: float) -> dict[str, Any]:
    """Return a position as clients see it; ``weight`` is its share of the account's equity."""
    quantity, price = float(row.quantity), float(row.last_price)
    value = quantity * price
    cost = quantity * float(row.average_price)
    return {
        "id": row.pk,
        "account_id": row.account_id,
        "deployment_id": row.deployment_id,
        "symbol": row.symbol,
        "quantity": row.quantity,
        "average_price": row.average_price,
        "last_price": row.last_price,
        "last_price_at": row.last_price_at,
        "value": value,
        "weight": value / equity if equity > 0 else None,
        "pnl": value - cost,
        "pnl_share": (value - cost) / abs(cost) if cost else None,
    }
