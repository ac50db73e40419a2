"""REST operations of risk: reports, limits, breaches."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.risk import charts, schemas, selectors, services
from apps.risk.selectors import book_reports, overviews
from apps.risk.services.book_reports import ask_for_report

router = Router(tags=["risk"])


@router.get("/risk", response=Page[schemas.ReportOut])
@permission("team.read")
def list_reports(request: HttpRequest, query: Query[schemas.ReportQuery]) -> Any:
    """List risk reports, newest first."""
    rows = selectors.list_reports(team_id=signed_in(request).team, subject=query.subject)
    return page(rows, request, limit=query.limit, row=selectors.report_as_dict)


@router.post("/risk", response={201: schemas.ReportOut})
@permission("team.read")
def create_report(request: HttpRequest, body: schemas.ReportIn) -> Any:
    """Measure VaR and ES of return columns, and of their weighted sum; keeps the report."""
    actor, now = signed_in(request), clock.now()
    asked = body.dict(exclude={"returns"})
    row = services.create_report(
        actor=actor, subject="client", columns=body.returns, now=now, **asked
    )
    return Status(201, selectors.report_as_dict(row))


@router.get("/risk/live", response=schemas.LiveOut)
@permission("team.read")
def get_live(request: HttpRequest, subject: str = "") -> Any:
    """Show the risk of every account as it stands, and of all together, net; or of one."""
    return selectors.live_state(team_id=signed_in(request).team, subject=subject)


@router.post("/risk/what-if", response=schemas.WhatIfOut)
@permission("team.read")
def ask_what_if(request: HttpRequest, body: schemas.WhatIfIn) -> Any:
    """Show an account before and after orders, target weights or an open proposal.

    Exposure, VaR and ES with parts by position, the guard's verdict with every reason, and what
    the newest scenarios would take. Nothing is stored or sent.
    """
    team = signed_in(request).team
    return selectors.get_what_if(team_id=team, now=clock.now(), **body.dict())


@router.get("/risk/limits", response=schemas.LimitsOut)
@permission("team.read")
def get_limits(request: HttpRequest, subject: str = "") -> Any:
    """Show the limits in force for the team, ``account:<id>`` or ``strategy:<name>``."""
    found = selectors.get_limits(team_id=signed_in(request).team, subject=subject)
    return selectors.limits_as_dict(found)


@router.put("/risk/limits", response={200: schemas.LimitsOut, 202: schemas.LimitsOut})
@permission("limits.write")
def set_limits(request: HttpRequest, body: schemas.LimitsIn) -> Any:
    """Set limits of the team, ``account:<id>`` or ``strategy:<name>``, as a new version.

    Limits that allow more than before are proposed (202, with ``proposal_id``): another person
    decides, and the answer shows what holds until then.
    """
    made = services.change_limits(actor=signed_in(request), now=clock.now(), **body.dict())
    shown = {**selectors.limits_as_dict(made.view), "proposal_id": made.proposal_id}
    return Status(202 if made.proposal_id else 200, shown)


@router.get("/risk/limits/versions", response=Page[schemas.LimitVersionOut])
@permission("team.read")
def list_limit_versions(request: HttpRequest, query: Query[schemas.ReportQuery]) -> Any:
    """List every version of a subject's own limits, newest first."""
    team = signed_in(request).team
    rows = selectors.list_limit_versions(team_id=team, subject=query.subject)
    return page(rows, request, limit=query.limit, order=("-version",))


@router.get("/risk/breaches", response=Page[schemas.BreachOut])
@permission("team.read")
def list_breaches(request: HttpRequest, query: Query[schemas.ReportQuery]) -> Any:
    """List refused orders and broken limits, newest first."""
    rows = selectors.list_breaches(team_id=signed_in(request).team, subject=query.subject)
    return page(rows, request, limit=query.limit)


@router.get("/risk/stops", response=list[schemas.StopOut])
@permission("team.read")
def list_stops(request: HttpRequest) -> Any:
    """List the team's emergency stops, those that block first."""
    rows = selectors.list_stops(team_id=signed_in(request).team)
    return [selectors.stop_json(row) for row in rows]


