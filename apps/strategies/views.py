"""Pages of strategies: the inventory, the library, a strategy, how two versions differ."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from apps.core.doors import permission, signed_in
from apps.core.rest import page
from apps.strategies import forms, selectors


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
    found = selectors.scanner_page(signed_in(request).team, request.GET.get("scan", ""))
    return render(request, "strategies/scanner.html", found)


@require_GET
@permission("research.write")
def new(request: HttpRequest) -> HttpResponse:
    """Show the form for a strategy of the team's own."""
    spec = selectors.get_strategy(request.GET.get("plug", "expression")).spec
    context = {"spec": spec, "fields": forms.fields_of(spec, {}), "language": forms.language()}
    return render(request, "strategies/new.html", context)


@require_GET
@permission("research.write")
def expressions(request: HttpRequest) -> HttpResponse:
    """Show the expression editor with a formula: a version's, a published one, or a first one."""
    found = selectors.expression_page(signed_in(request).team, request.GET.dict())
    return render(request, "strategies/expressions.html", forms.expression_form(found))


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
    spec = selectors.get_strategy(shown.plug).spec
    found = page(rows, request, limit=50, row=selectors.view_of)
    context = {
        "strategy": shown,
        "spec": spec,
        "versions": found["items"],
        "next": found["next"],
        "fields": forms.fields_of(spec, shown.latest.params if shown.latest else {}),
        "history": selectors.list_history(strategy_id, team),
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
        "spec": selectors.get_strategy(found["name"]).spec,
        "reading": selectors.read_version(found),
        "others": selectors.list_versions(team_id=team, strategy_id=found["strategy_id"])[:20],
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
    context["others"] = selectors.list_versions(team_id=team, strategy_id=found.after.strategy_id)
    return render(request, "strategies/diff.html", context)
