"""REST operations of strategies: the library, the inventory, versions, expressions."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page
from apps.strategies import schemas, selectors, services

router = Router(tags=["strategies"])


@router.get("/library", response=list[schemas.MemberOut])
@permission("team.read")
def list_library(request: HttpRequest) -> Any:  # noqa: ARG001 a door takes the request
    """List the library's strategies with parameters and sources."""
    return selectors.list_strategies()


@router.get("/strategies", response=Page[schemas.StrategyOut])
@permission("team.read")
def list_strategies(
    request: HttpRequest, paging: Query[Paging], kind: str = "", text: str = ""
) -> Any:
    """List the team's strategies, newest first."""
    rows = selectors.list_inventory(team_id=signed_in(request).team, kind=kind, text=text)
    found = page(rows, request, limit=paging.limit)
    return {**found, "items": selectors.views_of(found["items"])}


@router.post("/strategies", response={201: schemas.VersionOut})
@permission("research.write")
def create_strategy(request: HttpRequest, body: schemas.StrategyIn) -> Any:
    """Store a strategy of the team's own; answers with its first version."""
    made = services.create_strategy(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(201, made)


@router.get("/strategies/{strategy_id}", response=schemas.StrategyOut)
@permission("team.read")
def read_strategy(request: HttpRequest, strategy_id: int) -> Any:
    """Show a strategy."""
    return selectors.get_strategy_row(strategy_id, signed_in(request).team)


@router.get("/strategies/{strategy_id}/versions", response=Page[schemas.VersionOut])
@permission("team.read")
def list_strategy_versions(request: HttpRequest, strategy_id: int, paging: Query[Paging]) -> Any:
    """List the versions of a strategy, newest first."""
    team = signed_in(request).team
    selectors.get_strategy_row(strategy_id, team)
    rows = selectors.list_versions(team_id=team, strategy_id=strategy_id)
    return page(rows, request, limit=paging.limit, row=selectors.view_of)


@router.post("/strategies/{strategy_id}/versions", response={201: schemas.VersionOut})
@permission("research.write")
def create_version(request: HttpRequest, strategy_id: int, body: schemas.VersionIn) -> Any:
    """Store a new version of a strategy."""
    made = services.create_version(
        actor=signed_in(request), strategy_id=strategy_id, now=clock.now(), **body.dict()
    )
    return Status(201, made)


@router.get("/versions", response=Page[schemas.VersionOut])
@permission("team.read")
def list_versions(request: HttpRequest, paging: Query[Paging], stage: str = "") -> Any:
    """List the team's versions, newest first, at one stage if given."""
    rows = selectors.list_versions(team_id=signed_in(request).team, stage=stage)
    return page(rows, request, limit=paging.limit, row=selectors.view_of)


@router.post("/versions", response=schemas.VersionOut)
@permission("research.write")
def ensure_version(request: HttpRequest, body: schemas.EnsureIn) -> Any:
    """Return the version that is exactly this strategy with these parameters; made if need be."""
    return services.ensure_version(
        actor=signed_in(request),
        name=str(body.strategy),
        params=body.params,
        note=body.note,
        now=clock.now(),
    )


@router.get("/versions/{version_id}", response=schemas.VersionDetail)
@permission("team.read")
def read_version(request: HttpRequest, version_id: int) -> Any:
    """Show a version with its source text."""
    return selectors.get_version_detail(version_id, signed_in(request).team)


@router.get("/versions/{version_id}/diff", response=schemas.DiffOut)
@permission("team.read")
def diff_versions(request: HttpRequest, version_id: int, against: int) -> Any:
    """Show how ``version_id`` differs from the version ``against``."""
    return selectors.diff_versions(against, version_id, signed_in(request).team)


@router.post("/versions/{version_id}/compare", response=schemas.UnsavedDiffOut)
@permission("team.read")
def compare_unsaved(request: HttpRequest, version_id: int, body: schemas.UnsavedIn) -> Any:
    """Show how a text that was not saved differs from a version."""
    return selectors.diff_unsaved(version_id, signed_in(request).team, body.source, body.params)


@router.post("/expressions/check", response=schemas.ExpressionOut)
@permission("team.read")
def check_expression(request: HttpRequest, body: schemas.ExpressionIn) -> Any:  # noqa: ARG001
    """Read a formula: its tree, words, lookback, unit, fields; or an error with its column."""
    return selectors.read_expression(body.expression)


@router.post("/expressions/preview", response=schemas.PreviewOut)
@permission("team.read")
def preview_expression(request: HttpRequest, body: schemas.PreviewIn) -> Any:
    """Show what a formula says of a universe: values over time, rank IC, turnover, coverage."""
    return selectors.preview_expression(team_id=signed_in(request).team, **body.dict())


@router.get("/expressions/operators", response=list[schemas.OperatorOut])
@permission("team.read")
def list_operators(request: HttpRequest) -> Any:  # noqa: ARG001
    """List every name of the language, with how it is written and what it means."""
    return selectors.list_operators()


@router.post("/scans", response={202: schemas.ScanStarted})
@permission("research.write")
def create_scan(request: HttpRequest, body: schemas.ScanIn) -> Any:
    """Ask every strategy about every symbol of a universe."""
    now = clock.now()
    row, job = services.create_scan(actor=signed_in(request), now=now, **body.dict())
    return Status(202, {"id": row.pk, "job": jobs.as_dict(job, now)})


@router.get("/scans", response=Page[schemas.ScanOut])
@permission("team.read")
def list_scans(request: HttpRequest, paging: Query[Paging], universe: str = "") -> Any:
    """List the team's scans, newest first."""
    rows = selectors.list_scans(team_id=signed_in(request).team, universe=universe)
    found = page(rows, request, limit=paging.limit)
    return {**found, "items": selectors.scan_views(found["items"])}


@router.get("/scans/{scan_id}", response=schemas.ScanOut)
@permission("team.read")
def read_scan(request: HttpRequest, scan_id: int) -> Any:
    """Show a scan and how far it is."""
    return selectors.get_scan(scan_id, signed_in(request).team)


@router.get("/scans/{scan_id}/readings", response=Page[schemas.SignalOut])
@permission("team.read")
def list_scan_readings(request: HttpRequest, scan_id: int, paging: Query[Paging]) -> Any:
    """List all a scan read by symbol, also what is refused and what nothing is wanted of."""
    team = signed_in(request).team
    selectors.get_scan(scan_id, team)
    rows = selectors.list_readings(team_id=team, scan_id=scan_id)
    return page(rows, request, limit=paging.limit, order=("symbol", "strategy"))


@router.get("/scans/{scan_id}/consensus", response=list[schemas.ConsensusOut])
@permission("team.read")
def list_scan_consensus(request: HttpRequest, scan_id: int) -> Any:
    """List how many strategies want each symbol of a scan."""
    team = signed_in(request).team
    selectors.get_scan(scan_id, team)
    return selectors.list_consensus(team_id=team, scan_id=scan_id)


@router.get("/signals/recent", response=Page[schemas.SignalOut])
@permission("team.read")
def list_recent_signals(
    request: HttpRequest,
    paging: Query[Paging],
    strategy: str = "",
    symbol: str = "",
    min_score: float | None = None,
    scan: int | None = None,
) -> Any:
    """List what strategies want by the newest scans, with scores; the latest turn first."""
    rows = selectors.list_signals(
        team_id=signed_in(request).team,
        scan_id=scan,
        strategy=strategy,
        symbol=symbol,
        min_score=min_score,
    )
    return page(rows, request, limit=paging.limit, order=("-signal_at", "-id"))


@router.get("/expressions/catalogue", response=list[schemas.PublishedOut])
@permission("team.read")
def list_published(request: HttpRequest, text: str = "") -> Any:  # noqa: ARG001
    """List the published formulas, those with ``text`` in name, formula or notes if given."""
    return selectors.list_published(text)
