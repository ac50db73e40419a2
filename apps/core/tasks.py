"""Housekeeping of jobs, kept answers and sessions."""

from __future__ import annotations

from celery import shared_task
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
