"""What backtests do when bars were revised."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.core import jobs
from apps.core.actors import system


def on_revised(
    *,
    team_id: int | None,
    batch_id: int,
    now: datetime,
    **others: Any,  # noqa: ARG001 a signal may come to say more
) -> None:
    """Queue a look at who had read the bars; the worker computes their runs once more.

    This module is loaded by every process, so the services are left to the worker.
    """
    jobs.enqueue(
        actor=system("reruns", team_id),
        kind="rerun",
        title=f"Find the runs that read what batch {batch_id} revised",
        task="backtests.rerun_readers",
        queue="compute",
        payload={"batch_id": batch_id},
        subject=f"batch:{batch_id}",
        now=now,
    )
