"""Pages of many runs: the list, the form for a new one, a comparison, studies."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import charts, forms, schemas, selectors
from apps.backtests.selectors import sweeps as sweep_reads
from apps.core.doors import permission, signed_in
from apps.core.rest import page
from apps.market.selectors import list_universes
from apps.strategies.selectors import list_strategies
from apps.strategies.selectors.own import get_runnable, list_own


@require_GET
@permission("team.read")
def runs(request: HttpRequest) -> HttpResponse:
    """List the team's runs: filtered, sorted, to compare."""
    team, asked = signed_in(request).team, schemas.run_filter(request.GET)
    sort = request.GET.get("sort", "-created_at")
    rows = selectors.list_runs(team_id=team, **asked.dict())
    rows, order = selectors.sorted_runs(rows, sort)
    found = page(rows, request, limit=50, order=order, row=selectors.run_summary)
    context = {
        "runs": found["items"],
        "next": found["next"],
        "asked": asked,
        "columns": forms.columns(sort),
        "statuses": forms.STATUSES,
        "strategies": selectors.list_strategy_names(team_id=team),
        "studies": selectors.list_studies(team_id=team)[:200],
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
def compare(request: HttpRequest) -> HttpResponse:
    """Show runs side by side: growth, figures with changes, what differs."""
    found = selectors.runs_to_compare(request.GET.get("ids", ""), signed_in(request).team)
    result = selectors.comparison(found)
    context = {
        "found": result,
        "rows": forms.comparison_rows(result),
        "figure": charts.compare_figure([selectors.get_curves(run) for run in found]),
    }
    return render(request, "backtests/compare.html", context)


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
