"""Housekeeping of jobs."""

from __future__ import annotations

from celery import shared_task

from apps.core import clock, jobs


@shared_task(name="core.sweep_jobs")
def sweep_jobs() -> dict[str, int]:
    """Publish forgotten jobs and hand on orphaned ones."""
    return jobs.sweep(now=clock.now())
