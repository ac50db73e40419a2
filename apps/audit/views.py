"""Pages of audit: the trail, an event with its proof, a loss accepted."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.audit import forms, schemas, selectors
from apps.audit.services.reconciling import reconcile as reconcile_ledger
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.errors import LabError
from apps.core.rest import page

LAG_SECONDS = 5.0


@require_GET
@permission("audit.read")
def trail(request: HttpRequest) -> HttpResponse:
    """Show who did what, newest first, with each event's place in the tree."""
    team_id, form = signed_in(request).team, forms.TrailFilter(request.GET)
    rows = selectors.list_events(team_id=team_id, **form.asked())
    found = page(rows, request, limit=50, order=selectors.NEWEST, row=schemas.event_row)
    actors = selectors.list_actors(team_id)
    context = {
        "form": form,
        "events": found["items"],
        "next": found["next"],
        "labels": selectors.actor_labels({row["actor"] for row in found["items"]} | {*actors}),
        "actions": selectors.list_actions(team_id),
        "actors": actors,
        "export": form.query(),
        "head": selectors.head(),
        "lag_limit": LAG_SECONDS,
        "rollback": selectors.find_rollback(),
    }
    return render(request, "audit/trail.html", context)


@require_GET
@permission("audit.read")
def event(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """Show an event, what changed since the one before, its proof, and what checking came to."""
    team_id = signed_in(request).team
    found = selectors.get_event(event_id, team_id)
    detail, head = schemas.event_detail(found), selectors.head()
    before = selectors.find_previous(found)
    context = {
        "event": detail,
        "proof_data": schemas.proof_data(detail, head),
        "content": selectors.pretty(found),
        "before": before,
        "content_before": selectors.pretty(before) if before else "",
        "label": selectors.actor_labels({found.actor})[found.actor],
        "checks": selectors.check_event(event_id, team_id),
    }
    return render(request, "audit/event.html", context)


@require_POST
@permission("ops.manage")
def reconcile(request: HttpRequest) -> HttpResponse:
    """Accept that a restored backup lacks events, with a reason."""
    actor, reason = signed_in(request), request.POST.get("reason", "")
    try:
        reconcile_ledger(actor=actor, reason=reason, now=clock.now())
    except LabError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The loss is accepted and on record. Trading may be resumed.")
    return redirect("audit:trail")
