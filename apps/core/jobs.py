"""Long work that survives: stored first, queued on commit, leased while it runs.

A job row is the truth; Celery only wakes workers. A claim carries the attempt number as a fencing
token: a worker whose lease lapsed can no longer write. ``sweep`` publishes what a lost queue
forgot and hands on what a killed worker held.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import current_app
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q

from apps.core import clock, events, tenancy
from apps.core.actors import Actor
from apps.core.errors import Conflict, LabError, NotFound, Unavailable
from apps.core.models import FINAL_STATES, Job

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=20)
HEARTBEAT_SECONDS = 5.0
REPUBLISH_AFTER = timedelta(seconds=30)
DATABASE_AWAY = "The database did not answer while the work ran; it is tried again."
PUBLISH_POLICY: dict[str, Any] = {"retry": False, "expires": None}


class Cancelled(Exception):
    """The person who asked for the work asked for it to stop."""


class Superseded(Exception):
    """Another worker has taken the job over; this one must not write."""


@dataclass(slots=True)
class Progress:
    """What a running job tells about itself; handed to the work function.

    ``tell`` writes at most every ``every`` seconds and raises ``Cancelled`` when asked to stop.
    """

    job_id: uuid.UUID
    team_id: int | None
    attempt: int
    payload: dict[str, Any]
    now: Callable[[], datetime] = clock.now
    every: float = 0.25
    _last: datetime | None = field(default=None)

    def tell(self, done: float, total: float, note: str = "", *, stage: bool = False) -> None:
        """Record that ``done`` of ``total`` is done. Raises ``Cancelled`` or ``Superseded``.

        ``stage`` writes at once: another kind of work begins, and may be silent for long.
        """
        at = self.now()
        due = stage or self._last is None or (at - self._last).total_seconds() >= self.every
        if not due and done < total:
            return
        self._last = at
        mine = Job.objects.filter(pk=self.job_id, attempt=self.attempt, status=Job.Status.RUNNING)
        if not mine.update(done=done, total=total, note=note[:200], lease_until=at + LEASE):
            raise Superseded
        job = Job.objects.get(pk=self.job_id)
        announce(job, at)
        if job.cancel_requested:
            raise Cancelled


def enqueue(
    *,
    actor: Actor,
    kind: str,
    title: str,
    task: str,
    queue: str,
    payload: dict[str, Any],
    now: datetime,
    subject: str = "",
    max_attempts: int = 3,
) -> Job:
    """Store a job and queue it by task name once the transaction commits."""
    job = Job.objects.create(
        team_id=actor.team_id,
        kind=kind,
        title=title[:200],
        task=task,
        queue=queue,
        payload=payload,
        subject=subject,
        created_by=actor.name,
        created_at=now,
        max_attempts=max_attempts,
    )
    transaction.on_commit(lambda: publish(job.pk, now))
    announce(job, now)
    return job


def publish(job_id: uuid.UUID, now: datetime) -> bool:
    """Wake a worker for the job; tell whether the queue took it. A dead queue is no error here."""
    job = Job.objects.get(pk=job_id)
    try:
        current_app.send_task(job.task, args=[str(job.pk)], queue=job.queue, **PUBLISH_POLICY)
    except Exception as error:  # noqa: BLE001 the broker's errors are many; the sweeper tries again
        log.warning("job.publish_failed", job_id=str(job.pk), error=repr(error))
        return False
    Job.objects.filter(pk=job.pk).update(published_at=now)
    return True


def claim(job_id: uuid.UUID | str, *, worker: str, now: datetime) -> Job | None:
    """Take a queued job for this worker; None when somebody else has it or it is over."""
    with transaction.atomic():
        job = Job.objects.select_for_update(skip_locked=True).filter(pk=job_id).first()
        if job is None or job.status != Job.Status.QUEUED:
            return None
        if job.not_before and job.not_before > now:
            return None
        if job.cancel_requested:
            finish(job, Job.Status.CANCELLED, now=now)
            return None
        job.status = Job.Status.RUNNING
        job.attempt += 1
        job.worker = worker[:120]
        job.started_at = job.started_at or now
        job.lease_until = now + LEASE
        job.save()
        announce(job, now)
        return job


def finish(
    job: Job,
    status: str,
    *,
    now: datetime,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> bool:
    """End the job unless another attempt has taken over; tell whether it was ended here."""
    changes: dict[str, Any] = {"status": status, "finished_at": now, "error": error}
    if result is not None:
        changes["result"] = result
    mine = Job.objects.filter(pk=job.pk, attempt=job.attempt).exclude(status__in=FINAL_STATES)
    if not mine.update(**changes):
        return False
    job.refresh_from_db()
    announce(job, now)
    return True


def execute(
    job_id: str,
    work: Callable[[Progress], dict[str, Any] | None],
    *,
    worker: str,
    now: Callable[[], datetime] = clock.now,
) -> str:
    """Claim the job, run ``work`` under a heartbeat, record how it ended; return the status.

    A ``LabError`` fails the job with its code; ``Unavailable`` puts it back for another attempt.
    """
    job = claim(job_id, worker=worker, now=now())
    if job is None:
        return "skipped"
    progress = Progress(job.pk, job.team_id, job.attempt, job.payload, now)
    names = structlog.contextvars.bound_contextvars(job_id=str(job.pk), attempt=job.attempt)
    seen = tenancy.team(job.team_id) if job.team_id else tenancy.scope(tenancy.LAB)
    with names, seen, Heartbeat(job.pk, job.attempt, now):
        return _run(job, work, progress, now)


def _run(
    job: Job,
    work: Callable[[Progress], dict[str, Any] | None],
    progress: Progress,
    now: Callable[[], datetime],
) -> str:
    try:
        result = work(progress)
    except Cancelled:
        finish(job, Job.Status.CANCELLED, now=now())
    except Superseded:
        log.warning("job.superseded")
    except Unavailable as error:
        _put_back(job, error, now())
    except (OperationalError, InterfaceError) as error:
        # A server that is restarted fails nobody's work; without one the lease lapses instead.
        log.warning("job.database_away", error=repr(error))
        connection.close()
        _put_back(job, Unavailable(DATABASE_AWAY, code="database.away"), now())
    except LabError as error:
        status = Job.Status.BLOCKED if error.code == "sandbox.unavailable" else Job.Status.FAILED
        finish(job, status, now=now(), error=describe(error))
    except Exception as error:
        log.exception("job.crashed")
        finish(job, Job.Status.FAILED, now=now(), error=_crash(error, job))
    else:
        finish(job, Job.Status.DONE, now=now(), result=result or {})
    job.refresh_from_db()
    return str(job.status)


def describe(error: LabError) -> dict[str, Any]:
    """Return an error as JSON for the job row."""
    return {"code": error.code, "message": error.message, "details": error.details}


def _crash(error: Exception, job: Job) -> dict[str, Any]:
    message = (
        f"The work stopped with {type(error).__name__}: {error}. "
        f"This is a defect of the lab; the log has it under job {job.pk}."
    )
    return {"code": "internal", "message": message, "details": {}}


def _put_back(job: Job, error: Unavailable, now: datetime) -> None:
    if job.attempt >= job.max_attempts:
        finish(job, Job.Status.FAILED, now=now, error=describe(error))
        return
    wait = timedelta(seconds=error.retry_after * 2 ** (job.attempt - 1))
    Job.objects.filter(pk=job.pk, attempt=job.attempt, status=Job.Status.RUNNING).update(
        status=Job.Status.QUEUED,
        not_before=now + wait,
        published_at=None,
        lease_until=None,
        error=describe(error),
    )


class Heartbeat:
    """Extends the lease of a running job from a thread of its own."""

    def __init__(self, job_id: uuid.UUID, attempt: int, now: Callable[[], datetime]) -> None:
        self.job_id, self.attempt, self.now = job_id, attempt, now
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        self.thread.join(timeout=2)

    def _beat(self) -> None:
        while not self.stop.wait(HEARTBEAT_SECONDS):
            try:
                Job.objects.filter(
                    pk=self.job_id, attempt=self.attempt, status=Job.Status.RUNNING
                ).update(lease_until=self.now() + LEASE)
            except Exception as error:  # noqa: BLE001 the database may be restarting
                log.warning("job.heartbeat_failed", error=repr(error))
                connection.close()
        connection.close()


def sweep(*, now: datetime) -> dict[str, int]:
    """Publish forgotten jobs again and hand on or give up those whose worker died."""
    lapsed = Job.objects.filter(status=Job.Status.RUNNING, lease_until__lt=now)
    counts = {"lost": 0, "handed_on": 0, "published": 0}
    for job in lapsed:
        if how := _hand_on(job, now):
            counts[how] += 1
    waiting = Job.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=now), status=Job.Status.QUEUED
    ).filter(Q(published_at__isnull=True) | Q(published_at__lt=now - REPUBLISH_AFTER))
    for job_id in waiting.values_list("pk", flat=True)[:500]:
        counts["published"] += publish(job_id, now)
    return counts


def _hand_on(job: Job, now: datetime) -> str:
    """Free or give up a job whose lease still is lapsed when its row is locked; tell which."""
    with transaction.atomic():
        rows = Job.objects.select_for_update(skip_locked=True).filter(
            pk=job.pk, attempt=job.attempt, status=Job.Status.RUNNING, lease_until__lt=now
        )
        held = rows.first()
        if held is None:
            return ""
        if held.attempt >= held.max_attempts:
            message = f"The worker died {held.attempt} times in this job; start it again by hand."
            finish(held, Job.Status.LOST, now=now, error={"code": "job.lost", "message": message})
            return "lost"
        held.status, held.note = Job.Status.QUEUED, "resuming"
        held.lease_until = held.published_at = None
        held.save(update_fields=["status", "note", "lease_until", "published_at"])
        announce(held, now)
        return "handed_on"


def end_late(job_id: uuid.UUID | str, *, seconds: float, now: datetime) -> bool:
    """End a job whose worker was killed at its hard limit; tell whether it still ran."""
    job = Job.objects.filter(pk=job_id, status=Job.Status.RUNNING).first()
    if job is None:
        return False
    message = f"{job.title} was not done after {seconds:g} seconds, and was killed."
    return finish(
        job, Job.Status.FAILED, now=now, error={"code": "job.time_limit", "message": message}
    )


def cancel(job_id: uuid.UUID | str, *, actor: Actor, now: datetime) -> Job:
    """Ask a job to stop; a queued one ends at once. Raises ``NotFound`` or ``Conflict``.

    Events are recorded by the app that enqueued the job; callers do that.
    """
    job = find_job(job_id, team_id=actor.team)
    if job.is_final:
        message = f"The job is already {job.status}; there is nothing to cancel."
        raise Conflict(message, code="job.over")
    Job.objects.filter(pk=job.pk).update(cancel_requested=True)
    if job.status in {Job.Status.QUEUED, Job.Status.PAUSED}:
        finish(job, Job.Status.CANCELLED, now=now)
    job.refresh_from_db()
    return job


def find_job(job_id: uuid.UUID | str, *, team_id: int) -> Job:
    """Return a job of the team. Raises ``NotFound``, also for another team's."""
    try:
        job = Job.objects.filter(pk=uuid.UUID(str(job_id)), team_id=team_id).first()
    except ValueError:
        job = None
    if job is None:
        raise NotFound(f"There is no job {job_id}.", code="job.not_found")
    return job


