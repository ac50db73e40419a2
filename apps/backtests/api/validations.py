"""REST operations of validations: walk-forwards, their folds, curves and pictures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Status

from apps.backtests import schemas, services
from apps.backtests.api.router import router
from apps.backtests.charts import validations as charts
from apps.backtests.selectors import validations
from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, Paging, page


@router.post("/validations", response={202: schemas.BacktestQueued})
@permission("research.write")
def create_validation(request: HttpRequest, body: schemas.ValidationIn) -> Any:
    """Queue a validation: parameters chosen on some bars and judged on others, fold by fold."""
    now = clock.now()
    asked, own = schemas.validation_terms(body)
    row, job = services.create_validation(actor=signed_in(request), request=asked, now=now, **own)
    return Status(202, {"job": jobs.as_dict(job, now), "id": str(row.pk)})


@router.get("/validations", response=Page[schemas.ValidationOut])
@permission("team.read")
def list_validations(
    request: HttpRequest, paging: Query[Paging], asked: Query[schemas.ValidationFilter]
) -> Any:
    """List the team's validations, newest first."""
    rows = validations.list_validations(team_id=signed_in(request).team, **asked.dict())
    return page(rows, request, limit=paging.limit, row=validations.validation_row)


@router.get("/validations/{validation_id}")
@permission("team.read")
def read_validation(request: HttpRequest, validation_id: UUID) -> Any:
    """Show a validation: what was asked, its folds, what it came to and what that is worth."""
    found = validations.get_validation(validation_id, signed_in(request).team)
    return validations.validation_detail(found)


@router.get("/validations/{validation_id}/curve")
@permission("team.read")
def read_validation_curve(request: HttpRequest, validation_id: UUID) -> Any:
    """Read the stitched out-of-sample curve by bar as columns, the naive one beside it."""
    found = validations.get_done_validation(validation_id, signed_in(request).team)
    return validations.curve_json(found)


@router.get("/validations/{validation_id}/figures/{name}")
@permission("team.read")
def draw_validation(request: HttpRequest, validation_id: UUID, name: str) -> Any:
    """Draw a part of a validation as a Plotly figure.

    ``curve``, ``folds``, ``degradation`` or ``stability`` of a walk-forward; ``paths``,
    ``sharpes``, ``splits`` or ``degradation`` of a combinatorial one.
    """
    found = validations.get_done_validation(validation_id, signed_in(request).team)
    return charts.figure_of(found.kind, name, found.result, validations.curve_of(found))


@router.get("/validations/{validation_id}/folds/export", response=None)
@permission("team.read")
def export_folds(request: HttpRequest, validation_id: UUID) -> Any:
    """Export the folds as CSV: windows, what was chosen, figures inside and outside."""
    found = validations.get_done_validation(validation_id, signed_in(request).team)
    content, name = validations.export_folds(found)
    return HttpResponse(
        content, "text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.post("/validations/{validation_id}/cancel")
@permission("research.write")
def cancel_validation(request: HttpRequest, validation_id: UUID) -> Any:
    """End it for good; folds that were begun stay counted."""
    made = services.cancel_validation(
        actor=signed_in(request), validation_id=validation_id, now=clock.now()
    )
    return validations.validation_detail(made)


@router.delete("/validations/{validation_id}", response={204: None})
@permission("research.write")
def archive_validation(request: HttpRequest, validation_id: UUID) -> Any:
    """Take a validation out of lists; it stays readable and counted."""
    services.archive_validation(
        actor=signed_in(request), validation_id=validation_id, now=clock.now()
    )
    return Status(204, None)
