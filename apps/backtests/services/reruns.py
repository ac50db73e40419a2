"""Runs computed once more after bars they had read were revised."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.kernel.reports import Report, compute, summary
from apps.backtests.models import Rerun, Run
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, LabError
from apps.core.models import Job
from apps.market.selectors import get_revision, readers_of, teams_that_read
from apps.strategies.kernel.interface import inputs_of
from apps.strategies.selectors import get_strategy, get_version

AUTOMATIC = 50  # the newest runs; older ones are listed and computed when somebody asks
FIGURES = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "max_drawdown",
    "calmar",
    "win_rate",
)


def rerun_after(
    *, actor: Actor, batch_id: int, run_ids: Iterable[uuid.UUID | str], now: datetime
) -> Job:
    """Queue runs to be computed on the bars as they are known now; the runs stay as they are.

    Parameters
    ----------
    batch_id
        The batch that revised the bars; a run that was computed after it already is left out.

    Raises
    ------
    Conflict
        ``rerun.nothing_left`` when every run was computed, or is being computed, already.
    """
    actor.require("research.write")
    wanted = Run.objects.filter(
        team_id=actor.team, pk__in=[str(run_id) for run_id in run_ids], finished_at__isnull=False
    ).exclude(reruns__batch_id=batch_id)
    with transaction.atomic():
        rows = [
            Rerun(
                team_id=actor.team,
                run=run,
                batch_id=batch_id,
                before=_figures(run.result, run),
                created_at=now,
            )
            for run in wanted
        ]
        made = Rerun.objects.bulk_create(rows, ignore_conflicts=True)
        if not made:
            message = "Every run was computed on the revised bars already, or is waiting to be."
            raise Conflict(message, code="rerun.nothing_left")
        job = jobs.enqueue(
            actor=actor,
            kind="rerun",
            title=f"Compute {len(made)} runs on revised bars",
            task="backtests.rerun",
            queue="compute",
            payload={"batch_id": batch_id},
            subject=f"batch:{batch_id}",
            now=now,
        )
        Rerun.objects.filter(team_id=actor.team, batch_id=batch_id, job=None).update(job=job)
        body = {"runs": [str(row.run_id) for row in made]}
        record(
            actor=actor,
            action="backtests.rerun_started",
            subject=f"batch:{batch_id}",
            body=body,
            now=now,
        )
    return job


def rerun_readers(progress: jobs.Progress) -> dict[str, Any]:
    """Queue the newest runs that had read revised bars: of the owner team, or of all.

    Safe to repeat: runs that wait already are left out.
    """
    batch_id, team_id = progress.payload["batch_id"], progress.team_id
    teams = [team_id] if team_id is not None else teams_that_read(batch_id=batch_id)
    queued = sum(_rerun_of_team(team, batch_id, progress.now()) for team in teams)
    return {"batch_id": batch_id, "runs": queued}


def _rerun_of_team(team_id: int, batch_id: int, now: datetime) -> int:
    known = Run.objects.filter(
        pk__in=_readers(team_id, batch_id), archived_at=None, finished_at__isnull=False
    ).exclude(reruns__batch_id=batch_id)
    newest = list(known.order_by("-created_at").values_list("pk", flat=True)[:AUTOMATIC])
    if newest:
        actor = system("reruns", team_id)
        rerun_after(actor=actor, batch_id=batch_id, run_ids=newest, now=now)
    return len(newest)


def _readers(team_id: int, batch_id: int) -> list[str]:
    revision = get_revision(team_id=team_id, batch_id=batch_id)
    readers = readers_of(team_id=team_id, revision=revision)
    return [reader.key for reader in readers if reader.kind == "backtest"]


def rerun_left(*, actor: Actor, batch_id: int, now: datetime) -> Job:
    """Queue every run that read revised bars and was not computed since.

    Raises
    ------
    NotFound, Conflict
        ``revision.not_found``, ``rerun.nothing_left``.
    """
    actor.require("research.write")
    return rerun_after(
        actor=actor, batch_id=batch_id, run_ids=_readers(actor.team, batch_id), now=now
    )


def run_reruns(progress: jobs.Progress) -> dict[str, Any]:
    """Compute what a batch still waits for, a run at a time; safe to repeat."""
    batch_id = progress.payload["batch_id"]
    rows = Rerun.objects.filter(job_id=progress.job_id)
    total = rows.count()
    for row in rows.filter(finished_at=None).select_related("run").order_by("pk"):
        progress.tell(rows.exclude(finished_at=None).count(), total, row.run.title)
        _rerun(row, progress)
    failed = rows.filter(error__isnull=False).count()
    return {"batch_id": batch_id, "runs": total, "failed": failed}


def _rerun(row: Rerun, progress: jobs.Progress) -> None:
    try:
        report = _compute(row.run)
    except LabError as error:
        row.error = jobs.describe(error)
    else:
        row.data_digest = report.panel.digest
        asked = selectors.request_of(row.run)
        row.after = _figures(summary(report, asked, row.run.params), None)
        row.after["equity_final"] = float(report.result.equity[-1])
        row.after["trades"] = report.trade_figures["count"]
    with transaction.atomic():
        row.finished_at = progress.now()
        row.save(update_fields=["error", "data_digest", "after", "finished_at"])
        record(
            actor=system("reruns", row.team_id),
            action="backtest.rerun",
            subject=f"backtest:{row.run_id}",
            body={"batch": row.batch_id, "before": row.before, "after": row.after},
            now=row.finished_at,
        )


def _compute(run: Run) -> Report:
    """Compute the run on the bars as they are known now, whatever it was pinned to."""
    asked = replace(selectors.request_of(run), as_of=None)
    version = get_version(run.version_id, run.team_id)
    strategy = get_strategy(version.name, version.team_id)
    panel = selectors.panel_of(asked, run.team_id, inputs_of(strategy, version.params))
    benchmark = selectors.benchmark_of(asked, run.team_id, panel)
    return compute(panel, strategy, version.params, asked, benchmark=benchmark)


def _figures(result: dict[str, Any], run: Run | None) -> dict[str, Any]:
    figures = {name: result.get("metrics", {}).get(name) for name in FIGURES}
    if run is not None:
        figures |= {"equity_final": run.equity_final, "trades": run.trades}
    return figures
