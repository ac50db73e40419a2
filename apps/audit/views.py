"""Pages of audit: the trail, and an event with its proof."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.audit import forms, schemas, selectors
from apps.core.doors import permission, signed_in
from apps.core.rest import page


@require_GET
@permission("audit.read")
def trail(request: HttpRequest) -> HttpResponse:
    """Show who did what, newest first, with each event's place in the tree."""
    team_id, form = signed_in(request).team, forms.TrailFilter(request.GET)
    rows = selectors.list_events(team_id=team_id, **form.asked())
    found = page(rows, request, limit=50, order=selectors.NEWEST, row=schemas.event_row)
    context = {
        "form": form,
        "events": found["items"],
        "next": found["next"],
        "labels": selectors.actor_labels({row["actor"] for row in found["items"]}),
        "actions": selectors.list_actions(team_id),
        "head": selectors.head(),
    }
    return render(request, "audit/trail.html", context)


@require_GET
@permission("audit.read")
def event(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """Show an event, its proof, and what checking it came to."""
    team_id = signed_in(request).team
    found = selectors.get_event(event_id, team_id)
    detail, head = schemas.event_detail(found), selectors.head()
    context = {
        "event": detail,
        "proof_data": schemas.proof_data(detail, head),
        "content": selectors.pretty(found),
        "label": selectors.actor_labels({found.actor})[found.actor],
        "checks": selectors.check_event(event_id, team_id),
    }
    return render(request, "audit/event.html", context)
