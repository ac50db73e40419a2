"""Orders and fills."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.core.errors import Invalid, NotFound
from apps.trading.kernel import order_states
from apps.trading.models import Fill, Order

GROUPS = {"working": order_states.WORKING, "final": order_states.FINAL}


def list_orders(
    team_id: int,
    *,
    account_id: int | None = None,
    deployment_id: int | None = None,
    state: str = "",
) -> QuerySet[Order]:
    """Return the team's orders, newest first; ``state`` may be ``working`` or ``final``.

    Raises ``Invalid`` for an unknown state.
    """
    rows = Order.objects.filter(team_id=team_id)
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    if deployment_id is not None:
        rows = rows.filter(deployment_id=deployment_id)
    if state:
        if state not in (*GROUPS, *order_states.STATES):
            known = ", ".join((*GROUPS, *order_states.STATES))
            message = f"{state!r} is no state of orders; there are {known}."
            raise Invalid(message, code="order.state_unknown", details={"field": "state"})
        rows = rows.filter(state__in=GROUPS.get(state, {state}))
    return rows.order_by("-created_at", "-id")


def get_order(order_id: UUID, team_id: int) -> Order:
    """Return an order of the team. Raises ``NotFound``, also for another team's."""
    row = Order.objects.filter(pk=order_id, team_id=team_id).first()
    if row is None:
        message = f"There is no order {order_id} in this team."
        raise NotFound(message, code="order.not_found")
    return row


def list_fills(team_id: int, *, account_id: int | None = None) -> QuerySet[Fill]:
    """Return the team's fills, newest first."""
    rows = Fill.objects.filter(order__team_id=team_id)
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    return rows.order_by("-created_at", "-id")


def order_json(row: Order) -> dict[str, Any]:
    """Return an order as clients see it."""
    return {
        "id": row.pk,
        "client_id": row.client_id,
        "account_id": row.account_id,
        "deployment_id": row.deployment_id,
        "symbol": row.symbol,
        "kind": row.kind,
        "side": row.side,
        "quantity": row.quantity,
        "target_weight": row.target_weight,
        "terms": row.terms,
        "reference_price": row.reference_price,
        "state": row.state,
        "reasons": row.reasons,
        "venue_id": row.venue_id,
        "filled_quantity": row.filled_quantity,
        "average_price": row.average_price,
        "fees": row.fees,
        "bar_at": row.bar_at,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
        "finished_at": row.finished_at,
    }
