"""Work of market on the queues."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.core import jobs
from apps.market import services


@shared_task(name="market.ingest", bind=True)
def ingest(self: Any, job_id: str) -> str:
    """Run an ingestion."""
    return jobs.execute(job_id, services.run_ingest, worker=self.request.hostname or "worker")
