"""How far the server's continuous aggregates are: what they provably hold.

A series is *seen* at a time when its stamp was found committed then. A run of a refresh policy
that began later, and ended well, holds it; one of the next aggregate that began after that ended
holds it too, and so up the ladder. While the stamp stands, the aggregate is the series.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet

from apps.market.kernel.resample import LADDER
from apps.market.models import Rollup
from apps.market.store.edition import find_edition
from apps.market.store.longer import view_of
from apps.market.store.tables import MINUTE

# A row that a writer holds is left for the next time: its bars are not committed yet.
SEE = """
UPDATE market_series SET seen_stamp = stamp, seen_at = clock_timestamp()
WHERE id IN (
    SELECT id FROM market_series
    WHERE timeframe = %s AND seen_stamp IS DISTINCT FROM stamp
    FOR UPDATE SKIP LOCKED
)
"""
RUNS = """
SELECT a.view_name, s.last_run_started_at, s.last_successful_finish
FROM timescaledb_information.continuous_aggregates a
JOIN timescaledb_information.jobs j
    ON j.hypertable_name IN (a.materialization_hypertable_name, a.view_name)
    AND j.proc_name = 'policy_refresh_continuous_aggregate'
JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
WHERE s.last_run_status = 'Success' AND s.last_successful_finish >= s.last_run_started_at
"""
KEPT = timedelta(days=2)
Run = tuple[datetime, datetime]


def note_rollups(*, now: datetime) -> int:
    """Note which series are seen and how far each aggregate is; return how many got further.

    Does nothing where the server has no continuous aggregates.
    """
    if not find_edition().is_community:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(RUNS)
        runs = {name: (began, ended) for name, began, ended in cursor.fetchall()}
        noted = note_runs(
            {
                timeframe: runs[view_of(timeframe)]
                for timeframe in LADDER
                if view_of(timeframe) in runs
            }
        )
        cursor.execute(SEE, [MINUTE])
    newest = [row.pk for timeframe in LADDER for row in _of(timeframe)[:1]]
    Rollup.objects.filter(finished_at__lt=now - KEPT).exclude(pk__in=newest).delete()
    return noted


def note_runs(runs: dict[str, Run]) -> int:
    """Note the last good run of each aggregate, by timeframe: when it began and ended."""
    noted = 0
    for at, timeframe in enumerate(LADDER):
        if timeframe not in runs:
            break
        began, ended = runs[timeframe]
        holds = began if at == 0 else _held(LADDER[at - 1], began)
        if holds is None:
            continue
        _, is_new = Rollup.objects.get_or_create(
            timeframe=timeframe, finished_at=ended, defaults={"holds_before": holds}
        )
        noted += is_new
    return noted


def _held(timeframe: str, until: datetime) -> datetime | None:
    """Return what the aggregate below held when a run began."""
    row = _of(timeframe).filter(finished_at__lte=until).order_by("-holds_before").first()
    return row.holds_before if row else None


def _of(timeframe: str) -> QuerySet[Rollup]:
    return Rollup.objects.filter(timeframe=timeframe).order_by("-holds_before")
