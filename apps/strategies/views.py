"""Pages of strategies: the inventory, the library, a strategy, how two versions differ."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.rest import page
from apps.market.selectors import list_universes
from apps.strategies import charts, forms, selectors
from apps.strategies.selectors import alerts, history, probes, scans, signals


@require_GET
@permission("team.read")
def inventory(request: HttpRequest) -> HttpResponse:
    """Show the team's strategies with stage, tier and owner."""
    team, asked = signed_in(request).team, request.GET
    kind, text = asked.get("kind", ""), asked.get("text", "")
    rows = selectors.list_inventory(team_id=team, kind=kind, text=text)
    found = page(rows, request, limit=50)
    context = {
        "strategies": selectors.views_of(found["items"]),
        "in_force": history.approvals_in_force(
            team, [row.pk for row in found["items"]], clock.now()
        ),
        "next": found["next"],
        "kind": kind,
        "text": text,
        "kinds": forms.KINDS,
    }
    return render(request, "strategies/inventory.html", context)


@require_GET
@permission("team.read")
def library(request: HttpRequest) -> HttpResponse:
    """Show the library's strategies with parameters and sources."""
    return render(request, "strategies/library.html", {"specs": selectors.list_strategies()})


@require_GET
@permission("team.read")
def scanner(request: HttpRequest) -> HttpResponse:
    """Show a scan, the newest unless one is asked for, with its signals and the scans before."""
    team, asked = signed_in(request).team, forms.signal_filter(request.GET)
    context = selectors.scanner_page(team, request.GET.get("scan", ""))
    context |= {"asked": asked, "signals": [], **forms.scanner_choices(context["strategies"])}
    if context["scan"] is not None:
        rows, order = scans.wanted_rows(team, context["scan"].id, asked)
        found = page(rows, request, limit=100, order=order)
        shown = scans.with_consensus(team, context["scan"].id, found["items"])
        context |= {"signals": shown, "next": found["next"]}
    return render(request, "strategies/scanner.html", context)


@require_GET
@permission("team.read")
def signal_history(request: HttpRequest) -> HttpResponse:
    """Show what was wanted of a symbol at scan after scan."""
    asked = request.GET
    found = signals.history_page(
        signed_in(request).team, asked.get("symbol", ""), asked.get("strategy", "")
    )
    found["figure"] = charts.score_figure(found["symbol"], found["scored"])
    return render(request, "strategies/signal_history.html", found)


@require_GET
@permission("team.read")
def signal_alerts(request: HttpRequest) -> HttpResponse:
    """Show where messages about signals go, which are told, and what was sent."""
    team = signed_in(request).team
    context = alerts.alerts_page(team)
    context |= forms.alert_choices(list_universes(team_id=team))
    return render(request, "strategies/signal_alerts.html", context)


@require_GET
@permission("research.write")
def new(request: HttpRequest) -> HttpResponse:
    """Show the ways to a strategy of the team's own, and the form of one of the library."""
    plug = request.GET.get("plug", "")
    if plug == "expression":
        return redirect("strategies:expressions")
    return render(request, "strategies/new.html", forms.library_form(plug))


@require_GET
@permission("research.write")
def expressions(request: HttpRequest) -> HttpResponse:
    """Show the expression editor with a formula: a version's, a published one, or a first one."""
    found = selectors.expression_page(signed_in(request).team, request.GET.dict())
    return render(request, "strategies/expressions.html", forms.expression_form(found))


@require_GET
@permission("research.write")
def code(request: HttpRequest) -> HttpResponse:
    """Show the code editor with the text that a new strategy begins with."""
    context = forms.code_form(selectors.code_page(signed_in(request).team))
    return render(request, "strategies/editor.html", context)


@require_GET
@permission("research.write")
def edit(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Show the editor that fits a strategy, with its newest version."""
    team = signed_in(request).team
    kind = selectors.get_strategy_row(strategy_id, team).kind
    if kind == "expression":
        return redirect(f"{reverse('strategies:expressions')}?strategy={strategy_id}")
    if kind == "library":
        return redirect("strategies:strategy", strategy_id)
    context = forms.code_form(selectors.code_page(team, strategy_id))
    return render(request, "strategies/editor.html", context)


@require_GET
@permission("team.read")
def catalogue(request: HttpRequest) -> HttpResponse:
    """Show the published formulas, those with a text in them if one is given."""
    text = request.GET.get("text", "")
    context = {"text": text, "found": selectors.list_published(text)}
    return render(request, "strategies/catalogue.html", context)


@require_GET
@permission("team.read")
def strategy(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Show a strategy: its newest version, all versions, history, a form for the next."""
    team = signed_in(request).team
    shown = selectors.get_strategy_row(strategy_id, team)
    rows = selectors.list_versions(team_id=team, strategy_id=strategy_id)
    newest = shown.latest.name if shown.latest else shown.plug
    spec = selectors.get_strategy(newest, team).spec
    found = page(rows, request, limit=50, row=selectors.view_of)
    context = {
        "strategy": shown,
        "spec": spec,
        "versions": found["items"],
        "next": found["next"],
        "fields": forms.fields_of(spec, shown.latest.params if shown.latest else {}),
        "history": history.list_whole_history(strategy_id, team),
    }
    return render(request, "strategies/strategy.html", context)


@require_GET
@permission("team.read")
def version(request: HttpRequest, version_id: int) -> HttpResponse:
    """Show a version: parameters, source, digest, what happened to it."""
    team = signed_in(request).team
    found = selectors.get_version_detail(version_id, team)
    context = {
        "version": found,
        "spec": selectors.spec_of(found["strategy_id"], team, version_id),
        "reading": selectors.read_version(found),
        "others": selectors.list_versions(team_id=team, strategy_id=found["strategy_id"])[:20],
        "probe": probes.probe_block(found, team),
        "history": selectors.list_version_history(version_id, team),
    }
    return render(request, "strategies/version.html", context)


@require_GET
@permission("team.read")
def diff(request: HttpRequest, version_id: int, against: int) -> HttpResponse:
    """Show how a version differs from another."""
    if request.GET.get("against", "").isdecimal():
        return redirect("strategies:diff", version_id, int(request.GET["against"]))
    team, asked = signed_in(request).team, request.GET
    found = selectors.diff_versions(against, version_id, team, whole=asked.get("lines") == "all")
    context = {"diff": found, "is_unified": asked.get("view") == "unified"}
    rows = selectors.list_versions(team_id=team, strategy_id=found.after.strategy_id)
    context["others"] = rows[:200]
    return render(request, "strategies/diff.html", context)
