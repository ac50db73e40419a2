"""Work of strategies on the queues."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.core import jobs
from apps.strategies import services

# The worker ends a batch that is not done by then, whatever it is doing.
BATCH_SECONDS = 30


@shared_task(name="strategies.scan", bind=True)
def scan(self: Any, job_id: str) -> str:
    """Make ready and queue the batches of a scan."""
    return jobs.execute(job_id, services.start_scan, worker=self.request.hostname or "worker")


@shared_task(
    name="strategies.scan_batch",
    bind=True,
    soft_time_limit=BATCH_SECONDS - 4,
    time_limit=BATCH_SECONDS,
)
def scan_batch(self: Any, job_id: str) -> str:
    """Compute a batch of a scan: ten symbols, within thirty seconds."""
    return jobs.execute(job_id, services.run_scan_batch, worker=self.request.hostname or "worker")