@router.post("/risk/stops/resume", response={202: schemas.StopResumeOut})
@permission("trading.resume")
def resume_stop(request: HttpRequest, body: schemas.StopResumeIn) -> Any:
    """Propose to end an active emergency stop; a risk manager who is somebody else decides."""
    actor, now = signed_in(request), clock.now()
    made = services.propose_stop_resume(actor=actor, scope=body.scope, reason=body.reason, now=now)
    row = selectors.get_stop(team_id=actor.team, scope=body.scope)
    return Status(202, {**selectors.stop_json(row), "proposal_id": made.pk})


@router.get("/risk/stops/{scope}", response=schemas.StopOut)
@permission("team.read")
def get_stop(request: HttpRequest, scope: str) -> Any:
    """Show the emergency stop of ``account:<id>``, ``deployment:<id>`` or ``team:<id>``."""
    return selectors.stop_json(selectors.get_stop(team_id=signed_in(request).team, scope=scope))


@router.get("/risk/{int:report_id}", response=schemas.ReportOut)
@permission("team.read")
def get_report(request: HttpRequest, report_id: int) -> Any:
    """Show a risk report."""
    row = selectors.get_report(report_id, signed_in(request).team)
    return selectors.report_as_dict(row)


@router.get("/risk/grades", response=Page[schemas.GradeOut])
@permission("team.read")
def list_grades(request: HttpRequest, query: Query[schemas.ReportQuery]) -> Any:
    """List gradings of risk models, newest first, of one book if named."""
    rows = selectors.list_grades(team_id=signed_in(request).team, subject=query.subject)
    return page(rows.defer("series"), request, limit=query.limit, row=selectors.grade_as_dict)


@router.post("/risk/grades", response={202: schemas.GradingOut})
@permission("team.read")
def ask_for_grades(request: HttpRequest, body: schemas.SubjectIn) -> Any:
    """Grade every risk model on a book or run now, instead of tonight."""
    actor, now = signed_in(request), clock.now()
    job = services.ask_for_grades(actor=actor, subject=body.subject, now=now)
    return Status(202, {"job": jobs.as_dict(job, now)})


@router.get("/risk/grades/{int:grade_id}", response=schemas.GradeOut)
@permission("team.read")
def get_grade(request: HttpRequest, grade_id: int) -> Any:
    """Show a grading: every model, level and test with its p-value, and the tests' power."""
    return selectors.grade_as_dict(selectors.get_grade(grade_id, signed_in(request).team))


@router.get("/risk/grades/{int:grade_id}/series", response=schemas.GradeSeriesOut)
@permission("team.read")
def get_grade_series(request: HttpRequest, grade_id: int) -> Any:
    """Show the days that were graded with what every model told of them; empty for older ones."""
    return selectors.get_grade(grade_id, signed_in(request).team).series


@router.get("/risk/grades/{int:grade_id}/figure")
@permission("team.read")
def get_grade_figure(
    request: HttpRequest, grade_id: int, model: str = "", level: float = 0.99
) -> dict[str, Any]:
    """Draw returns, the VaR and ES told for them, and the exceptions."""
    row = selectors.get_grade(grade_id, signed_in(request).team)
    return charts.fan(**selectors.fan_of(row, model=model, level=level))


@router.get("/risk/scenarios", response=list[schemas.ScenarioOut])
@permission("team.read")
def list_scenarios(request: HttpRequest) -> Any:
    """List the team's scenarios in their newest version, by name."""
    return selectors.list_scenarios(team_id=signed_in(request).team)


@router.post("/risk/scenarios", response={201: schemas.ScenarioOut})
@permission("team.read")
def save_scenario(request: HttpRequest, body: schemas.ScenarioIn) -> Any:
    """Keep a table of shocks as a new version of its name."""
    actor, now = signed_in(request), clock.now()
    return Status(201, services.save_scenario(actor=actor, now=now, **body.dict()))


