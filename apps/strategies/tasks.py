"""Work of strategies on the queues."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings

from apps.core import clock, jobs
from apps.core.tasks import LimitedTask
from apps.strategies import services
from apps.strategies.kernel.warming import warm as warm_loops
from apps.strategies.services import alerts, isolation, probes_due, schedules

# A batch is told before the worker ends it, so that it can say what it was at.
TOLD_BEFORE = min(4, settings.SCAN_BATCH_SECONDS // 4)


@shared_task(name="strategies.scan", bind=True)
def scan(self: Any, job_id: str) -> str:
    """Make ready and queue the batches of a scan."""
    return jobs.execute(job_id, services.start_scan, worker=self.request.hostname or "worker")


@shared_task(
    name="strategies.scan_batch",
    base=LimitedTask,
    bind=True,
    soft_time_limit=settings.SCAN_BATCH_SECONDS - TOLD_BEFORE,
    time_limit=settings.SCAN_BATCH_SECONDS,
)
def scan_batch(self: Any, job_id: str) -> str:
    """Compute a batch of a scan: ten symbols, within the worker's limit."""
    return jobs.execute(job_id, services.run_scan_batch, worker=self.request.hostname or "worker")


@shared_task(name="strategies.probe", bind=True)
def probe(self: Any, job_id: str) -> str:
    """Do a look-ahead probe of a version."""
    return jobs.execute(job_id, services.run_probe, worker=self.request.hostname or "worker")


@shared_task(name="strategies.probe_due")
def probe_due() -> int:
    """Queue probes of versions that nobody has probed yet."""
    return probes_due.probe_due_versions(now=clock.now())


@shared_task(name="strategies.finish_scans")
def finish_scans() -> int:
    """End scans whose batches are over, and queue what rules have to tell."""
    return alerts.finish_scans(now=clock.now())


@shared_task(name="strategies.send_alert", bind=True)
def send_alert(self: Any, job_id: str) -> str:
    """Send a message about signals."""
    return jobs.execute(job_id, alerts.send_alert, worker=self.request.hostname or "worker")


@shared_task(name="strategies.run_schedules")
def run_schedules() -> int:
    """Start the scans that are due."""
    return schedules.run_schedules(now=clock.now())


@shared_task(name="strategies.check_sandbox")
def check_sandbox() -> str:
    """Try whether the sandbox holds, and put what was found into the trail."""
    return str(isolation.check_isolation(now=clock.now())["tier"])


@shared_task(name="strategies.warm")
def warm() -> int:
    """Compile the loops of expressions, kept on disk, before the first formula asks for them."""
    return warm_loops()
