"""Which families of trials moved on since their deflated Sharpe ratios were taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from apps.backtests.models import Family

STALE = """
WITH tried AS (
    SELECT coalesce(f.root_id, f.id) AS id, sum(e.trials) AS trials
    FROM backtests_trialentry e JOIN backtests_family f ON f.id = e.family_id GROUP BY 1
), ended AS (
    SELECT coalesce(f.root_id, f.id) AS id, count(*) AS finished
    FROM backtests_run r
    JOIN strategies_strategyversion v ON v.id = r.version_id
    JOIN backtests_family f ON f.team_id = r.team_id AND f.strategy_id = v.strategy_id
    WHERE r.finished_at IS NOT NULL GROUP BY 1
)
SELECT ended.id, tried.trials, ended.finished
FROM ended JOIN tried USING (id)
LEFT JOIN backtests_deflation d ON d.family_id = ended.id
WHERE d.id IS NULL OR (d.trials, d.finished) <> (tried.trials, ended.finished)
ORDER BY d.taken_at NULLS FIRST, ended.id LIMIT %s
"""
STREAMS = """
SELECT substr(s.subject, 5)::uuid, s.sharpe, s.skewness, s.kurtosis, s.observations, s.periods
FROM backtests_trialentry e
JOIN backtests_family f ON f.id = e.family_id
JOIN backtests_trialstream s ON s.subject = e.subject
WHERE e.door = 'run' AND coalesce(f.root_id, f.id) = %s ORDER BY e.id
"""
MOST = 50


@dataclass(frozen=True, slots=True)
class StaleFamily:
    """A family, and how much it has tried and ended by now."""

    family: Family
    trials: int
    finished: int


def list_stale(most: int = MOST) -> list[StaleFamily]:
    """Return families with runs that tried or ended something since, the longest ago first."""
    with connection.cursor() as cursor:
        cursor.execute(STALE, [most])
        rows = cursor.fetchall()
    families = Family.objects.in_bulk([row[0] for row in rows])
    return [StaleFamily(families[key], int(n), int(ended)) for key, n, ended in rows]


def streams_of_runs(
    family: Family,
) -> Iterator[tuple[str, tuple[float, float, float, int], float]]:
    """Yield the runs of a family with the moments of their returns, and observations in a year."""
    with connection.cursor() as cursor:
        cursor.execute(STREAMS, [family.pk])
        for run_id, sharpe, skewness, kurtosis, observations, periods in cursor.fetchall():
            yield run_id, (sharpe, skewness, kurtosis, observations), periods
