"""Long work of the assistant."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.assistant import services
from apps.core import jobs


@shared_task(name="assistant.search", bind=True)
def search(self: Any, job_id: str) -> str:
    """Run a stored search for hypotheses."""
    return jobs.execute(job_id, services.run_search, worker=self.request.hostname or "worker")


@shared_task(name="assistant.write_code", bind=True)
def write_code(self: Any, job_id: str) -> str:
    """Have a language model write a strategy's text, and propose it."""
    return jobs.execute(job_id, services.write_code, worker=self.request.hostname or "worker")
