"""``plan_40k_stored``: a whole market planned against the database, its fetches stored as tasks.

40,000 series with noted gaps, and an earlier run whose 40,000 fetches were answered, are put there
first; the time is that of ``begin_ingest``, from reading all of it to the committed plan.
"""

import time
from datetime import UTC, datetime, timedelta

from tests.speed.bars import NOW, database

SYMBOLS = 40_000
DAY = 86_400_000_000
FIRST = datetime(2006, 1, 2, tzinfo=UTC)
# Asked and answered until here; since then nothing.
LAST = datetime(2025, 12, 1, tzinfo=UTC)
GOAL_SECONDS = 60.0
INSTRUMENTS = """
INSERT INTO market_instrument (dataset_id, symbol, name, kind, sector, venue, currency)
SELECT %s, 'S' || to_char(n, 'FM00000'), '', 'equity', '', '', 'USD' FROM generate_series(0, %s) n
"""
SERIES = """
INSERT INTO market_series (instrument_id, timeframe, rows, first_at, last_at, stamp, health)
SELECT id, '1d', 5000, %s, %s, gen_random_uuid(), jsonb_build_object('missing', 1, 'gaps',
    jsonb_build_array(jsonb_build_object('first', '2010-03-01T00:00:00Z',
        'last', '2010-03-01T00:00:00Z', 'bars', 1)))
FROM market_instrument WHERE dataset_id = %s
"""
ANSWERED = """
INSERT INTO market_ingesttask
    (run_id, seq, symbol, timeframe, since, until, status, attempts, rows)
SELECT %s, row_number() OVER (ORDER BY symbol) - 1, symbol, '1d', %s, %s, 'done', 1, 5000
FROM market_instrument WHERE dataset_id = %s
"""


def micros(moment):
    return round(moment.timestamp() * 1e6)


def market(team):
    """A dataset of the team as an earlier ingestion left it; and what it is asked for now."""
    from django.db import connection

    from apps.market.models import Dataset, IngestRun
    from apps.market.providers.base import Section, Task
    from apps.market.services.ingests.starting import Prepared

    facts = {"title": "Market", "source": "bench", "calendar": "24/7"}
    dataset = Dataset.objects.create(team=team, name="market", created_at=NOW, **facts)
    request = {"section": "all", "symbols": [], "timeframe": "1d", "start": None, "end": None}
    request["mode"] = "missing"
    run = IngestRun.objects.create(
        team=team, dataset=dataset, provider="bench", request=request, created_at=NOW
    )
    with connection.cursor() as cursor:
        cursor.execute(INSTRUMENTS, [dataset.pk, SYMBOLS - 1])
        cursor.execute(SERIES, [FIRST, LAST, dataset.pk])
        until = micros(LAST + timedelta(days=1))
        cursor.execute(ANSWERED, [run.pk, micros(FIRST), until, dataset.pk])
    section = Section(
        name="all", timeframe="1d", licence="", universe="", survivorship="", **facts
    )
    symbols = [f"S{number:05}" for number in range(SYMBOLS)]
    tasks = [Task("all", name, "1d", micros(FIRST), micros(NOW)) for name in symbols]
    return Prepared("bench", request, section, tasks, 5_000, "market")


def stored_plan(run):
    """The fetches of a run, one set for all symbols when each got the same."""
    rows = run.tasks.order_by("seq").values_list("symbol", "since", "until", "status")
    symbols = [row[0] for row in rows]
    return symbols, {row[1:] for row in rows}


def plan_40k_stored():
    with database():
        from django.db import connection, transaction

        from apps.accounts.models import Team
        from apps.core.actors import system
        from apps.market.services.ingests.starting import begin_ingest

        team = Team.objects.create(name="bench", created_at=NOW)
        prepared = market(team)
        before = len(connection.queries_log)
        connection.force_debug_cursor = True
        began = time.perf_counter()
        with transaction.atomic():
            run, _ = begin_ingest(actor=system("bench", team.pk), prepared=prepared, now=NOW)
        seconds = time.perf_counter() - began
        connection.force_debug_cursor = False
        symbols, kinds = stored_plan(run)
        # From the last stored bar on, since that one may have been unfinished.
        wanted = {(micros(LAST), micros(NOW), "open")}
        right = symbols == [task.symbol for task in prepared.tasks] and kinds == wanted
        return {
            "name": "plan_40k_stored",
            "value": round(seconds, 2),
            "unit": "s to read what is held, plan, and commit a task for each symbol",
            "peer": "the bound",
            "peer_value": GOAL_SECONDS,
            "ratio": round(GOAL_SECONDS / seconds, 1),
            "goal": 1.0,
            "checked": 0.0 if right else 1.0,
            "tasks": len(symbols),
            "queries": len(connection.queries_log) - before,
            "planned": sorted(kinds)[:3],
        }
