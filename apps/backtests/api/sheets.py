"""REST operations behind a tear sheet: intervals, factors, stretches, holdings, links."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from ninja import Query, Status

from apps.backtests import schemas, selectors
from apps.backtests.api.router import router
from apps.backtests.selectors import shares, sheets
from apps.backtests.services.shares import revoke_share, share_run
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page


@router.get("/backtests/{run_id}/intervals")
@permission("team.read")
def read_intervals(request: HttpRequest, run_id: UUID) -> Any:
    """Show the 95 % bootstrap interval of every figure: low, high, level, method, n.

    ``figures`` by the names of the metrics, ``tail`` by ``historical_95.var`` and the like,
    ``trades`` by the names of trade figures. The seed comes from the run's digest, so that the
    same run has the same intervals.
    """
    return sheets.intervals_of(selectors.get_done_run(run_id, signed_in(request).team))


@router.get("/backtests/{run_id}/factors")
@permission("team.read")
def read_factors(request: HttpRequest, run_id: UUID) -> Any:
    """Show the regression on five factors and momentum with Newey-West errors, or why not."""
    return sheets.regression_of(selectors.get_done_run(run_id, signed_in(request).team))


@router.get("/backtests/{run_id}/windows")
@permission("team.read")
def read_windows(request: HttpRequest, run_id: UUID) -> Any:
    """Show known crises within the run's dates, and its worst five drawdowns."""
    return sheets.windows_of(selectors.get_done_run(run_id, signed_in(request).team))


@router.get("/backtests/{run_id}/holdings")
@permission("team.read")
def read_holdings(request: HttpRequest, run_id: UUID) -> Any:
    """Show turnover by month, and the largest weights there were."""
    return sheets.holdings_json(selectors.get_done_run(run_id, signed_in(request).team))


@router.post("/backtests/{run_id}/shares", response={201: schemas.ShareMade})
@permission("research.write")
def create_share(request: HttpRequest, run_id: UUID, body: schemas.ShareIn) -> Any:
    """Make a link by which people outside read the run's sheet; its address is told this once."""
    now = clock.now()
    link, token = share_run(actor=signed_in(request), run_id=run_id, now=now, **body.dict())
    path = reverse("backtests:shared", args=[token])
    return Status(201, {**shares.share_row(link, now), "path": path})


@router.get("/backtests/{run_id}/shares", response=Page[schemas.ShareOut])
@permission("team.read")
def list_shares(request: HttpRequest, run_id: UUID, paging: Query[Paging]) -> Any:
    """List the links of a run, newest first, with how often each was looked at."""
    now = clock.now()
    rows = shares.list_shares(selectors.get_run(run_id, signed_in(request).team))
    return page(rows, request, limit=paging.limit, row=lambda link: shares.share_row(link, now))


@router.get("/shares/{share_id}/looks", response=Page[schemas.LookOut])
@permission("team.read")
def list_looks(request: HttpRequest, share_id: UUID, paging: Query[Paging]) -> Any:
    """List the looks at a shared sheet, newest first; of an address without its last part."""
    rows = shares.list_looks(shares.get_share(share_id, signed_in(request).team))
    return page(rows, request, limit=paging.limit, order=("-at", "-id"), row=shares.look_row)


@router.delete("/shares/{share_id}", response={204: None})
@permission("research.write")
def delete_share(request: HttpRequest, share_id: UUID) -> Any:
    """Call a link back: it opens nothing any more. The row and its looks stay."""
    revoke_share(actor=signed_in(request), share_id=share_id, now=clock.now())
    return Status(204, None)
