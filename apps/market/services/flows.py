"""Flows: ingestions that start by themselves at their hour, are tried again, and report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Invalid, LabError
from apps.core.models import Job
from apps.market.kernel.planning import next_time
from apps.market.models import Flow, IngestRun, IngestTask
from apps.market.selectors.ingests import get_flow
from apps.market.services import troubles
from apps.market.services.ingests import (
    Prepared,
    begin_ingest,
    own_dataset,
    prepare_ingest,
    retry_ingest,
)

log = structlog.get_logger(__name__)

NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
MOST_DUE = 50
RETRIES = 3
RETRY_AFTER = timedelta(minutes=10)
SHOWN = 20
FIELDS = ("section", "symbols", "timeframe", "start", "dataset", "mode")


def create_flow(
    *,
    actor: Actor,
    name: str,
    provider: str,
    section: str,
    at_utc: str,
    now: datetime,
    symbols: Sequence[str] = (),
    timeframe: str = "",
    start: str | None = None,
    dataset: str = "",
    weekdays: Sequence[int] = (),
) -> Flow:
    """Make a flow that fetches what is missing every day at an hour (UTC).

    Raises
    ------
    Invalid
        ``flow.name``, ``flow.time``, ``flow.weekdays``, and as ``start_ingest`` does.
    Conflict
        ``flow.exists``.
    """
    actor.require("data.write")
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name for a flow: use 2-63 of a-z, 0-9 and hyphens."
        raise Invalid(message, code="flow.name", details={"field": "name"})
    hour, days = _hour(at_utc), _weekdays(weekdays)
    prepared = prepare_ingest(
        team_id=actor.team,
        provider=provider,
        section=section,
        symbols=symbols,
        timeframe=timeframe,
        start=start,
        dataset=dataset,
        now=now,
    )
    request = {
        "section": section,
        "symbols": prepared.request["symbols"],
        "timeframe": prepared.request["timeframe"],
        "start": start,
        "dataset": prepared.dataset,
        "mode": "missing",
    }
    with transaction.atomic():
        own_dataset(actor=actor, name=prepared.dataset, section=prepared.section, now=now)
        row, made = Flow.objects.get_or_create(
            team_id=actor.team,
            name=name,
            defaults={
                "provider": provider,
                "request": request,
                "at_utc": hour,
                "weekdays": days,
                "next_at": next_time(hour, days, now),
                "created_at": now,
                "created_by": actor.label or actor.name,
            },
        )
        if not made:
            message = f"There is a flow {name} already; choose another name or delete that one."
            raise Conflict(message, code="flow.exists", details={"field": "name"})
        body = {**request, "provider": provider, "at_utc": at_utc, "weekdays": days}
        _record(actor, "flow.created", row, body, now)
    return row


def switch_flow(*, actor: Actor, name: str, is_on: bool, now: datetime) -> Flow:
    """Let a flow start by itself, or not."""
    actor.require("data.write")
    found = get_flow(team_id=actor.team, name=name)
    with transaction.atomic():
        row = Flow.objects.select_for_update().get(pk=found.pk)
        row.is_on = is_on
        row.next_at = next_time(row.at_utc, row.weekdays, now) if is_on else None
        row.save(update_fields=["is_on", "next_at"])
        _record(actor, "flow.switched", row, {"is_on": is_on}, now)
    return row


def delete_flow(*, actor: Actor, name: str, now: datetime) -> None:
    """Remove a flow; what it brought stays."""
    actor.require("data.write")
    row = get_flow(team_id=actor.team, name=name)
    with transaction.atomic():
        _record(actor, "flow.deleted", row, {"name": row.name}, now)
        troubles.over(**_trouble(row), now=now)
        row.delete()


def run_flow(*, actor: Actor, name: str, now: datetime) -> tuple[IngestRun, Job]:
    """Start a flow now; its hour stays as it is.

    Raises
    ------
    Conflict
        ``flow.running`` while its last run is not over.
    """
    actor.require("data.write")
    row = get_flow(team_id=actor.team, name=name)
    prepared = _prepare(row, now)
    with transaction.atomic():
        row = Flow.objects.select_for_update().get(pk=row.pk)
        if _is_running(row):
            message = f"Flow {name} is running; wait for its end or cancel it."
            raise Conflict(message, code="flow.running")
        run, job = begin_ingest(actor=actor, prepared=prepared, now=now, flow=row)
        _note_start(row, run, now)
        _record(actor, "flow.started", row, {"ingest_id": str(run.pk)}, now)
    return run, job


def run_flows(*, now: datetime) -> dict[str, int]:
    """Start the flows that are due, once each; try failed ones again; report those that ended.

    The lab's own periodic work. However many schedulers call it at once, a due flow starts once:
    its row is locked, and due no longer when the lock is free.
    """
    counts = {"started": 0, "retried": 0, "reported": 0}
    due = Flow.objects.filter(is_on=True, next_at__lte=now).order_by("next_at")[:MOST_DUE]
    for row in due:
        counts["started"] += _start_due(row, now)
    for row in Flow.objects.filter(report__status__in=("running", "retrying")):
        how = _settle(row, now)
        if how:
            counts[how] += 1
    return counts


def _start_due(row: Flow, now: datetime) -> int:
    actor = system("flows", row.team_id)
    try:
        prepared = _prepare(row, now)
    except LabError as error:
        return _note_refused(row, error, now)
    with transaction.atomic():
        held = _hold_due(row, now)
        if held is None:
            return 0
        held.next_at = next_time(held.at_utc, held.weekdays, now)
        if _is_running(held):
            held.save(update_fields=["next_at"])
            return 0
        run, _ = begin_ingest(actor=actor, prepared=prepared, now=now, flow=held)
        _note_start(held, run, now)
        _record(actor, "flow.started", held, {"ingest_id": str(run.pk)}, now)
    return 1


def _hold_due(row: Flow, now: datetime) -> Flow | None:
    """Lock the flow when it still is due and nobody else has it."""
    rows = Flow.objects.select_for_update(skip_locked=True)
    return rows.filter(pk=row.pk, is_on=True, next_at__lte=now).first()


def _prepare(row: Flow, now: datetime) -> Prepared:
    asked = {name: row.request[name] for name in FIELDS if name in row.request}
    return prepare_ingest(team_id=row.team_id, provider=row.provider, now=now, **asked)


def _is_running(row: Flow) -> bool:
    last = IngestRun.objects.filter(flow=row).order_by("-created_at").select_related("job").first()
    return last is not None and last.job is not None and not last.job.is_final


def _note_start(row: Flow, run: IngestRun, now: datetime) -> None:
    row.last_at = now
    row.report = {"status": "running", "ingest_id": str(run.pk), "retries": 0}
    row.save(update_fields=["last_at", "report", "next_at"])


def _note_refused(row: Flow, error: LabError, now: datetime) -> int:
    """Report a flow that could not even begin: the provider or its key refused."""
    with transaction.atomic():
        held = _hold_due(row, now)
        if held is None:
            return 0
        held.last_at, held.next_at = now, next_time(held.at_utc, held.weekdays, now)
        held.report = {
            "status": "failed",
            "at": now.isoformat(),
            "error": {"code": error.code, "message": error.message},
        }
        held.save(update_fields=["last_at", "next_at", "report"])
        _alert(held, now)
    return 0


def _settle(row: Flow, now: datetime) -> str:
    """Bring the report of a flow's last run up to date; tell what was done."""
    with transaction.atomic():
        rows = Flow.objects.select_for_update(skip_locked=True)
        held = rows.filter(pk=row.pk, report__status__in=("running", "retrying")).first()
        if held is None:
            return ""
        run_id = UUID(held.report["ingest_id"])
        run = IngestRun.objects.select_related("job", "dataset").filter(pk=run_id).first()
        if run is None or (run.job is not None and not run.job.is_final):
            return ""
        report = _report_of(run, held, now)
        if report["status"] != "done" and report["retries"] < RETRIES and not _is_cancelled(run):
            return _retry(held, run, report, now)
        held.report = report
        held.save(update_fields=["report"])
        _record(system("flows", held.team_id), "flow.ended", held, report, now)
        if report["status"] != "done":
            _alert(held, now)
        else:
            troubles.over(**_trouble(held), now=now)
    return "reported"


