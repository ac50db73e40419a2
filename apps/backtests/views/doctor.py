"""The doctor's part of a run's page, fetched once its tab stands."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import selectors
from apps.backtests.forms.doctor import doctor_page
from apps.backtests.selectors.doctor import doctor_of
from apps.core.doors import permission, signed_in


@require_GET
@permission("team.read")
def doctor(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show what may be wrong with a run, all of it or what is of one severity."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    found = doctor_of(run, request.GET.get("severity", ""))
    return render(request, "backtests/_doctor.html", doctor_page(found))
