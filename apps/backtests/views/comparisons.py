"""The page that puts runs beside each other."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import charts
from apps.backtests.charts.comparisons import overlay_figure
from apps.backtests.forms import comparisons as shapes
from apps.backtests.selectors import attributions, comparisons
from apps.core.doors import permission, signed_in


@require_GET
@permission("team.read")
def compare(request: HttpRequest) -> HttpResponse:
    """Show runs side by side: growth, figures with changes, what differs and what that made."""
    asked, team = shapes.asked_of(request.GET), signed_in(request).team
    runs = comparisons.runs_to_compare(
        asked["ids"], team, study=asked["study"], parents=asked["parents"]
    )
    curves = comparisons.curves_of_runs(runs)
    found = comparisons.comparison(runs, asked["base"], curves)
    lines = comparisons.lines_of(runs, common=asked["common"], curves=curves)
    params, values = comparisons.parallel_of(team, ids=",".join(r["id"] for r in found["runs"]))
    context = {
        "found": found,
        "asked": asked,
        "figure": overlay_figure(lines, **{k: asked[k] for k in ("drawdown", "log", "common")}),
        "parallel": charts.parallel_figure("sharpe", params, values) if len(values) else None,
        **shapes.tables(found),
        **_attribution(runs, found["base"]),
    }
    return render(request, "backtests/compare.html", context)


def _attribution(runs: list[Any], base: int) -> dict[str, Any]:
    """Two runs may be taken apart; the base comes first."""
    if len(runs) != 2:
        return {}
    one, two = (runs[base], runs[1 - base])
    row = attributions.find_attribution(one, two)
    told = attributions.attribution_of(row) if row else None
    return {
        "factors": attributions.factors_between(one, two),
        "attribution": shapes.attribution_table(told) if told else None,
    }
