"""Housekeeping of jobs, kept answers and sessions; what a task with a hard limit leaves behind."""

from __future__ import annotations

from typing import Any

from billiard.exceptions import TimeLimitExceeded
from celery import Task, shared_task
from django.contrib.sessions.models import Session

from apps.core import clock, idempotency, jobs


@shared_task(name="core.sweep_jobs")
def sweep_jobs() -> dict[str, int]:
    """Publish forgotten jobs and hand on orphaned ones."""
    return jobs.sweep(now=clock.now())


@shared_task(name="core.forget_old")
def forget_old() -> dict[str, int]:
    """Drop kept answers over a day old and sessions that have run out."""
    now = clock.now()
    sessions, _ = Session.objects.filter(expire_date__lt=now).delete()
    return {"answers": idempotency.forget_old(now=now), "sessions": sessions}


class LimitedTask(Task[Any, Any]):
    """A task of a job that the worker may kill at its hard limit: the job is then ended."""

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Have the job ended by another process: this one is the parent of all that work here."""
        if isinstance(exc, TimeLimitExceeded):
            end_late_job.apply_async(args=(args[0], float(exc.args[0])), queue="io", retry=False)
        super().on_failure(exc, task_id, args, kwargs, einfo)


@shared_task(name="core.end_late_job")
def end_late_job(job_id: str, seconds: float) -> bool:
    """End a job whose worker was killed at its hard limit."""
    return jobs.end_late(job_id, seconds=seconds, now=clock.now())
