"""Pages of validations."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import selectors
from apps.backtests.forms import validations as forms
from apps.backtests.selectors import validations as reads
from apps.core.doors import permission, signed_in
from apps.core.rest import page

MOST_SWEEPS = 50


@require_GET
@permission("team.read")
def validations(request: HttpRequest) -> HttpResponse:
    """List the team's validations, with the form for a new one."""
    team, asked = signed_in(request).team, request.GET
    rows = reads.list_validations(team_id=team, kind=asked.get("kind", ""))
    found = page(rows, request, limit=50, row=reads.validation_row)
    begun = reads.begin_from(
        team_id=team, sweep_id=asked.get("sweep", ""), run_id=asked.get("run", "")
    )
    sweeps = selectors.list_sweeps(team_id=team).order_by("-created_at", "-id")[:MOST_SWEEPS]
    context = {
        "validations": found["items"],
        "next": found["next"],
        "form": forms.validation_form(begun, sweeps),
    }
    return render(request, "backtests/validations.html", context)


@require_GET
@permission("team.read")
def validation(request: HttpRequest, validation_id: UUID) -> HttpResponse:
    """Show a validation: progress while it is worked, then what it came to."""
    found = reads.get_validation(validation_id, signed_in(request).team)
    detail = reads.validation_detail(found)
    context = {
        "validation": detail,
        "job": found.job,
        "result": detail["result"],
        "headlines": forms.headlines(detail),
        "folds": forms.fold_cells(detail),
        "part": f"backtests/validations/_{found.kind}.html",
    }
    return render(request, "backtests/validation.html", context)
