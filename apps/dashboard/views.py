"""Pages of dashboard."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.core import clock
from apps.core.doors import permission
from apps.dashboard import selectors
from apps.dashboard.kernel import gallery as examples


@permission("team.read")
def home(request: HttpRequest) -> HttpResponse:
    """Show the lab at a glance."""
    actor = request.actor  # type: ignore[attr-defined]
    return render(request, "dashboard/home.html", selectors.overview(actor=actor, now=clock.now()))


@permission("team.read")
def gallery(request: HttpRequest) -> HttpResponse:
    """Show every part of the site in every state."""
    return render(request, "dashboard/gallery.html", examples.contents())