def eta_seconds(job: Job, now: datetime) -> float | None:
    """Return the seconds left at the pace so far; None while nothing can be said."""
    if job.status != Job.Status.RUNNING or not job.started_at or not 0 < job.progress < 1:
        return None
    spent = (now - job.started_at).total_seconds()
    return spent * (1 - job.progress) / job.progress


def as_dict(job: Job, now: datetime) -> dict[str, Any]:
    """Return a job as clients see it."""
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "title": job.title,
        "subject": job.subject,
        "status": str(job.status),
        "progress": round(job.progress, 4),
        "done": job.done,
        "total": job.total,
        "note": job.note,
        "eta_seconds": eta_seconds(job, now),
        "attempt": job.attempt,
        "error": job.error,
        "result": job.result,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }


def announce(job: Job, now: datetime) -> None:
    """Tell the team's browsers how the job stands."""
    events.emit(team_id=job.team_id, topic="jobs", kind="core.job.changed", data=as_dict(job, now))


def list_jobs(*, team_id: int, open_only: bool = False, limit: int = 50) -> list[Job]:
    """Return the team's newest jobs."""
    jobs = Job.objects.filter(team_id=team_id)
    if open_only:
        jobs = jobs.exclude(status__in=FINAL_STATES)
    return list(jobs.order_by(F("created_at").desc(), "-id")[:limit])
