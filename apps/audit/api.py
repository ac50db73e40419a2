"""REST operations of audit: the trail, an event with its proof, the signed head."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from apps.audit import schemas, selectors
from apps.audit.selectors import exports
from apps.audit.services import packing
from apps.audit.services.reconciling import reconcile
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page

router = Router(tags=["audit"])


@router.get("/audit", response=Page[schemas.EventOut])
@permission("audit.read")
def list_events(
    request: HttpRequest, asked: Query[schemas.EventFilter], paging: Query[Paging]
) -> Any:
    """List the team's events, newest first."""
    rows = selectors.list_events(team_id=signed_in(request).team, **asked.dict())
    return page(rows, request, limit=paging.limit, order=selectors.NEWEST, row=schemas.event_row)


@router.get("/audit/head", response=schemas.HeadOut)
@permission("audit.read")
def read_head(request: HttpRequest) -> Any:  # noqa: ARG001 a door takes the request
    """Return the newest signed head of the tree, and the key to check it with."""
    return selectors.head()


@router.get("/audit/consistency", response=schemas.ConsistencyOut)
@permission("audit.read")
def read_consistency(
    request: HttpRequest,  # noqa: ARG001 a door takes the request
    asked: Query[schemas.ConsistencyFilter],
) -> Any:
    """Return the proof that a signed head extends an older one; witnesses ask for it."""
    return selectors.get_consistency(asked.old, asked.new)


@router.get("/audit/evidence")
@permission("audit.export")
def read_evidence_of_period(
    request: HttpRequest, asked: Query[schemas.PeriodFilter]
) -> HttpResponse:
    """Return a sealed pack of the team's events of a period; taking it is recorded."""
    data, name = packing.export_period(
        actor=signed_in(request), since=asked.since, until=asked.until, now=clock.now()
    )
    return download(data, name, "application/zip")


@router.get("/audit/export")
@permission("audit.export")
def export_events(request: HttpRequest, asked: Query[schemas.ExportFilter]) -> HttpResponse:
    """Return the team's events as CSV, or as JSON lines with each event's proof."""
    data, name, media = exports.export_events(signed_in(request).team, asked.kind, asked.wanted())
    return download(data, name, media)


@router.post("/audit/reconcile", response={201: schemas.ReconciledOut})
@permission("ops.manage")
def reconcile_ledger(request: HttpRequest, body: schemas.ReconcileIn) -> Any:
    """Accept that a restored backup lacks events; trading may be resumed afterwards."""
    event = reconcile(actor=signed_in(request), reason=body.reason, now=clock.now())
    return Status(201, {"event": event})


@router.get("/audit/verify", response=schemas.VerifyOut)
@permission("audit.read")
def verify_event(request: HttpRequest, event: UUID) -> Any:
    """Check one event: its leaf, its place in the tree, the signature over the tree."""
    checks = selectors.check_event(event, signed_in(request).team)
    return {"ok": all(check.ok for check in checks), "event": event, "checks": checks}


@router.get("/audit/{uuid:event_id}", response=schemas.EventDetail)
@permission("audit.read")
def read_event(request: HttpRequest, event_id: UUID) -> Any:
    """Return an event with its inclusion proof."""
    event = selectors.get_event(event_id, signed_in(request).team)
    return schemas.event_detail(event)


def download(data: bytes, name: str, media: str) -> HttpResponse:
    """Return bytes as a file to keep."""
    answer = HttpResponse(data, content_type=media)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
