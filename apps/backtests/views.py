"""Pages of research: runs, the form for a new one, a tear sheet, comparison, sweeps."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import charts, forms, schemas, selectors
from apps.backtests.selectors import holdouts as holdout_reads
from apps.backtests.selectors import sweeps as sweep_reads
from apps.backtests.selectors import trials as trial_reads
from apps.core.doors import permission, signed_in
from apps.core.rest import page
from apps.market.selectors import list_universes
from apps.strategies.selectors import list_strategies
from apps.strategies.selectors.own import get_runnable, list_own
from apps.strategies.selectors.probes import find_probe


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
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show a run: progress while it is computed, then its tear sheet."""
    found = selectors.get_run(run_id, signed_in(request).team)
    detail = selectors.run_detail(found)
    if not found.is_done:
        return render(request, "backtests/waiting.html", {"run": detail, "job": found.job})
    table = forms.run_table(request.GET)
    listed = selectors.page_rows(found, table["name"], state=table["state"])
    rows = page(listed.index, request, limit=50, order=table["order"], row=listed.row)
    context = {
        "run": detail,
        "figure": charts.equity_figure(selectors.get_curves(found)),
        "headlines": forms.headlines(detail),
        "metrics": forms.metric_rows(detail),
        "tail": forms.tail_rows(detail),
        "months": selectors.monthly_rows(found),
        "table": table,
        "rows": [forms.table_cells(table, row) for row in rows["items"]],
        "next": rows["next"],
        "count": len(listed.index),
        "states": selectors.count_states(found),
        "symbols": selectors.symbols_traded(found),
        "version": found.version,
        "probe": find_probe(found.version_id, found.team_id),
        "trials": selectors.count_trials(found),
    }
    return render(request, "backtests/run.html", context)


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
def sweeps(request: HttpRequest) -> HttpResponse:
    """List the team's sweeps."""
    rows = selectors.list_sweeps(team_id=signed_in(request).team)
    found = page(rows, request, limit=50, row=selectors.sweep_row)
    context = {"sweeps": found["items"], "next": found["next"]}
    return render(request, "backtests/sweeps.html", context)


@require_GET
@permission("team.read")
def sweep(request: HttpRequest, sweep_id: UUID) -> HttpResponse:
    """Show a sweep: progress, its best combinations, pictures."""
    found = selectors.get_sweep(sweep_id, signed_in(request).team)
    detail, asked = selectors.sweep_detail(found), request.GET
    sort, status, params = (asked.get(n, "") for n in ("sort", "status", "params"))
    sort = sort or "-score"
    rows = selectors.list_trials(found, status=status, params=params)
    rows, order = selectors.sorted_trials(rows, sort)
    trials = page(rows, request, limit=50, order=order, row=selectors.trial_row)
    context = {
        "sweep": detail,
        "columns": forms.trial_columns(detail, sort),
        "trials": [forms.trial_cells(detail, row) for row in trials["items"]],
        "next": trials["next"],
        "swept": forms.swept(detail),
        "split": trial_reads.overfitting_of_sweep(found),
        "asked": {"sort": sort, "status": status, "params": params},
    }
    return render(request, "backtests/sweep.html", context)


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
def families(request: HttpRequest) -> HttpResponse:
    """List the families of trials, the most tried first."""
    found = trial_reads.list_family_rows(team_id=signed_in(request).team)
    return render(request, "backtests/families.html", {"families": found})


@require_GET
@permission("team.read")
def family(request: HttpRequest, family_id: int) -> HttpResponse:
    """Show a family: how much was tried, what it adds up to, its holdouts."""
    team = signed_in(request).team
    found = trial_reads.get_family(family_id, team)
    rows = trial_reads.list_entries(team_id=team, family=found.pk)
    entries = page(rows, request, limit=50, row=trial_reads.entry_row)
    marked = holdout_reads.list_holdouts(team_id=team, family=found).order_by("-created_at")
    every = trial_reads.list_family_rows(team_id=team)
    context = {
        "family": trial_reads.family_detail(found),
        "holdouts": [holdout_reads.holdout_row(row) for row in marked],
        "entries": entries["items"],
        "next": entries["next"],
        "others": [row for row in every if row["id"] != found.pk],
    }
    return render(request, "backtests/family.html", context)
