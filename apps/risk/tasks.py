"""Work of risk on the queues."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.core import clock, jobs
from apps.risk import services


@shared_task(name="risk.grade", bind=True)
def grade(self: Any, job_id: str) -> str:
    """Grade the risk models of the books a job names."""
    return jobs.execute(job_id, services.run_grading, worker=self.request.hostname or "worker")


@shared_task(name="risk.grade_nightly")
def grade_nightly() -> int:
    """Queue the night's grading of every team, once a day."""
    return services.start_nightly(now=clock.now())
