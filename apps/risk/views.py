"""Pages of risk: the books with VaR, ES and limits; the limits themselves."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.errors import LabError
from apps.risk import forms, selectors, services


@require_GET
@permission("team.read")
def overview(request: HttpRequest) -> HttpResponse:
    """Show how bad it may get: books, limits with what is used of them, breaches."""
    team, subject = signed_in(request).team, request.GET.get("subject", "")
    view = selectors.get_limits(team_id=team, subject=subject)
    context = {
        "books": selectors.shown_books(team_id=team),
        "breaches": selectors.list_breaches(team_id=team)[:50],
        "reports": selectors.list_reports(team_id=team).filter(is_live=False)[:20],
        "limits": view,
        "rows": forms.rows_of(selectors.limits_as_dict(view)["limits"]),
        "restricted": ", ".join(sorted(view.limits.restricted)),
    }
    return render(request, "risk/overview.html", context)


@require_POST
@permission("limits.write")
def set_limits(request: HttpRequest) -> HttpResponse:
    """Set the limits of the team or of a book."""
    form, actor = forms.LimitsForm(request.POST), signed_in(request)
    if not form.is_valid():
        messages.error(request, forms.words_of(form))
        return redirect("risk:overview")
    try:
        made = services.change_limits(actor=actor, now=clock.now(), **form.asked())
        messages.success(request, forms.words_of_change(made.view.version, made.proposal_id))
    except LabError as error:
        messages.error(request, error.message)
    return redirect("risk:overview")
