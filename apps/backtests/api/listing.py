"""REST operations of the table of runs: search, export, saved views."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Status

from apps.backtests import schemas, selectors, services
from apps.backtests.api.router import router
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page


@router.get("/backtests", response=Page[schemas.RunOut])
@permission("team.read")
def list_backtests(
    request: HttpRequest,
    paging: Query[Paging],
    asked: Query[schemas.RunFilter],
    sort: str = "-created_at",
) -> Any:
    """List the team's runs: searched, and sorted by a column (``-sharpe``: highest first).

    ``q`` is a search such as ``sharpe > 1.2 and params.fast >= 10 and tag:candidate``; ``sort`` is
    a column, ``metrics.NAME`` or ``params.NAME``.
    """
    team = signed_in(request).team
    rows = selectors.list_runs(team_id=team, **asked.dict())
    rows, order = selectors.sorted_runs(rows, sort)
    found = page(rows, request, limit=paging.limit, order=order, row=selectors.run_summary)
    return selectors.with_locks(found, team)


@router.get("/backtests/export", response=None)
@permission("team.read")
def export_backtests(
    request: HttpRequest,
    asked: Query[schemas.RunFilter],
    sort: str = "-created_at",
    columns: str = "",
) -> Any:
    """Export the runs that fit a search as CSV, in their order, at most 50,000.

    ``columns`` are comma-separated: ``title,sharpe,metrics.sortino,params.fast,tags.stage``.
    """
    chosen = selectors.read_columns(columns)
    rows = selectors.list_runs(team_id=signed_in(request).team, **asked.dict())
    rows, order = selectors.sorted_runs(rows, sort)
    text = selectors.export_runs(rows.order_by(*order), chosen)
    headers = {"Content-Disposition": 'attachment; filename="runs.csv"'}
    return HttpResponse(text, "text/csv; charset=utf-8", headers=headers)


@router.get("/backtests/views", response=list[schemas.ViewOut])
@permission("team.read")
def list_run_views(request: HttpRequest) -> Any:
    """List one's own saved views and those of the team."""
    rows = selectors.list_views(actor=signed_in(request)).order_by("is_shared", "name")
    return [selectors.view_row(view) for view in rows]


@router.post("/backtests/views", response={201: schemas.ViewOut})
@permission("team.read")
def create_run_view(request: HttpRequest, body: schemas.ViewIn) -> Any:
    """Keep a search with its order and columns under a name; sharing takes research.write."""
    made = services.save_view(actor=signed_in(request), now=clock.now(), **body.dict())
    return Status(201, selectors.view_row(made))


@router.put("/backtests/views/{view_id}", response=schemas.ViewOut)
@permission("team.read")
def change_run_view(request: HttpRequest, view_id: int, body: schemas.ViewIn) -> Any:
    """Change a saved view: one's own, or the team's with research.write."""
    made = services.save_view(
        actor=signed_in(request), view_id=view_id, now=clock.now(), **body.dict()
    )
    return selectors.view_row(made)


@router.delete("/backtests/views/{view_id}", response={204: None})
@permission("team.read")
def remove_run_view(request: HttpRequest, view_id: int) -> Any:
    """Remove a saved view: one's own, or the team's with research.write."""
    services.remove_view(actor=signed_in(request), view_id=view_id, now=clock.now())
    return Status(204, None)
