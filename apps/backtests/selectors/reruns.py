"""Runs computed once more after a revision of bars."""

from __future__ import annotations

from uuid import UUID

from apps.backtests.models import Rerun


def reruns_of(*, team_id: int, batch_id: int) -> dict[UUID, Rerun]:
    """Return what a batch made the lab compute once more, by run."""
    rows = Rerun.objects.filter(team_id=team_id, batch_id=batch_id).select_related("job")
    return {row.run_id: row for row in rows}


def state_of_rerun(row: Rerun) -> str:
    """Return done, failed, or how its job stands."""
    if row.finished_at is not None:
        return "failed" if row.error else "done"
    return str(row.job.status) if row.job else "queued"
