"""REST: quarantine and revisions."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Status

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.market import schemas, selectors, services
from apps.market.api.router import router


@router.get("/quarantine", response=Page[schemas.QuarantinedOut])
@permission("team.read")
def list_quarantined(request: HttpRequest, query: Query[schemas.QuarantineQuery]) -> Any:
    """List bars that were kept out, the newest first."""
    asked = query.dict(include={"status", "dataset", "symbol"})
    rows = selectors.list_quarantined(team_id=signed_in(request).team, **asked)
    return page(rows, request, limit=query.limit, row=selectors.quarantined_dict)


@router.post("/quarantine", response={201: list[schemas.QuarantinedOut]})
@permission("data.write")
def withdraw_bars(request: HttpRequest, body: schemas.WithdrawBarsIn) -> Any:
    """Take stored bars out of the data; they stay readable as of before."""
    actor, now = signed_in(request), clock.now()
    rows = services.withdraw(actor=actor, now=now, **body.dict())
    return Status(201, [selectors.quarantined_dict(row) for row in rows])


@router.post("/quarantine/{quarantined_id}/release", response=schemas.QuarantinedOut)
@permission("data.write")
def release_bar(request: HttpRequest, quarantined_id: int, body: schemas.ReleaseIn) -> Any:
    """Store a bar after all, as received or with corrected figures."""
    actor, now = signed_in(request), clock.now()
    row = services.release(actor=actor, quarantined_id=quarantined_id, now=now, **body.dict())
    return selectors.quarantined_dict(row)


@router.post("/quarantine/{quarantined_id}/drop", response=schemas.QuarantinedOut)
@permission("data.write")
def drop_bar(request: HttpRequest, quarantined_id: int, body: schemas.DropIn) -> Any:
    """Leave a bar out for good."""
    actor, now = signed_in(request), clock.now()
    row = services.drop(actor=actor, quarantined_id=quarantined_id, note=body.note, now=now)
    return selectors.quarantined_dict(row)


@router.get("/revisions", response=Page[schemas.RevisionOut])
@permission("team.read")
def list_revisions(request: HttpRequest) -> Any:
    """List the batches that changed stored bars, the newest first."""
    rows = selectors.list_revisions(team_id=signed_in(request).team)
    return page(rows, request, row=selectors.revision_dict)


@router.get("/revisions/{batch_id}/bars", response=schemas.RevisionBars)
@permission("team.read")
def list_revised_bars(
    request: HttpRequest, batch_id: int, query: Query[schemas.ChangesQuery]
) -> Any:
    """List the bars that a batch changed, before and after."""
    team_id = signed_in(request).team
    return selectors.revision_bars(team_id=team_id, batch_id=batch_id, **query.dict())