def _is_cancelled(run: IngestRun) -> bool:
    return run.job is not None and run.job.status == Job.Status.CANCELLED


def _retry(row: Flow, run: IngestRun, report: dict[str, Any], now: datetime) -> str:
    """Start what failed again when it is time; each time waits longer."""
    retries = report["retries"]
    ended = run.job.finished_at if run.job and run.job.finished_at else now
    if now < ended + RETRY_AFTER * (retries + 1):
        if row.report.get("status") != "retrying":
            row.report = {**report, "status": "retrying"}
            row.save(update_fields=["report"])
        return ""
    retry_ingest(actor=system("flows", row.team_id), ingest_id=run.pk, now=now)
    row.report = {**report, "status": "running", "retries": retries + 1}
    row.save(update_fields=["report"])
    return "retried"


def _report_of(run: IngestRun, row: Flow, now: datetime) -> dict[str, Any]:
    failed = run.tasks.filter(status=IngestTask.Status.FAILED).order_by("seq")
    n_failed = failed.count()
    job = run.job
    is_good = job is not None and job.status == Job.Status.DONE and not n_failed
    return {
        "status": "done" if is_good else "failed",
        "job": str(job.status) if job else "unknown",
        "at": now.isoformat(),
        "ingest_id": str(run.pk),
        "retries": row.report.get("retries", 0),
        "done": run.tasks.filter(status=IngestTask.Status.DONE).count(),
        "failed": n_failed,
        "rows_added": run.rows_added,
        "rows_changed": run.rows_changed,
        "error": job.error if job else None,
        "errors": {task.symbol: (task.error or {}).get("message", "") for task in failed[:SHOWN]},
    }


