"""Work of trading on the queues."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.core import clock, jobs
from apps.trading import services


@shared_task(name="trading.finish_halts")
def finish_halts() -> int:
    """Finish halts that a crash left half done."""
    return services.finish_halts(now=clock.now())


@shared_task(name="trading.watch_stops")
def watch_stops() -> int:
    """Look at the teams' emergency stops, end cool-downs, take back what would open something."""
    return services.watch_stops(now=clock.now())


@shared_task(name="trading.run_balancers")
def run_balancers() -> int:
    """Queue the balancers whose time has come."""
    return services.start_due_balancers(now=clock.now())


@shared_task(name="trading.balance", bind=True)
def balance(self: Any, job_id: str) -> str:
    """Compute what an account should hold, and propose or order it."""
    return jobs.execute(job_id, services.run_balance, worker=self.request.hostname or "worker")
