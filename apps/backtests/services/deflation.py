"""Deflated Sharpe ratios beside runs in lists: taken when a run ends, and taken anew.

What a run is worth changes with all that its family tries later. A run's page computes it on the
spot; lists show what was last taken, among how many trials, and when. A run takes its own when it
ends; a periodic task takes those of every family that has tried something since.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction

from apps.backtests.kernel.integrity.families import figures
from apps.backtests.kernel.integrity.sharpe import Moments
from apps.backtests.models import Deflation, Run
from apps.backtests.selectors.deflation import StaleFamily, list_stale, streams_of_runs
from apps.backtests.selectors.trials import count_of, significance_of, whole_of

BATCH = 2000
PUT = """
UPDATE backtests_run r
SET deflated_sharpe = taken.ratio, deflated_trials = %s, deflated_at = %s
FROM unnest(%s::uuid[], %s::float8[]) AS taken (id, ratio) WHERE r.id = taken.id
"""


def deflate_run(run: Run, now: datetime) -> None:
    """Keep what a run that has just ended is worth among all that was tried until now."""
    worth = significance_of(run)
    run.deflated_sharpe = worth.get("deflated_sharpe")
    run.deflated_trials, run.deflated_at = worth["trials"], now
    run.save(update_fields=["deflated_sharpe", "deflated_trials", "deflated_at"])


def refresh_deflated(*, now: datetime) -> int:
    """Take the ratios of every family that tried something since; return how many families."""
    stale = list_stale()
    for found in stale:
        _refresh(found, now)
    return len(stale)


def _refresh(found: StaleFamily, now: datetime) -> None:
    family = found.family
    whole, total = whole_of(family), sum(count_of(family).values())
    taken = [
        (run_id, figures(Moments(*moments), periods, whole, total)["deflated_sharpe"])
        for run_id, moments, periods in streams_of_runs(family)
    ]
    with transaction.atomic():
        for at in range(0, len(taken), BATCH):
            ids, ratios = zip(*taken[at : at + BATCH], strict=True)
            with connection.cursor() as cursor:
                cursor.execute(PUT, [total, now, list(ids), list(ratios)])
        Deflation.objects.update_or_create(
            family=family,
            defaults={
                "team_id": family.team_id,
                "trials": found.trials,
                "finished": found.finished,
                "runs": len(taken),
                "taken_at": now,
            },
        )