def _trouble(row: Flow) -> dict[str, Any]:
    return {"team_id": row.team_id, "kind": troubles.FLOW_FAILED, "subject": f"flow:{row.name}"}


def _alert(row: Flow, now: datetime) -> None:
    """Tell the team that a flow failed, in the trail and on its pages."""
    body = {"flow": row.name, "report": row.report}
    _record(system("flows", row.team_id), "flow.failed", row, body, now)
    error = row.report.get("error") or {}
    failed, done = row.report.get("failed", 0), row.report.get("done", 0)
    told = error.get("message") or f"{failed} of {failed + done} fetches failed"
    troubles.found(
        **_trouble(row),
        severity="warning" if done else "critical",
        title=f"Flow {row.name} failed{' in part' if done else ''}: {told}",
        advice="See its report on the page of ingestions; run it again when the cause is mended.",
        now=now,
    )
    events.emit(
        team_id=row.team_id,
        topic="alerts",
        kind="market.flow.failed",
        data={**body, "message": f"Flow {row.name} failed: {told}"},
    )


def _record(actor: Actor, action: str, row: Flow, body: dict[str, Any], now: datetime) -> None:
    audit.record(actor=actor, action=action, subject=f"flow:{row.pk}", body=body, now=now)


def _hour(text: str) -> time:
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        message = f"{text!r} is no hour of the day; write one in UTC such as 02:30."
        raise Invalid(message, code="flow.time", details={"field": "at_utc"})
    return found.replace(second=0, microsecond=0)


def _weekdays(days: Sequence[int]) -> list[int]:
    if any(day not in range(7) for day in days):
        message = f"Weekdays are numbers from 0 (Monday) to 6 (Sunday); {list(days)} are not."
        raise Invalid(message, code="flow.weekdays", details={"field": "weekdays"})
    return sorted(set(days))
