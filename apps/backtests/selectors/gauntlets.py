"""Gauntlets: what runs came to against luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.backtests.kernel.integrity.gauntlet import KINDS
from apps.backtests.kernel.integrity.gauntlet_reports import gauntlet_file
from apps.backtests.models import Gauntlet, Run
from apps.core.errors import Conflict, NotFound
from apps.core.models import Job
from apps.strategies.selectors import get_strategy

OVER = (Job.Status.FAILED, Job.Status.CANCELLED)
DOLLARS = ("", "USD")


def find_gauntlet(run: Run, kinds: Sequence[str], worlds: int) -> Gauntlet | None:
    """Return the same gauntlet of a run, done or under way, if it was asked for."""
    rows = Gauntlet.objects.filter(
        run=run, kinds=list(kinds), worlds=worlds, run_digest=run.digest, job__isnull=False
    )
    rows = rows.exclude(job__status__in=OVER, finished_at__isnull=True)
    return rows.select_related("job").order_by("-created_at", "-id").first()


def get_gauntlet(gauntlet_id: UUID | str, team_id: int) -> Gauntlet:
    """Return a gauntlet of the team. Raises ``NotFound``, also for another team's."""
    rows = Gauntlet.objects.select_related("job", "run").filter(team_id=team_id)
    found = rows.filter(pk=gauntlet_id).first()
    if found is None:
        message = f"There is no gauntlet {gauntlet_id} in this team; see the page of its run."
        raise NotFound(message, code="gauntlet.not_found")
    return found


def get_done_gauntlet(gauntlet_id: UUID | str, team_id: int) -> Gauntlet:
    """Return a gauntlet that has a result. Raises ``Conflict`` while it has none."""
    found = get_gauntlet(gauntlet_id, team_id)
    if not found.is_done:
        message = f"The gauntlet {gauntlet_id} is {status_of(found)}; it has no figures yet."
        raise Conflict(message, code="gauntlet.not_done")
    return found


def list_gauntlets(run: Run) -> QuerySet[Gauntlet]:
    """Return a run's gauntlets, without the figures of every world."""
    rows = Gauntlet.objects.filter(run=run, team_id=run.team_id)
    return rows.select_related("job").defer("nulls")


def status_of(gauntlet: Gauntlet) -> str:
    """Return where its job stands."""
    if gauntlet.is_done:
        return "done"
    return str(gauntlet.job.status) if gauntlet.job else "lost"


def gauntlet_row(gauntlet: Gauntlet) -> dict[str, Any]:
    """Return a gauntlet as lists show it."""
    job = gauntlet.job
    return {
        "id": str(gauntlet.pk),
        "run": str(gauntlet.run_id),
        "kinds": gauntlet.kinds,
        "worlds": gauntlet.worlds,
        "status": status_of(gauntlet),
        "progress": round(job.progress, 4) if job and not gauntlet.is_done else 1.0,
        "note": job.note if job and not gauntlet.is_done else "",
        "job_id": str(gauntlet.job_id) if gauntlet.job_id else None,
        "null_p_value": gauntlet.null_p_value,
        "break_even_bps": gauntlet.break_even_bps,
        "capacity": gauntlet.capacity,
        "digest": gauntlet.digest,
        "error": job.error if job and not gauntlet.is_done else None,
        "created_by": gauntlet.created_by_label or gauntlet.created_by,
        "created_at": gauntlet.created_at,
        "finished_at": gauntlet.finished_at,
    }


def gauntlet_detail(gauntlet: Gauntlet) -> dict[str, Any]:
    """Return a gauntlet with everything it came to, but the figures of single worlds."""
    return {**gauntlet_row(gauntlet), "result": gauntlet.result}


def newest_of(run: Run) -> dict[str, Any] | None:
    """Return a run's newest gauntlet that was not ended before its time; None without one."""
    rows = list_gauntlets(run).order_by("-created_at", "-id")
    found = rows.first()
    return gauntlet_detail(found) if found else None


def luck_of(run: Run) -> dict[str, Any]:
    """Return the figures that a promotion reads: of all kinds together, the most worlds.

    A gauntlet of some kinds only says nothing here, so that none can be left out to please.
    """
    rows = list_gauntlets(run).filter(
        finished_at__isnull=False, run_digest=run.digest, kinds__len=len(KINDS)
    )
    found = rows.order_by("-worlds", "created_at", "id").first()
    if found is None:
        return {}
    figures = {"null_p_value": found.null_p_value, "break_even_bps": found.break_even_bps}
    if found.result["capacity"].get("currency", "") in DOLLARS:
        figures["capacity_usd"] = found.capacity
    return {name: value for name, value in figures.items() if value is not None}


def gauntlet(
    body: Mapping[str, Any], content: bytes, name: str, kinds: Sequence[str], worlds: int
) -> dict[str, Any]:
    """Return the gauntlet of a request on a file of bars, stored nowhere."""
    return gauntlet_file(body, content, name, get_strategy, kinds=kinds, n_worlds=worlds)
