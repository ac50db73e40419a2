"""REST operations of ops."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from ninja import Router

from apps.core import clock
from apps.core.doors import permission
from apps.ops import selectors, services
from apps.ops.schemas import AlertOut

router = Router(tags=["ops"])


@router.get("/health/system")
@permission("team.read")
def get_health(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    """Return how every subsystem is."""
    now = clock.now()
    return selectors.as_dict(selectors.get_health(now), now)


@router.get("/health/history")
@permission("team.read")
def get_history(request: HttpRequest, hours: int = 24, name: str = "") -> dict[str, Any]:  # noqa: ARG001
    """Return samples of health, newest first."""
    since = clock.now() - timedelta(hours=min(max(hours, 1), 168))
    return {"items": selectors.list_history(since=since, name=name)}


@router.get("/alerts", response=list[AlertOut])
@permission("team.read")
def list_alerts(request: HttpRequest, open: bool = True) -> Any:  # noqa: A002, ARG001
    """Return alerts, newest first."""
    return selectors.list_alerts(open_only=open)


@router.post("/alerts/{alert_id}/acknowledge", response=AlertOut)
@permission("ops.manage")
def acknowledge(request: HttpRequest, alert_id: int) -> Any:
    """Say that a person has seen the alert."""
    actor = request.actor  # type: ignore[attr-defined]
    return services.acknowledge_alert(actor=actor, alert_id=alert_id, now=clock.now())
