"""The part of a run's page that holds it against luck."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import forms, selectors
from apps.backtests.selectors.gauntlets import newest_of
from apps.core.doors import permission, signed_in


@require_GET
@permission("team.read")
def gauntlet(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Give the newest gauntlet of a run: its progress, its figures, or the way to ask for one."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    context = forms.gauntlet_part(str(run.pk), newest_of(run))
    return render(request, "backtests/_gauntlet_part.html", context)
