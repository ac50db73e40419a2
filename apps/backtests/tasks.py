"""Work of backtests on the queues."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.backtests import services
from apps.backtests.charts import plots
from apps.backtests.kernel.warming import warm as warm_loops
from apps.backtests.services.mirrors import mirror_due
from apps.core import clock, jobs


@shared_task(name="backtests.run", bind=True)
def run(self: Any, job_id: str) -> str:
    """Compute a run."""
    return jobs.execute(job_id, services.run_backtest, worker=self.request.hostname or "worker")


@shared_task(name="backtests.rerun", bind=True)
def rerun(self: Any, job_id: str) -> str:
    """Compute runs once more on revised bars."""
    return jobs.execute(job_id, services.run_reruns, worker=self.request.hostname or "worker")


@shared_task(name="backtests.rerun_readers", bind=True)
def rerun_readers(self: Any, job_id: str) -> str:
    """Queue the runs that had read revised bars."""
    return jobs.execute(job_id, services.rerun_readers, worker=self.request.hostname or "worker")


@shared_task(name="backtests.sweep", bind=True)
def sweep(self: Any, job_id: str) -> str:
    """Compute combinations of a sweep until none is left."""
    return jobs.execute(job_id, services.run_sweep, worker=self.request.hostname or "worker")


@shared_task(name="backtests.validate", bind=True)
def validate(self: Any, job_id: str) -> str:
    """Work a validation fold by fold."""
    return jobs.execute(job_id, services.run_validation, worker=self.request.hostname or "worker")


@shared_task(name="backtests.gauntlet", bind=True)
def gauntlet(self: Any, job_id: str) -> str:
    """Hold a run against luck."""
    return jobs.execute(job_id, services.run_gauntlet, worker=self.request.hostname or "worker")


@shared_task(name="backtests.mirror")
def mirror() -> dict[str, int]:
    """Bring finished runs to the MLflow server, if one is configured."""
    return mirror_due(draw=plots.drawn, now=clock.now)


@shared_task(name="backtests.warm")
def warm() -> int:
    """Compile the engine's loops, which are kept on disk, before the first run asks for them."""
    return warm_loops()


@shared_task(name="backtests.deflate")
def deflate() -> int:
    """Take deflated Sharpe ratios anew of families that have tried something since."""
    return services.refresh_deflated(now=clock.now())
