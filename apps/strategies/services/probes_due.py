"""Versions that nobody has probed yet are probed by and by, a few at a time."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from apps.core.actors import system
from apps.core.models import FINAL_STATES, Job
from apps.strategies.models import Probe, Strategy, StrategyVersion
from apps.strategies.selectors import view_of
from apps.strategies.services.probes import queue_probe

# So few wait or run at once that whatever people ask for never stands behind them for long.
MOST_OPEN = 3
# How many of the newest versions are looked at, and how often a probe whose worker was lost, or
# that broke off, is begun again.
NEWEST, MOST_TIMES = 2_000, 3
BROKEN_OFF = (Job.Status.LOST, Job.Status.FAILED)
# Its decisions stand in a request and not in the version: there is nothing to ask again.
NEVER = ("given",)


def probe_due_versions(*, now: datetime) -> int:
    """Queue probes of versions that have none, or whose probe broke off; return how many.

    What the team wrote is queued as it is stored; members of the library with other parameters
    come by here, so that storing one costs a run nothing.
    """
    room = MOST_OPEN - _open_probes().count()
    if room <= 0:
        return 0
    due = list(_due().order_by("-id").values_list("pk", flat=True)[:room])
    return sum(_probe_one(version_id, now) for version_id in due)


def _open_probes() -> QuerySet[Probe]:
    rows = Probe.objects.filter(finished_at__isnull=True, job__isnull=False)
    return rows.exclude(job__status__in=FINAL_STATES)


def _due() -> QuerySet[StrategyVersion]:
    """Return versions without a probe; a text that was never probed may not be let run yet."""
    newest = StrategyVersion.objects.order_by("-id").values("pk")[:NEWEST]
    mine = Probe.objects.filter(version_id=OuterRef("pk"))
    settled = mine.filter(~Q(job__status__in=BROKEN_OFF) | Q(finished_at__isnull=False))
    rows = StrategyVersion.objects.filter(pk__in=newest).exclude(strategy__plug__in=NEVER)
    rows = rows.annotate(times=Count("probes")).filter(~Exists(settled), times__lt=MOST_TIMES)
    return rows.filter(Q(times__gt=0) | ~Q(strategy__kind=Strategy.Kind.PYTHON))


def _probe_one(version_id: int, now: datetime) -> int:
    """Queue a version's probe unless another process has just done so."""
    with transaction.atomic():
        rows = StrategyVersion.objects.select_for_update(of=("self",), skip_locked=True)
        row = rows.select_related("strategy").filter(pk=version_id).first()
        if row is None or not _due().filter(pk=version_id).exists():
            return 0
        queue_probe(system("probe", row.team_id), view_of(row), now)
    return 1
