"""REST operations of ops."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from ninja import Router

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.market.selectors import storage
from apps.ops import selectors, services
from apps.ops.schemas import AlertOut

router = Router(tags=["ops"])


@router.get("/health/system")
@permission("team.read")
def get_health(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    """Return how every subsystem is."""
    now = clock.now()
    return selectors.as_dict(selectors.get_health(now), now)


@router.get("/health/storage")
@permission("team.read")
def get_storage(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    """Return how the server keeps bars: what of it is on, off, or not offered; last errors."""
    return storage.storage_as_dict(storage.get_storage())


@router.get("/health/history")
@permission("team.read")
def get_history(request: HttpRequest, hours: int = 24, name: str = "") -> dict[str, Any]:  # noqa: ARG001
    """Return samples of health, newest first."""
    since = clock.now() - timedelta(hours=min(max(hours, 1), 168))
    return {"items": selectors.list_history(since=since, name=name)}


@router.get("/alerts", response=list[AlertOut])
@permission("team.read")
def list_alerts(request: HttpRequest, open: bool = True, kind: str = "") -> Any:  # noqa: A002
    """Return the alerts of the team and of the whole lab, newest first."""
    team_id = signed_in(request).team
    return selectors.list_alerts(team_id=team_id, open_only=open, kind=kind)


@router.post("/alerts/{alert_id}/acknowledge", response=AlertOut)
@permission("team.read")
def acknowledge(request: HttpRequest, alert_id: int) -> Any:
    """Say that a person has seen the alert: the lab's need ops.manage, the team's data.write."""
    actor = signed_in(request)
    return services.acknowledge_alert(actor=actor, alert_id=alert_id, now=clock.now())
