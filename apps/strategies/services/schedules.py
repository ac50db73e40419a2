"""Scans that start by themselves."""

from __future__ import annotations

from datetime import datetime, time

from django.db import transaction

from apps.audit.services import record
from apps.core.actors import Actor, system
from apps.core.errors import Invalid, LabError
from apps.core.hooks import trouble_found, trouble_over
from apps.market.selectors import get_universe
from apps.strategies.kernel.schedules import next_time
from apps.strategies.models import ScanSchedule
from apps.strategies.selectors import signal_name
from apps.strategies.selectors.alerts import get_schedule
from apps.strategies.services.scans import create_scan

NOT_STARTED = "scan.not_started"
MOST_DUE = 20


def create_schedule(
    *,
    actor: Actor,
    universe: str,
    every: str,
    at_utc: str,
    now: datetime,
    strategies: list[str] | None = None,
) -> ScanSchedule:
    """Make a scan start by itself, every ``hour`` at the minute of ``at_utc`` or every ``day``.

    Raises ``NotFound`` for an unknown universe or strategy, ``Invalid`` for a time that can't be.
    """
    actor.require("research.write")
    found = get_universe(team_id=actor.team, name=universe)
    names = [signal_name(name, actor.team) for name in strategies or []]
    if every not in ScanSchedule.Every.values:
        message = f"every = {every!r}; a scan starts every hour or every day."
        raise Invalid(message, code="schedule.every", details={"field": "every"})
    at = _time(at_utc)
    with transaction.atomic():
        row = ScanSchedule.objects.create(
            team_id=actor.team,
            universe=found.name,
            strategies=names,
            every=every,
            at_utc=at,
            next_at=next_time(every, at, now),
            created_by=actor.name,
            created_by_label=actor.label,
            created_at=now,
        )
        _note(actor, "created", row, now)
    return row


def switch_schedule(*, actor: Actor, schedule_id: int, is_on: bool, now: datetime) -> ScanSchedule:
    """Let a scan start by itself, or not. Raises ``NotFound``."""
    actor.require("research.write")
    found = get_schedule(schedule_id, actor.team)
    with transaction.atomic():
        row = ScanSchedule.objects.select_for_update(of=("self",)).get(pk=found.pk)
        row.is_on = is_on
        row.next_at = next_time(row.every, row.at_utc, now) if is_on else None
        row.save(update_fields=["is_on", "next_at"])
        _note(actor, "switched", row, now)
    return row


def delete_schedule(*, actor: Actor, schedule_id: int, now: datetime) -> None:
    """Remove a schedule; its scans stay. Raises ``NotFound``."""
    actor.require("research.write")
    row = get_schedule(schedule_id, actor.team)
    with transaction.atomic():
        _note(actor, "deleted", row, now)
        _over(row, now)
        row.delete()


def run_schedules(*, now: datetime) -> int:
    """Start the scans that are due; return how many. One that is still refreshing is left to end.

    After a rest of the lab a scan starts once, not once for each time that was missed.
    """
    due = ScanSchedule.objects.filter(is_on=True, next_at__lte=now).order_by("next_at")
    return sum(_start(pk, now) for pk in list(due.values_list("pk", flat=True)[:MOST_DUE]))


def _start(schedule_id: int, now: datetime) -> int:
    with transaction.atomic():
        rows = ScanSchedule.objects.select_for_update(of=("self",), skip_locked=True)
        row = rows.select_related("last_scan").filter(pk=schedule_id, next_at__lte=now).first()
        if row is None:
            return 0
        row.next_at = next_time(row.every, row.at_utc, now)
        busy = row.last_scan is not None and row.last_scan.finished_at is None
        started = 0 if busy else _scan(row, now)
        row.save(update_fields=["next_at", "last_scan", "error"])
    return started


def _scan(row: ScanSchedule, now: datetime) -> int:
    actor = system("scanner", row.team_id)
    try:
        with transaction.atomic():
            row.last_scan, _ = create_scan(
                actor=actor, universe=row.universe, strategies=row.strategies, now=now
            )
    except LabError as error:
        row.error = error.message[:400]
        trouble_found.send(
            None,
            team_id=row.team_id,
            kind=NOT_STARTED,
            subject=f"scan_schedule:{row.pk}",
            severity="warning",
            title=f"The scan of {row.universe} did not start by itself"[:250],
            advice=f"{row.error} Change or delete it on the page Scanner."[:400],
            now=now,
        )
        return 0
    row.error = ""
    _over(row, now)
    return 1


def _over(row: ScanSchedule, now: datetime) -> None:
    subject = f"scan_schedule:{row.pk}"
    trouble_over.send(None, team_id=row.team_id, kind=NOT_STARTED, subject=subject, now=now)


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError as error:
        message = f"at_utc = {text!r}; hours and minutes are expected, such as 02:30."
        raise Invalid(message, code="schedule.time", details={"field": "at_utc"}) from error


def _note(actor: Actor, what: str, row: ScanSchedule, now: datetime) -> None:
    body = {
        "universe": row.universe,
        "strategies": row.strategies,
        "every": row.every,
        "at_utc": f"{row.at_utc:%H:%M}",
        "is_on": row.is_on,
    }
    subject = f"scan_schedule:{row.pk}"
    record(actor=actor, action=f"scan_schedule.{what}", subject=subject, body=body, now=now)
