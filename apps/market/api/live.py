"""REST: live feeds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Status

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.market import schemas, selectors, services
from apps.market.api.router import router


@router.get("/live-feeds", response=list[schemas.LiveFeedOut])
@permission("team.read")
def list_live_feeds(request: HttpRequest) -> Any:
    """List the team's live feeds: how each stands, and what of it is stale."""
    return selectors.list_live_feeds(team_id=signed_in(request).team, now=clock.now())


@router.get("/live-feeds/{name}", response=schemas.LiveFeedOut)
@permission("team.read")
def get_live_feed(request: HttpRequest, name: str) -> Any:
    """Show how a live feed stands."""
    return selectors.get_live_feed(team_id=signed_in(request).team, name=name, now=clock.now())


@router.post("/live-feeds", response={201: schemas.LiveFeedOut})
@permission("ops.manage")
def create_live_feed(request: HttpRequest, body: schemas.LiveFeedIn) -> Any:
    """Make a live feed into a dataset of the team, and start it."""
    actor, now = signed_in(request), clock.now()
    return Status(201, services.create_live_feed(actor=actor, now=now, **body.dict()))


@router.post("/live-feeds/{name}/start", response=schemas.LiveFeedOut)
@permission("ops.manage")
def start_live_feed(request: HttpRequest, name: str) -> Any:
    """Start a live feed; gaps are filled first."""
    return services.start_live_feed(actor=signed_in(request), name=name, now=clock.now())


@router.post("/live-feeds/{name}/stop", response=schemas.LiveFeedOut)
@permission("ops.manage")
def stop_live_feed(request: HttpRequest, name: str) -> Any:
    """Stop a live feed."""
    return services.stop_live_feed(actor=signed_in(request), name=name, now=clock.now())


@router.delete("/live-feeds/{name}", response={204: None})
@permission("ops.manage")
def delete_live_feed(request: HttpRequest, name: str) -> Any:
    """Remove a live feed; its bars stay."""
    services.delete_live_feed(actor=signed_in(request), name=name, now=clock.now())
    return Status(204, None)
