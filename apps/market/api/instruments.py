"""REST: instruments, their bars and datasets."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query

from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.market import charts, schemas, selectors
from apps.market.api.router import router

JSON = "application/json"


@router.get("/instruments", response=Page[schemas.InstrumentOut])
@permission("team.read")
def list_instruments(request: HttpRequest, query: Query[schemas.InstrumentQuery]) -> Any:
    """List instruments by symbol; the database writes the JSON."""
    body = selectors.instruments_json(team_id=signed_in(request).team, **query.dict())
    return HttpResponse(body, content_type=JSON)


@router.get("/instruments/{symbol}", response=schemas.InstrumentDetail)
@permission("team.read")
def get_instrument(
    request: HttpRequest, symbol: str, dataset: str = "", as_of: str | None = None
) -> Any:
    """Show an instrument with actions (also as they were known once), health and provenance."""
    team_id = signed_in(request).team
    return selectors.get_instrument(team_id=team_id, symbol=symbol, dataset=dataset, as_of=as_of)


@router.get("/instruments/{symbol}/figure")
@permission("team.read")
def draw_instrument(request: HttpRequest, symbol: str, query: Query[schemas.FigureQuery]) -> Any:
    """Answer the candles of an instrument, its dividends and splits, as Plotly JSON."""
    team_id = signed_in(request).team
    panel, found = selectors.instrument_bars(team_id=team_id, symbol=symbol, **query.dict())
    return charts.candlestick(panel, found.actions, currency=found.currency)


@router.get("/instruments/{symbol}/metrics/figure")
@permission("team.read")
def draw_metric(request: HttpRequest, symbol: str, query: Query[schemas.MetricFigureQuery]) -> Any:
    """Answer the figures of one kind of an instrument by time as Plotly JSON."""
    team_id = signed_in(request).team
    found = selectors.figure_points(team_id=team_id, symbol=symbol, **query.dict())
    return charts.metric(**found)


@router.get("/bars")
@permission("team.read")
def list_bars(request: HttpRequest, query: Query[schemas.BarsQuery]) -> Any:
    """List the bars of an instrument, as rows by cursor or as arrays."""
    asked = query.dict(exclude={"cursor", "limit", "format"})
    panel = selectors.bars_of(team_id=signed_in(request).team, **asked)
    if query.format == "arrays":
        return selectors.bar_arrays(panel)
    return page(selectors.bar_rows(panel), request, limit=query.limit, order=("ts",))


@router.get("/datasets", response=list[schemas.DatasetOut])
@permission("team.read")
def list_datasets(request: HttpRequest) -> Any:
    """List the team's datasets and the shared ones."""
    return selectors.list_datasets(team_id=signed_in(request).team)


@router.get("/providers")
@permission("team.read")
def list_providers(request: HttpRequest) -> Any:  # noqa: ARG001
    """List the providers that ingestion can ask."""
    return selectors.list_providers()


@router.get("/readers")
@permission("team.read")
def list_readers(request: HttpRequest, digest: str) -> Any:
    """List who read the data with a digest."""
    return selectors.list_readers(team_id=signed_in(request).team, digest=digest)
