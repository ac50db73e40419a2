"""The part of a run's page that tells what other orders of its trades come to."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import forms, selectors
from apps.backtests.selectors.reshuffles import reshuffled
from apps.core.doors import permission, signed_in
from apps.core.errors import LabError


@require_GET
@permission("team.read")
def monte_carlo(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Give the figures of one method, or why there are none."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    method = request.GET.get("method", "bars")
    try:
        found, why = reshuffled(run, method=method), ""
    except LabError as error:
        found, why = {}, error.message
    context = forms.reshuffled_part(str(run.pk), method, found, why)
    return render(request, "backtests/_monte_carlo_part.html", context)
