"""Pages of risk: the books with VaR, ES and limits; the limits themselves."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.errors import LabError
from apps.core.rest import page
from apps.risk import forms, selectors, services
from apps.risk.selectors import book_reports, overviews
from apps.risk.services.book_reports import ask_for_report
from apps.risk.services.report_mails import set_report_wish

# Refusals that a page of them shows.
BREACHES = 15


@require_GET
@permission("team.read")
def overview(request: HttpRequest) -> HttpResponse:
    """Show how bad it may get: one book at a glance; its heavy parts are fetched by the page."""
    team, subject = signed_in(request).team, request.GET.get("subject", "")
    context = overviews.overview_page(team_id=team, subject=subject)
    return render(request, "risk/overview.html", {**context, **forms.places_of(context)})


@require_GET
@permission("team.read")
def measures(request: HttpRequest) -> HttpResponse:
    """Show VaR and ES by every model that needs no fit, or the row of one that does."""
    asked = {name: request.GET.get(name, "") for name in ("subject", "method")}
    context = overviews.measures_page(team_id=signed_in(request).team, **asked)
    lone = asked["method"] and not context["why_not"]
    return render(request, f"risk/_{'measure_rows' if lone else 'measures'}.html", context)


@require_GET
@permission("team.read")
def worst(request: HttpRequest) -> HttpResponse:
    """Show the crises and scenarios that would cost a book most."""
    team, subject = signed_in(request).team, request.GET.get("subject", "")
    context = overviews.stress_summary(team_id=team, subject=subject)
    return render(request, "risk/_stress.html", context)


@require_GET
@permission("team.read")
def breaches(request: HttpRequest) -> HttpResponse:
    """Show a page of what was refused of a book, of one code if asked."""
    team, asked = signed_in(request).team, request.GET
    subject, code = asked.get("subject", ""), asked.get("code", "")
    found = overviews.breaches_page(team_id=team, subject=subject, code=code)
    shown = page(found["rows"], request, limit=BREACHES)
    context = {**found, **shown, "cursor": asked.get("cursor", "")}
    return render(request, "risk/_breaches.html", context)


@require_GET
@permission("team.read")
def limits(request: HttpRequest) -> HttpResponse:
    """Show the limits in force of the team, an account or a strategy, and set them."""
    team, subject = signed_in(request).team, request.GET.get("subject", "")
    view = selectors.get_limits(team_id=team, subject=subject)
    context = {
        "limits": view,
        "sets": selectors.list_sets(team_id=team),
        "rows": forms.rows_of(selectors.limits_as_dict(view)["limits"]),
        "restricted": ", ".join(sorted(view.limits.restricted)),
    }
    return render(request, "risk/limits.html", context)


@require_POST
@permission("limits.write")
def set_limits(request: HttpRequest) -> HttpResponse:
    """Set the limits of the team or of a book."""
    form, actor = forms.LimitsForm(request.POST), signed_in(request)
    if not form.is_valid():
        messages.error(request, forms.words_of(form))
        return redirect("risk:limits")
    try:
        made = services.change_limits(actor=actor, now=clock.now(), **form.asked())
        messages.success(request, forms.words_of_change(made.view.version, made.proposal_id))
    except LabError as error:
        messages.error(request, error.message)
    return redirect("risk:limits")


@require_GET
@permission("team.read")
def grades(request: HttpRequest) -> HttpResponse:
    """Show how every model did on every book, with the exceptions and what each test sees."""
    asked = {name: request.GET.get(name, "") for name in ("subject", "model")}
    context = selectors.grades_page(team_id=signed_in(request).team, **asked)
    return render(request, "risk/grades.html", context)


@require_POST
@permission("team.read")
def grade_now(request: HttpRequest) -> HttpResponse:
    """Queue the grading of a book now."""
    subject, actor = request.POST.get("subject", ""), signed_in(request)
    try:
        services.ask_for_grades(actor=actor, subject=subject, now=clock.now())
        messages.success(request, "The models are being graded; see Jobs.")
    except LabError as error:
        messages.error(request, error.message)
    return redirect("risk:grades")


@require_GET
@permission("team.read")
def stress(request: HttpRequest) -> HttpResponse:
    """Show what a book would lose: crises, scenarios, correlations, the smallest shock."""
    asked = forms.StressForm(request.GET).asked()
    context = selectors.stress_page(team_id=signed_in(request).team, **asked)
    shocks = context["edited"].shocks if context["edited"] else {}
    return render(request, "risk/stress.html", {**context, "table": forms.table_text(shocks)})


@require_POST
@permission("team.read")
def edit_scenario(request: HttpRequest) -> HttpResponse:
    """Keep a scenario as a new version, or try its table on a book."""
    form = forms.ScenarioForm(request.POST)
    if not form.is_valid():
        return _stress_with(request, error=forms.words_of(form))
    return _tried(request, form) if "try" in request.POST else _kept(request, form)


def _kept(request: HttpRequest, form: forms.ScenarioForm) -> HttpResponse:
    actor, now = signed_in(request), clock.now()
    try:
        row = services.save_scenario(actor=actor, now=now, **form.asked())
    except LabError as error:
        return _stress_with(request, error=error.message)
    messages.success(request, f"{row.title} is kept as version {row.version}.")
    about = urlencode({"subject": form.cleaned_data["subject"]})
    return redirect(f"{reverse('risk:stress')}?{about}")


def _tried(request: HttpRequest, form: forms.ScenarioForm) -> HttpResponse:
    team, subject = signed_in(request).team, form.cleaned_data["subject"]
    try:
        shocks = form.cleaned_data["table"]
        trial = selectors.try_shocks(team_id=team, subject=subject, shocks=shocks)
    except LabError as error:
        return _stress_with(request, error=error.message)
    return _stress_with(request, trial=trial)


def _stress_with(request: HttpRequest, **more: object) -> HttpResponse:
    """Show the page again with what was written, and what came of it."""
    team, subject = signed_in(request).team, request.POST.get("subject", "")
    context = selectors.stress_page(team_id=team, subject=subject)
    written = {"table": request.POST.get("table", ""), "given": request.POST}
    status = 422 if "error" in more else 200
    return render(request, "risk/stress.html", {**context, **written, **more}, status=status)


@require_POST
@permission("team.read")
def archive_scenario(request: HttpRequest, scenario_id: int) -> HttpResponse:
    """Take a scenario off the list; its versions stay."""
    actor, now = signed_in(request), clock.now()
    row = services.archive_scenario(actor=actor, scenario_id=scenario_id, now=now)
    messages.success(request, f"{row.title} is archived; its versions stay.")
    return redirect("risk:stress")


@require_GET
@permission("team.read")
def guard(request: HttpRequest) -> HttpResponse:
    """Show emergency stops, how much of each limit is used, which sets hold, what was refused."""
    return render(request, "risk/guard.html", selectors.guard_page(signed_in(request).team))


@require_POST
@permission("trading.resume")
def resume_stop(request: HttpRequest) -> HttpResponse:
    """Propose to end an emergency stop, with a reason."""
    form, actor = forms.StopForm(request.POST), signed_in(request)
    if not form.is_valid():
        messages.error(request, forms.words_of(form))
        return redirect("risk:guard")
    try:
        services.propose_stop_resume(actor=actor, now=clock.now(), **form.cleaned_data)
        messages.success(request, "Proposed; another risk manager decides: see Approvals.")
    except LabError as error:
        messages.error(request, error.message)
    return redirect("risk:guard")


@require_GET
@permission("team.read")
def reports(request: HttpRequest) -> HttpResponse:
    """Show the reports for print, who gets them by mail at night, and how the mails went."""
    actor, subject = signed_in(request), request.GET.get("subject", "")
    context = book_reports.reports_page(team_id=actor.team, user_id=actor.user_id, subject=subject)
    choices = overviews.list_choices(team_id=actor.team)
    return render(request, "risk/reports.html", {**context, "choices": choices})


@require_POST
@permission("team.read")
def make_report(request: HttpRequest) -> HttpResponse:
    """Queue the report of a book as it stands."""
    subject, actor = request.POST.get("subject", ""), signed_in(request)
    try:
        ask_for_report(actor=actor, subject=subject, now=clock.now())
        messages.success(request, "The report is being written; it appears here in a moment.")
    except LabError as error:
        messages.error(request, error.message)
    return redirect("risk:reports")


@require_POST
@permission("team.read")
def wish_report(request: HttpRequest) -> HttpResponse:
    """Keep whether who asks wants the nightly report by mail."""
    actor, is_wanted = signed_in(request), "wanted" in request.POST
    set_report_wish(actor=actor, is_wanted=is_wanted, now=clock.now())
    words = "You get the report every night." if is_wanted else "You get no nightly report."
    messages.success(request, words)
    return redirect("risk:reports")
