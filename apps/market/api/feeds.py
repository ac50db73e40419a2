"""REST: replay feeds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.market import schemas, selectors, services
from apps.market.api.router import router


@router.get("/feeds", response=list[schemas.FeedOut])
@permission("team.read")
def list_feeds(request: HttpRequest) -> Any:  # noqa: ARG001
    """List the replay feeds."""
    return selectors.list_feeds()


@router.get("/feeds/{name}", response=schemas.FeedOut)
@permission("team.read")
def get_feed(request: HttpRequest, name: str) -> Any:  # noqa: ARG001
    """Show how a feed stands."""
    return selectors.feed_state(name)


@router.post("/feeds/{name}/pause", response=schemas.FeedOut)
@permission("ops.manage")
def pause_feed(request: HttpRequest, name: str) -> Any:
    """Pause a running feed."""
    return services.pause_feed(actor=signed_in(request), name=name, now=clock.now())


@router.post("/feeds/{name}/resume", response=schemas.FeedOut)
@permission("ops.manage")
def resume_feed(request: HttpRequest, name: str) -> Any:
    """Let a paused feed go on."""
    return services.resume_feed(actor=signed_in(request), name=name, now=clock.now())


@router.post("/feeds/{name}/restart", response=schemas.FeedOut)
@permission("ops.manage")
def restart_feed(request: HttpRequest, name: str, body: schemas.FeedRestart) -> Any:
    """Start a feed again from its first bar."""
    actor, now = signed_in(request), clock.now()
    speed = body.seconds_per_bar
    return services.restart_feed(actor=actor, name=name, now=now, seconds_per_bar=speed)
