"""Work of market on the queues."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.core import clock, jobs
from apps.market import services
from apps.market.services import storage


@shared_task(name="market.ingest", bind=True)
def ingest(self: Any, job_id: str) -> str:
    """Run an ingestion."""
    return jobs.execute(job_id, services.run_ingest, worker=self.request.hostname or "worker")


@shared_task(name="market.upload", bind=True)
def upload(self: Any, job_id: str) -> str:
    """Store an uploaded file."""
    return jobs.execute(job_id, services.run_upload, worker=self.request.hostname or "worker")


@shared_task(name="market.members", bind=True)
def members(self: Any, job_id: str) -> str:
    """Fetch the members of an index."""
    return jobs.execute(job_id, services.run_members, worker=self.request.hostname or "worker")


@shared_task(name="market.recheck", bind=True)
def recheck(self: Any, job_id: str) -> str:
    """Judge the series of a universe."""
    return jobs.execute(job_id, services.run_recheck, worker=self.request.hostname or "worker")


@shared_task(name="market.run_flows")
def run_flows() -> dict[str, int]:
    """Start flows that are due, report those that ended."""
    return services.run_flows(now=clock.now())


@shared_task(name="market.recheck_due")
def recheck_due() -> dict[str, int]:
    """Judge what changed since, and note how universes are."""
    return services.recheck_due(now=clock.now())


@shared_task(name="market.keep_storage")
def keep_storage() -> dict[str, int]:
    """Note how far the server's aggregates are, let minutes go that are too old."""
    return storage.keep_storage(now=clock.now())
