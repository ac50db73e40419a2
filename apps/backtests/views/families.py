"""Pages of families: what was tried, what it adds up to."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests.selectors import holdouts as holdout_reads
from apps.backtests.selectors import trials as trial_reads
from apps.core.doors import permission, signed_in
from apps.core.rest import page


@require_GET
@permission("team.read")
def families(request: HttpRequest) -> HttpResponse:
    """List the families of trials, the most tried first."""
    found = trial_reads.list_family_rows(team_id=signed_in(request).team)
    return render(request, "backtests/families.html", {"families": found})


@require_GET
@permission("team.read")
def family(request: HttpRequest, family_id: int) -> HttpResponse:
    """Show a family: how much was tried, what it adds up to, its holdouts."""
    team = signed_in(request).team
    found = trial_reads.get_family(family_id, team)
    rows = trial_reads.list_entries(team_id=team, family=found.pk)
    entries = page(rows, request, limit=50, row=trial_reads.entry_row)
    marked = holdout_reads.list_holdouts(team_id=team, family=found).order_by("-created_at")
    every = trial_reads.list_family_rows(team_id=team)
    context = {
        "family": trial_reads.family_detail(found),
        "holdouts": [holdout_reads.holdout_row(row) for row in marked],
        "entries": entries["items"],
        "next": entries["next"],
        "others": [row for row in every if row["id"] != found.pk],
    }
    return render(request, "backtests/family.html", context)
