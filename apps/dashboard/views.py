"""Pages of dashboard."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.backtests import services as backtests
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.errors import LabError, NotFound
from apps.dashboard import selectors
from apps.dashboard.kernel import gallery as examples


@permission("team.read")
def home(request: HttpRequest) -> HttpResponse:
    """Show the lab at a glance."""
    actor = request.actor  # type: ignore[attr-defined]
    return render(request, "dashboard/home.html", selectors.overview(actor=actor, now=clock.now()))


@require_GET
@permission("team.read")
def blast_radius(request: HttpRequest, batch_id: int) -> HttpResponse:
    """Show who had read bars before a batch revised them, and what that changes."""
    found = selectors.blast_radius(team_id=signed_in(request).team, batch_id=batch_id)
    return render(request, "dashboard/blast_radius.html", found)


@require_POST
@permission("research.write")
def rerun(request: HttpRequest, batch_id: int) -> HttpResponse:
    """Compute every run left on the revised bars."""
    try:
        job = backtests.rerun_left(actor=signed_in(request), batch_id=batch_id, now=clock.now())
        messages.success(request, f"{job.title}: queued.")
    except LabError as error:
        messages.error(request, error.message)
    return redirect("dashboard:blast_radius", batch_id)


@permission("team.read")
def gallery(request: HttpRequest) -> HttpResponse:
    """Show every part of the site in every state; a team deployment has no use for it."""
    if settings.ENVIRONMENT == "prod":
        message = "The gallery is for who builds the site; a team deployment has none."
        raise NotFound(message, code="gallery.not_found")
    return render(request, "dashboard/gallery.html", examples.contents())
