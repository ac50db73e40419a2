"""REST operations of risk: reports, limits, breaches."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.risk import schemas, selectors, services

router = Router(tags=["risk"])


@router.get("/risk", response=Page[schemas.ReportOut])
@permission("team.read")
def list_reports(request: HttpRequest, query: Query[schemas.ReportQuery]) -> Any:
    """List risk reports, newest first."""
    rows = selectors.list_reports(team_id=signed_in(request).team, subject=query.subject)
    return page(rows, request, limit=query.limit, row=selectors.report_as_dict)


@router.post("/risk", response={201: schemas.ReportOut})
@permission("team.read")
def create_report(request: HttpRequest, body: schemas.ReportIn) -> Any:
    """Measure VaR and ES of return columns, and of their weighted sum; keeps the report."""
    actor, now = signed_in(request), clock.now()
    asked = body.dict(exclude={"returns"})
    row = services.create_report(
        actor=actor, subject="client", columns=body.returns, now=now, **asked
    )
    return Status(201, selectors.report_as_dict(row))


@router.get("/risk/limits", response=schemas.LimitsOut)
@permission("team.read")
def get_limits(request: HttpRequest, subject: str = "") -> Any:
    """Show the limits in force for the team, or for ``account:<id>``."""
    found = selectors.get_limits(team_id=signed_in(request).team, subject=subject)
    return selectors.limits_as_dict(found)


@router.put("/risk/limits", response={200: schemas.LimitsOut, 202: schemas.LimitsOut})
@permission("limits.write")
def set_limits(request: HttpRequest, body: schemas.LimitsIn) -> Any:
    """Set limits of the team, or of ``account:<id>``, as a new version.

    Limits that allow more than before are proposed (202, with ``proposal_id``): another person
    decides, and the answer shows what holds until then.
    """
    made = services.change_limits(actor=signed_in(request), now=clock.now(), **body.dict())
    shown = {**selectors.limits_as_dict(made.view), "proposal_id": made.proposal_id}
    return Status(202 if made.proposal_id else 200, shown)


@router.get("/risk/limits/versions", response=Page[schemas.LimitVersionOut])
@permission("team.read")
def list_limit_versions(request: HttpRequest, query: Query[schemas.ReportQuery]) -> Any:
    """List every version of a subject's own limits, newest first."""
    team = signed_in(request).team
    rows = selectors.list_limit_versions(team_id=team, subject=query.subject)
    return page(rows, request, limit=query.limit, order=("-version",))


@router.get("/risk/breaches", response=Page[schemas.BreachOut])
@permission("team.read")
def list_breaches(request: HttpRequest, query: Query[schemas.ReportQuery]) -> Any:
    """List refused orders and broken limits, newest first."""
    rows = selectors.list_breaches(team_id=signed_in(request).team, subject=query.subject)
    return page(rows, request, limit=query.limit)


@router.get("/risk/{int:report_id}", response=schemas.ReportOut)
@permission("team.read")
def get_report(request: HttpRequest, report_id: int) -> Any:
    """Show a risk report."""
    row = selectors.get_report(report_id, signed_in(request).team)
    return selectors.report_as_dict(row)
