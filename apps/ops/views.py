"""Health for machines and the Operations page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django_prometheus.exports import ExportToDjangoView

from apps.core import clock
from apps.core.doors import PUBLIC, permission
from apps.core.errors import NotFound
from apps.ops import selectors
from apps.ops.kernel.health import worst

LOOPBACK = ("127.0.0.1", "::1")
HISTORY = timedelta(hours=24)


@permission(PUBLIC)
def live(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 a door takes the request
    """Tell that this process answers."""
    return JsonResponse({"status": "ok"})


@permission(PUBLIC)
def ready(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """Answer 200 when all processes serve, else 503 with what is missing."""
    now = clock.now()
    states = selectors.get_health(now, selectors.READY)
    status = 200 if worst(states) == "ok" else 503
    return JsonResponse(selectors.as_dict(states, now), status=status)


def _group(*names: str) -> Any:
    @permission(PUBLIC)
    def show(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
        """Answer with the states of one group of subsystems."""
        now = clock.now()
        return JsonResponse(selectors.as_dict(selectors.get_health(now, names), now))

    return show


system = _group(*selectors.CHECKS)
ai = _group("ai")
risk = _group("risk")
scheduler = _group("processes", "queues")
monitor = _group("data", "ledger")


@permission(PUBLIC)
def module(request: HttpRequest, name: str) -> JsonResponse:  # noqa: ARG001
    """Answer with one subsystem, or 404 with the names there are."""
    now = clock.now()
    try:
        state = selectors.get_module(name, now)
    except NotFound as error:
        return JsonResponse({"code": error.code, "detail": error.message}, status=404)
    return JsonResponse(selectors.as_dict([state], now)["modules"][0])


@permission(PUBLIC)
def history(request: HttpRequest) -> JsonResponse:
    """Answer with the samples of the last day, newest first."""
    name = request.GET.get("name", "")
    rows = selectors.list_history(since=clock.now() - HISTORY, name=name)
    return JsonResponse({"items": rows})


@permission(PUBLIC)
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with Prometheus metrics: to loopback in the lab, else by METRICS_TOKEN."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    by_token = settings.METRICS_TOKEN and constant_time_compare(token, settings.METRICS_TOKEN)
    near = settings.ENVIRONMENT != "prod" and request.META.get("REMOTE_ADDR") in LOOPBACK
    if not (by_token or near):
        return HttpResponseForbidden("Send METRICS_TOKEN as a bearer token.")
    answer: HttpResponse = ExportToDjangoView(request)
    return answer


@permission("team.read")
def operations(request: HttpRequest) -> HttpResponse:
    """Show health, processes, jobs and alerts."""
    now = clock.now()
    states = selectors.get_health(now)
    context = {
        "states": states,
        "status": worst(states),
        "processes": selectors.list_processes_seen(now),
        "alerts": selectors.list_alerts(team_id=request.actor.team, open_only=False, limit=20),  # type: ignore[attr-defined]
        "jobs": selectors.list_open_jobs(request.actor.team, now),  # type: ignore[attr-defined]
        "counts": selectors.job_counts(),
    }
    return render(request, "ops/operations.html", context)
