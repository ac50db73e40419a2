"""Pages of many runs: the list, the form for a new one, a comparison, studies."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import forms, schemas, selectors
from apps.backtests.selectors import sweeps as sweep_reads
from apps.core.doors import permission, signed_in
from apps.core.rest import page
from apps.market.selectors import list_universes
from apps.strategies.selectors import list_strategies
from apps.strategies.selectors.own import get_runnable, list_own


@require_GET
@permission("team.read")
def runs(request: HttpRequest) -> HttpResponse:
    """List the team's runs: searched, sorted, with the columns chosen, to compare and mark."""
    actor, asked = signed_in(request), schemas.run_filter(request.GET)
    given = {**request.GET.dict(), "columns": ",".join(request.GET.getlist("columns"))}
    table = selectors.open_table(actor, given if request.GET else {}, asked.dict())
    found = page(
        table.rows,
        request,
        limit=50,
        order=table.order,
        row=lambda run: selectors.table_row(run, table.columns),
    )
    rows = selectors.with_locks(found, actor.team)["items"]
    context = {
        "table": table,
        "asked": asked,
        "runs": [{**row, "row": forms.run_cells(row, table.columns)} for row in rows],
        "next": found["next"],
        "count": table.rows.count(),
        "columns": forms.run_columns(table.columns, table.sort),
        "choices": forms.column_choices(selectors.columns_for(table.columns), table.columns),
        "statuses": forms.STATUSES,
        "strategies": selectors.list_strategy_names(team_id=actor.team),
        "studies": selectors.list_studies(team_id=actor.team).order_by("-created_at")[:200],
        "views": selectors.list_views(actor=actor).order_by("is_shared", "name"),
        "names": selectors.names_for(actor.team),
    }
    return render(request, "backtests/runs.html", context)


@require_GET
@permission("research.write")
def new(request: HttpRequest) -> HttpResponse:
    """Show the form for a new run, begun from a strategy, a version or another run."""
    team = signed_in(request).team
    asked = selectors.request_to_begin(
        team_id=team, strategy=request.GET.get("strategy", ""), run_id=request.GET.get("from", "")
    )
    places = list_universes(team_id=team)
    context = forms.new_run(list_strategies(), list_own(team), places, asked)
    return render(request, "backtests/new.html", context)


@require_GET
@permission("research.write")
def parameters(request: HttpRequest) -> HttpResponse:
    """Give the part of the form that holds the parameters of a strategy of the team's own."""
    found = get_runnable(request.GET.get("strategy", ""), signed_in(request).team)
    context = {"entry": forms.own_entry(found)}
    return render(request, "backtests/_parameters.html", context)


@require_GET
@permission("team.read")
def studies(request: HttpRequest) -> HttpResponse:
    """List the team's studies, and how often each strategy was tried."""
    team = signed_in(request).team
    found = page(selectors.list_studies(team_id=team), request, limit=50, row=selectors.study_row)
    context = {
        "studies": found["items"],
        "next": found["next"],
        "families": sweep_reads.list_families(team_id=team),
    }
    return render(request, "backtests/studies.html", context)


@require_GET
@permission("team.read")
def study(request: HttpRequest, study_id: int) -> HttpResponse:
    """Show a study: its runs, the best by its objective, notes."""
    team = signed_in(request).team
    found = selectors.get_study(study_id, team)
    rows = selectors.list_runs(team_id=team, study=found.name, archived=None)
    rows, order = selectors.sorted_runs(rows, request.GET.get("sort", "-sharpe"))
    listed = page(rows, request, limit=50, order=order, row=selectors.run_summary)
    context = {
        "study": selectors.study_detail(found),
        "notes": selectors.notes_of(found),
        "place": f"/studies/{found.pk}",
        "runs": selectors.with_locks(listed, team)["items"],
        "next": listed["next"],
        "objectives": forms.objectives(),
    }
    return render(request, "backtests/study.html", context)
