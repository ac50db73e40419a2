"""Pages of sweeps."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import forms, selectors
from apps.backtests.selectors import trials as trial_reads
from apps.core.doors import permission, signed_in
from apps.core.rest import page


@require_GET
@permission("team.read")
def sweeps(request: HttpRequest) -> HttpResponse:
    """List the team's sweeps."""
    rows = selectors.list_sweeps(team_id=signed_in(request).team)
    found = page(rows, request, limit=50, row=selectors.sweep_row)
    context = {"sweeps": found["items"], "next": found["next"]}
    return render(request, "backtests/sweeps.html", context)


@require_GET
@permission("team.read")
def sweep(request: HttpRequest, sweep_id: UUID) -> HttpResponse:
    """Show a sweep: progress, its best combinations, pictures."""
    found = selectors.get_sweep(sweep_id, signed_in(request).team)
    detail, asked = selectors.sweep_detail(found), request.GET
    sort, status, params = (asked.get(n, "") for n in ("sort", "status", "params"))
    sort = sort or "-score"
    rows = selectors.list_trials(found, status=status, params=params)
    rows, order = selectors.sorted_trials(rows, sort)
    trials = page(rows, request, limit=50, order=order, row=selectors.trial_row)
    context = {
        "sweep": detail,
        "columns": forms.trial_columns(detail, sort),
        "trials": [forms.trial_cells(detail, row) for row in trials["items"]],
        "next": trials["next"],
        "swept": forms.swept(detail),
        "split": trial_reads.overfitting_of_sweep(found),
        "asked": {"sort": sort, "status": status, "params": params},
    }
    return render(request, "backtests/sweep.html", context)