@router.get("/risk/scenarios/{int:scenario_id}", response=schemas.ScenarioOut)
@permission("team.read")
def get_scenario(request: HttpRequest, scenario_id: int) -> Any:
    """Show a version of a scenario."""
    return selectors.get_scenario(scenario_id, signed_in(request).team)


@router.get("/risk/scenarios/{int:scenario_id}/versions", response=list[schemas.ScenarioOut])
@permission("team.read")
def list_scenario_versions(request: HttpRequest, scenario_id: int) -> Any:
    """List every version of a scenario, newest first."""
    team = signed_in(request).team
    row = selectors.get_scenario(scenario_id, team)
    return list(selectors.scenario_versions(team_id=team, name=row.name))


@router.delete("/risk/scenarios/{int:scenario_id}", response=schemas.ScenarioOut)
@permission("team.read")
def archive_scenario(request: HttpRequest, scenario_id: int) -> Any:
    """Take a scenario off the list; its versions stay."""
    actor = signed_in(request)
    return services.archive_scenario(actor=actor, scenario_id=scenario_id, now=clock.now())


@router.get("/risk/stress")
@permission("team.read")
def stress_book(request: HttpRequest, query: Query[schemas.StressQuery]) -> dict[str, Any]:
    """Stress a book: past crises, scenarios, correlations that break, the smallest shock."""
    return selectors.stress_book(team_id=signed_in(request).team, **query.dict())


@router.post("/risk/stress")
@permission("team.read")
def try_shocks(request: HttpRequest, body: schemas.ShocksIn) -> dict[str, Any]:
    """Compute what a book would lose by a table of shocks that is not stored."""
    return selectors.try_shocks(team_id=signed_in(request).team, **body.dict())


@router.get("/risk/factors")
@permission("team.read")
def get_factors(request: HttpRequest, subject: str) -> dict[str, Any]:
    """Show a book's exposures to five factors and momentum, and its principal components."""
    return selectors.factors_of(team_id=signed_in(request).team, subject=subject)


@router.get("/risk/figures/{name}")
@permission("team.read")
def get_risk_figure(
    request: HttpRequest, name: Literal["fan", "components", "exceptions"], subject: str
) -> dict[str, Any]:
    """Draw a book's VaR ahead, its parts by position, or its returns with the exceptions."""
    found = overviews.figure_of(team_id=signed_in(request).team, subject=subject, name=name)
    return charts.book_figure(name, found)


@router.get("/risk/reports", response=Page[schemas.BookReportLine])
@permission("team.read")
def list_book_reports(request: HttpRequest, query: Query[schemas.ReportQuery]) -> Any:
    """List the reports for print, newest first, of one book if named."""
    rows = book_reports.list_book_reports(team_id=signed_in(request).team, subject=query.subject)
    return page(rows, request, limit=query.limit, row=book_reports.book_report_line)


@router.post("/risk/reports", response={202: schemas.ReportJobOut})
@permission("team.read")
def make_book_report(request: HttpRequest, body: schemas.SubjectIn) -> Any:
    """Write the report of an account, of all of them (``team:<id>``) or a run, as it stands now.

    The job's result names the report; the same figures are one report.
    """
    actor, now = signed_in(request), clock.now()
    job = ask_for_report(actor=actor, subject=body.subject, now=now)
    return Status(202, {"job": jobs.as_dict(job, now)})


@router.get("/risk/reports/{int:book_report_id}", response=schemas.BookReportOut)
@permission("team.read")
def get_book_report(request: HttpRequest, book_report_id: int) -> Any:
    """Show a report with every figure of its PDF."""
    row = book_reports.get_book_report(book_report_id, signed_in(request).team)
    return book_reports.book_report_as_dict(row)


@router.get("/risk/reports/{int:book_report_id}.pdf")
@permission("team.read")
def get_book_report_pdf(request: HttpRequest, book_report_id: int) -> HttpResponse:
    """Fetch a report as PDF."""
    row = book_reports.get_book_report(book_report_id, signed_in(request).team)
    name = book_reports.file_name(row)
    return HttpResponse(
        bytes(row.pdf),
        "application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
