"""Which family a trial is of, and an entry for everything that was tried before."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from apps.backtests.kernel.integrity.streams import compact

# A strategy's family, made with its first trial. One that begins as the copy of another of the
# team, by its text or as the same member of the library under another name, is joined to it.
FAMILY = """
CREATE OR REPLACE FUNCTION backtests_family_of(team int, strategy bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found bigint;
    origin bigint;
BEGIN
    SELECT f.id INTO found FROM public.backtests_family f
    WHERE f.team_id = team AND f.strategy_id = strategy;
    IF found IS NOT NULL THEN
        RETURN found;
    END IF;
    SELECT coalesce(f.root_id, f.id) INTO origin
    FROM public.strategies_strategy mine
    JOIN public.strategies_strategy theirs
        ON theirs.team_id = mine.team_id AND theirs.id <> mine.id
        AND theirs.kind = mine.kind AND theirs.plug = mine.plug
    JOIN public.backtests_family f ON f.team_id = team AND f.strategy_id = theirs.id
    WHERE mine.id = strategy AND (mine.kind = 'library' OR EXISTS (
        SELECT 1 FROM public.strategies_strategyversion a
        JOIN public.strategies_strategyversion b ON b.source = a.source
        WHERE a.strategy_id = mine.id AND b.strategy_id = theirs.id AND a.source <> ''))
    ORDER BY f.id LIMIT 1;
    INSERT INTO public.backtests_family (team_id, name, strategy_id, root_id, created_at)
    SELECT team, s.name, s.id, origin, now() FROM public.strategies_strategy s
    WHERE s.id = strategy
    ON CONFLICT (team_id, strategy_id) DO NOTHING;
    SELECT f.id INTO found FROM public.backtests_family f
    WHERE f.team_id = team AND f.strategy_id = strategy;
    RETURN found;
END $$;
"""
# What was tried before anybody counted: runs, combinations, and searches of the forge.
BEFORE = """
INSERT INTO backtests_trialentry (team_id, family_id, door, subject, trials, created_at)
SELECT r.team_id, backtests_family_of(r.team_id::int, v.strategy_id), 'run', 'run:' || r.id, 1,
    r.created_at
FROM (SELECT * FROM backtests_run ORDER BY created_at, id) r
JOIN strategies_strategyversion v ON v.id = r.version_id;
INSERT INTO backtests_trialentry (team_id, family_id, door, subject, trials, created_at)
SELECT s.team_id, s.family, 'sweep', 'sweep:' || t.sweep_id || '/' || t.number, 1, s.created_at
FROM backtests_trial t JOIN (
    SELECT w.id, w.team_id, w.created_at,
        backtests_family_of(w.team_id::int, v.strategy_id) AS family
    FROM backtests_sweep w JOIN strategies_strategyversion v ON v.id = w.version_id
    OFFSET 0
) s ON s.id = t.sweep_id
ORDER BY t.id;
DO $$
BEGIN
    IF to_regclass('public.assistant_hypothesis') IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO backtests_family (team_id, name, search_id, created_at)
    SELECT team_id, 'search ' || id, id, created_at FROM assistant_search WHERE trials > 0;
    INSERT INTO backtests_trialentry (team_id, family_id, door, subject, trials, created_at)
    SELECT s.team_id, f.id, 'forge', 'search:' || s.id, s.trials, s.created_at
    FROM assistant_search s JOIN backtests_family f ON f.search_id = s.id;
    UPDATE backtests_family f SET root_id = g.id
    FROM assistant_hypothesis h
    JOIN strategies_strategyversion v ON v.id = h.version_id
    JOIN backtests_family g ON g.search_id = h.search_id
    WHERE f.strategy_id = v.strategy_id AND f.team_id = v.team_id AND f.root_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM backtests_family c WHERE c.root_id = f.id);
END $$;
"""
RETURNS = """
SELECT array_agg(extract(epoch FROM e.ts) * 1000000 ORDER BY e.ts), array_agg(e.equity ORDER BY e.ts)
FROM backtests_equity e WHERE e.run_id = %s
"""


def keep_streams(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Keep in short what the runs there are returned."""
    stream = apps.get_model("backtests", "TrialStream")
    rows = apps.get_model("backtests", "Run").objects.exclude(finished_at=None)
    for run in rows.only("pk", "team_id", "result").iterator(200):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(RETURNS, [run.pk])
            ts, equity = cursor.fetchone()
        for values in _short(ts, equity):
            periods = float(run.result.get("periods_per_year") or 252.0)
            stream.objects.create(
                subject=f"run:{run.pk}", team_id=run.team_id, periods=periods, **values
            )


def _short(ts: list[Any] | None, equity: list[float] | None) -> Iterator[dict[str, Any]]:
    if ts is None or equity is None or len(ts) < 4:
        return
    values = np.array(equity, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = values[1:] / values[:-1] - 1.0
    found = compact(returns, np.array([int(at) for at in ts[1:]], dtype=np.int64))
    if found is None:
        return
    yield {
        "calendar": found.calendar,
        "observations": found.moments.n,
        "sharpe": found.moments.sharpe,
        "skewness": found.moments.skewness,
        "kurtosis": found.moments.kurtosis,
        "digest": found.digest,
        "blocks": found.blocks,
        "path": found.path,
    }


class Migration(migrations.Migration):
    dependencies = [
        ("backtests", "0007_trial_ledger"),
        ("strategies", "0006_row_security"),
    ]
    operations = [
        migrations.RunSQL(FAMILY, "DROP FUNCTION backtests_family_of(int, bigint);"),
        migrations.RunSQL(BEFORE, migrations.RunSQL.noop),
        migrations.RunPython(keep_streams, migrations.RunPython.noop),
    ]
