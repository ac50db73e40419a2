"""The page of one run: its tear sheet, and behind tabs what else there is to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import charts, forms, selectors
from apps.backtests.charts import plots
from apps.backtests.charts import sheets as drawn
from apps.backtests.kernel.naming import MEDIA
from apps.backtests.selectors import artifacts, mirrors, shares, sheets
from apps.backtests.selectors.results import near_row
from apps.core import clock
from apps.core.doors import permission, signed_in
from apps.core.errors import NotFound
from apps.core.rest import page
from apps.strategies.selectors.probes import find_probe

Context = dict[str, Any]


@require_GET
@permission("team.read")
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show a run: progress while it is computed, then the tab of it that was asked for."""
    found = selectors.get_run(run_id, signed_in(request).team)
    detail = selectors.run_detail(found)
    if not found.is_done:
        return render(request, "backtests/waiting.html", {"run": detail, "job": found.job})
    tabs = forms.run_tabs(request.GET, signed_in(request))
    more = SHOWN[tabs["name"]](found, detail, request)
    return render(request, "backtests/run.html", {"run": detail, "tabs": tabs, **more})


@require_GET
@permission("team.read")
def part(request: HttpRequest, run_id: UUID, name: str) -> HttpResponse:
    """Give a part of the page that is heavy to compute: ``holdings``, ``factors``, ``windows``."""
    found = selectors.get_done_run(run_id, signed_in(request).team)
    if name not in PARTS:
        message = f"There is no part {name!r}; there are {', '.join(PARTS)}."
        raise NotFound(message, code="run.part")
    return render(request, f"backtests/run/_{name}.html", PARTS[name](found))


def _holdings(found: Any) -> Context:
    told, says = sheets.holdings_of(found), selectors.subtitle_of(found)
    x = charts.times(told["ts"], found.result["timeframe"])
    return {
        "turnover": drawn.turnover_figure(told["months"], told["turnover"], says),
        "held": drawn.holdings_figure(x, told["held"], says),
        "largest": told["largest"],
    }


def _factors(found: Any) -> Context:
    told = sheets.regression_of(found)
    figure = drawn.factors_figure(told, selectors.subtitle_of(found))
    return {"found": told, "figure": figure, "terms": forms.factor_rows(told)}


PARTS: dict[str, Callable[[Any], Context]] = {
    "holdings": _holdings,
    "factors": _factors,
    "windows": sheets.windows_of,
}


def _sheet(found: Any, detail: Mapping[str, Any], _: HttpRequest) -> Context:
    return {
        "figure": charts.equity_figure(selectors.get_curves(found)),
        "headlines": forms.headlines(detail),
        "metrics": forms.metric_rows(detail),
        "tail": forms.tail_rows(detail),
        "months": selectors.monthly_rows(found),
    }


def _trades(found: Any, _: Mapping[str, Any], request: HttpRequest) -> Context:
    table = forms.run_table(request.GET)
    listed = selectors.page_rows(found, table["name"], state=table["state"])
    near = near_row(listed, request.GET.get("row", ""))
    rows = page(near.index, request, limit=50, order=table["order"], row=near.row)
    return {
        "table": table,
        "rows": [forms.table_cells(table, row) for row in rows["items"]],
        "next": rows["next"],
        "count": len(listed.index),
        "states": selectors.count_states(found),
        "symbols": selectors.symbols_traded(found),
    }


def _nothing(_: Any, __: Mapping[str, Any], ___: HttpRequest) -> Context:
    return {}


def _files(found: Any, _: Mapping[str, Any], __: HttpRequest) -> Context:
    return {
        "artifacts": artifacts.list_artifacts(found, plots.OFFERED),
        "mirrors": mirrors.list_mirrors(found),
        "endings": ", ".join(MEDIA),
        "choices": forms.share_choices(),
        **shares.shares_panel(found, clock.now()),
    }


def _propose(found: Any, _: Mapping[str, Any], __: HttpRequest) -> Context:
    return {
        "version": found.version,
        "probe": find_probe(found.version_id, found.team_id),
        "trials": selectors.count_trials(found),
    }


SHOWN: dict[str, Callable[[Any, Mapping[str, Any], HttpRequest], Context]] = {
    "sheet": _sheet,
    "trades": _trades,
    "risk": _nothing,
    "integrity": _nothing,
    "doctor": _nothing,
    "files": _files,
    "propose": _propose,
}
