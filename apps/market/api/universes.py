"""REST: universes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Status

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.market import schemas, selectors, services
from apps.market.api.router import router


@router.get("/universes", response=Page[schemas.UniverseOut])
@permission("team.read")
def list_universes(request: HttpRequest) -> Any:
    """List universes, each in its newest version."""
    found = selectors.list_universes(team_id=signed_in(request).team)
    rows = sorted(found, key=lambda universe: (universe.name, universe.id))
    return page(rows, request, order=("name", "id"))


@router.get("/universes/{name}", response=schemas.UniverseDetail)
@permission("team.read")
def get_universe(
    request: HttpRequest, name: str, version: int | None = None, as_of: str | None = None
) -> Any:
    """Show a universe, or its version at a time, with the health of its data."""
    team_id = signed_in(request).team
    found = selectors.get_universe(team_id=team_id, name=name, version=version, as_of=as_of)
    return {**asdict(found), "health": selectors.data_health(team_id=team_id, universe=found)}


@router.post("/universes", response={201: schemas.UniverseOut})
@permission("data.write")
def create_universe(request: HttpRequest, body: schemas.UniverseIn) -> Any:
    """Make a universe, or the next version of the one with this name."""
    actor, now = signed_in(request), clock.now()
    asked = body.dict(exclude={"rule"})
    rule = selectors.Rule(**body.rule.dict()) if body.rule else None
    return Status(201, services.create_universe(actor=actor, now=now, rule=rule, **asked))
