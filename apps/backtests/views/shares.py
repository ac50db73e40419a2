"""A run's sheet for people outside: no sign-in, read only, kept by nobody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.backtests import charts, forms
from apps.backtests.charts import sheets as drawn
from apps.backtests.selectors import shares
from apps.backtests.services.shares import open_share
from apps.core import clock
from apps.core.doors import permission

# Not found by searching, kept nowhere, and not told to where its links lead.
QUIET = {
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


@require_GET
@permission("public")
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """Show the sheet that a link opens."""
    address = request.META.get("REMOTE_ADDR", "")
    link = open_share(token=token, address=address, now=clock.now())
    sheet = shares.shared_sheet(link)
    figures = {
        "equity": charts.equity_figure(sheet["curves"]),
        "rolling": charts.rolling_figure(sheet["curves"]),
        "factors": drawn.factors_figure(sheet["factors"], sheet["curves"].subtitle),
    }
    context = {**sheet, **forms.shared_rows(sheet), "link": link, "figures": figures}
    response = render(request, "backtests/shared.html", context)
    for name, value in QUIET.items():
        response[name] = value
    return response
