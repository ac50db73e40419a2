"""REST operations of dashboard."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from apps.core import clock
from apps.core.doors import permission
from apps.dashboard import selectors
from apps.dashboard.schemas import FrameOut, OverviewOut

router = Router(tags=["dashboard"])


@router.get("/dashboard/overview", response=OverviewOut)
@permission("team.read")
def get_overview(request: HttpRequest) -> Any:
    """Return the lab at a glance: accounts, feeds, data health, jobs, runs, what waits, health."""
    actor = request.actor  # type: ignore[attr-defined]
    return selectors.overview(actor=actor, now=clock.now())


@router.get("/dashboard/frame", response=FrameOut)
@permission("team.read")
def get_frame(request: HttpRequest) -> Any:
    """Return what the bars around every page count."""
    actor = request.actor  # type: ignore[attr-defined]
    return selectors.frame(actor=actor, now=clock.now())
