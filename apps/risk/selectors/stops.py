"""Emergency stops: how they stand, which block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.core.errors import NotFound
from apps.risk.kernel import stops
from apps.risk.models import Stop


def list_stops(*, team_id: int) -> list[Stop]:
    """Return the team's stops, those that block first."""
    rows = Stop.objects.filter(team_id=team_id).order_by("scope")
    worst = {state: -n for n, state in enumerate(stops.STATES)}
    return sorted(rows, key=lambda row: worst[row.state])


def get_stop(*, team_id: int, scope: str) -> Stop:
    """Return the stop of a scope. Raises ``NotFound``, also for another team's."""
    row = Stop.objects.filter(team_id=team_id, scope=scope).first()
    if row is None:
        message = f"{scope} has no emergency stop; see GET /api/v1/risk/stops."
        raise NotFound(message, code="stop.not_found")
    return row


def blocking_among(scopes: Sequence[str]) -> list[str]:
    """Return the scopes whose emergency stop lets nothing be opened."""
    rows = Stop.objects.filter(scope__in=scopes, state__in=stops.BLOCKING).order_by("scope")
    return list(rows.values_list("scope", flat=True))


def list_blocking() -> list[str]:
    """Return every scope of every team whose emergency stop lets nothing be opened."""
    rows = Stop.objects.filter(state__in=stops.BLOCKING).order_by("scope")
    return list(rows.values_list("scope", flat=True))


def hold_blocking(scopes: Sequence[str]) -> list[str]:
    """Return the same, holding the stops until the caller's transaction ends.

    A stop that trips meanwhile waits, so an order is either before it or knows of it.
    """
    rows = Stop.objects.select_for_update().filter(scope__in=scopes).order_by("scope")
    return [row.scope for row in rows if row.state in stops.BLOCKING]


def watch_of(row: Stop) -> stops.Watch:
    """Return what the kernel has to know of a stop."""
    return stops.Watch(
        equity=row.equity,
        peak=row.peak,
        day_start=row.day_start,
        day=row.day,
        state=str(row.state),
        cause=row.cause,
        cool_until=row.cool_until,
    )


def stop_json(row: Stop) -> dict[str, Any]:
    """Return a stop as clients see it."""
    seen = watch_of(row)
    policy = stops.Policy(row.drawdown_limit, row.daily_loss_limit)
    return {
        "scope": row.scope,
        "state": str(row.state),
        "blocks": seen.blocks,
        "cause": row.cause,
        "equity": row.equity,
        "peak": row.peak,
        "day_start": row.day_start,
        "drawdown": seen.drawdown,
        "daily_loss": seen.daily_loss,
        "drawdown_limit": row.drawdown_limit,
        "daily_loss_limit": row.daily_loss_limit,
        "used": stops.used(seen, policy),
        "trips": row.trips,
        "tripped_at": row.tripped_at,
        "cool_until": row.cool_until,
        "updated_at": row.updated_at,
    }
