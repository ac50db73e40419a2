"""Pages of the assistant: the forge, a search, a hypothesis."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.assistant import forms, selectors
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import page


@require_GET
@permission("team.read")
def forge(request: HttpRequest) -> HttpResponse:
    """Show the form for a search, the models there are, and the searches so far."""
    team, now = signed_in(request).team, clock.now()
    found = page(selectors.list_searches(team_id=team), request, limit=20)
    context = {
        "searches": selectors.with_jobs(found["items"], now),
        "next": found["next"],
        "fields": forms.search_fields(selectors.list_searchable(team)),
        "models": selectors.list_models(),
        "ready": selectors.configured_models(),
        "spent": selectors.spent_since(team_id=team, since=now - selectors.MONTH),
        "drafts": selectors.list_drafts(team_id=team, now=now),
        "accepted": selectors.list_hypotheses(team_id=team, status="accepted")[:20],
    }
    return render(request, "assistant/forge.html", context)


@require_GET
@permission("team.read")
def search(request: HttpRequest, search_id: int) -> HttpResponse:
    """Show a search: its progress, then its candidates with figures."""
    team, now = signed_in(request).team, clock.now()
    row = selectors.get_search(search_id, team)
    context = {
        "search": row,
        "job": selectors.with_jobs([row], now)[0]["job"],
        "hypotheses": selectors.list_hypotheses(team_id=team, search_id=search_id).order_by(
            "place"
        ),
        "usages": row.usages.order_by("id"),
    }
    return render(request, "assistant/search.html", context)


@require_GET
@permission("team.read")
def hypothesis(request: HttpRequest, hypothesis_id: int) -> HttpResponse:
    """Show a hypothesis: claim, reason, formula, figures beside the criteria, verdict."""
    team = signed_in(request).team
    row = selectors.get_hypothesis(hypothesis_id, team)
    context = {"hypothesis": row, "rows": forms.figure_rows(row)}
    return render(request, "assistant/hypothesis.html", context)
