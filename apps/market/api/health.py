"""REST: health of data."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Status

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.market import charts, schemas, selectors, services
from apps.market.api.router import router

JSON = "application/json"


@router.get("/universes/{name}/health")
@permission("team.read")
def get_universe_health(request: HttpRequest, name: str) -> Any:
    """Show how whole the bars of a universe are: score, coverage, findings by kind, by symbol."""
    return selectors.universe_health(team_id=signed_in(request).team, name=name)


@router.get("/universes/{name}/health/map")
@permission("team.read")
def draw_gap_map(request: HttpRequest, name: str, compact: bool = False) -> Any:
    """Answer the gap map of a universe, symbols by time, as Plotly JSON."""
    found = selectors.gap_map(team_id=signed_in(request).team, name=name)
    return charts.gap_map(found, compact=compact)


@router.get("/universes/{name}/health/findings", response=Page[schemas.UniverseFindingOut])
@permission("team.read")
def list_findings(request: HttpRequest, name: str, query: Query[schemas.FindingQuery]) -> Any:
    """List what looks wrong in a universe, by symbol and time."""
    team_id = signed_in(request).team
    rows = selectors.list_findings(team_id=team_id, name=name, **query.dict())
    rows.sort(key=lambda item: (item["symbol"], item["at"], item["kind"]))
    return page(rows, request, order=("symbol", "at", "kind"))


@router.get("/universes/{name}/health/history", response=list[schemas.CheckupOut])
@permission("team.read")
def list_checkups(request: HttpRequest, name: str) -> Any:
    """List how the health of a universe went, the newest first."""
    return selectors.list_checkups(team_id=signed_in(request).team, name=name)


@router.post("/universes/{name}/health/check", response={202: schemas.Started})
@permission("data.write")
def check_universe(request: HttpRequest, name: str) -> Any:
    """Start judging the bars of a universe anew."""
    actor, now = signed_in(request), clock.now()
    job = services.start_recheck(actor=actor, universe=name, now=now)
    return Status(202, {"id": str(job.pk), "job": jobs.as_dict(job, now)})


@router.get("/instruments/{symbol}/health", response=schemas.SeriesHealthOut)
@permission("team.read")
def get_instrument_health(
    request: HttpRequest, symbol: str, query: Query[schemas.SeriesQuery]
) -> Any:
    """Show gaps and findings of an instrument's bars, with what people said about them."""
    team_id = signed_in(request).team
    return selectors.instrument_health(team_id=team_id, symbol=symbol, **query.dict())


@router.get("/instruments/{symbol}/health/bars")
@permission("team.read")
def list_bars_around(request: HttpRequest, symbol: str, query: Query[schemas.AroundQuery]) -> Any:
    """List the raw bars on either side of a moment."""
    team_id = signed_in(request).team
    found = selectors.bars_around(team_id=team_id, symbol=symbol, **query.dict())
    return selectors.around_dict(*found)


@router.get("/instruments/{symbol}/health/figure")
@permission("team.read")
def draw_bars_around(request: HttpRequest, symbol: str, query: Query[schemas.AroundQuery]) -> Any:
    """Answer the candles on either side of a moment as Plotly JSON."""
    team_id = signed_in(request).team
    panel, marked = selectors.bars_around(team_id=team_id, symbol=symbol, **query.dict())
    return charts.around(panel, marked)


@router.post("/instruments/{symbol}/health/acknowledge", response=schemas.SeriesHealthOut)
@permission("data.write")
def acknowledge_finding(request: HttpRequest, symbol: str, body: schemas.AcknowledgeIn) -> Any:
    """Say that a finding is a real event; it stays listed and weighs nothing."""
    actor, now = signed_in(request), clock.now()
    services.acknowledge(actor=actor, symbol=symbol, now=now, **body.dict())
    asked = body.dict(include={"dataset", "timeframe"})
    return selectors.instrument_health(team_id=actor.team, symbol=symbol, **asked)


@router.get("/instruments/{symbol}/provenance")
@permission("team.read")
def list_provenance(request: HttpRequest, symbol: str, query: Query[schemas.SeriesQuery]) -> Any:
    """List which batch each stretch of bars came from, the newest bars first."""
    team_id = signed_in(request).team
    return selectors.provenance_of(team_id=team_id, symbol=symbol, **query.dict())
