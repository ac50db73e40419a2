"""A worker that can be killed: JSON commands on stdin, a fork for each run of an ingestion.

Django and the sample are loaded once, so that a run takes a moment and many can be killed.
"""

import hashlib
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

SYMBOLS = ["AAPL", "MSFT", "JNJ", "XOM", "JPM", "TRMB", "GNRC", "KO", "PG", "WMT"]
WANTED = {
    "provider": "sample",
    "section": "sp500",
    "symbols": SYMBOLS,
    "start": "2015-01-01",
    "end": "2017-12-31",
}
ANSWERS = 1
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ROWS = """
SELECT i.symbol, extract(epoch FROM b.ts)::int8, b.open, b.high, b.low, b.close, b.volume
FROM market_bar b JOIN market_series s ON s.id = b.series_id
JOIN market_instrument i ON i.id = s.instrument_id
JOIN market_dataset d ON d.id = i.dataset_id
WHERE d.name = %s ORDER BY 1, 2
"""
COUNTED = """
SELECT i.symbol, s.rows, s.first_at, s.last_at,
    (SELECT count(*) FROM market_bar b WHERE b.series_id = s.id),
    (SELECT count(*) FROM market_bar_history h WHERE h.series_id = s.id),
    (SELECT count(*) FROM market_bar b LEFT JOIN market_batch k ON k.id = b.batch_id
     WHERE b.series_id = s.id AND k.id IS NULL)
FROM market_series s JOIN market_instrument i ON i.id = s.instrument_id
JOIN market_dataset d ON d.id = i.dataset_id
WHERE d.name = %s ORDER BY 1
"""


class Dying:
    """Kills its own process with SIGKILL before statement number ``at``."""

    def __init__(self, at):
        self.left = at

    def __call__(self, execute, sql, params, many, context):
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)


def start(dataset, **_):
    from apps.accounts.models import Team
    from apps.core.actors import system
    from apps.market import services

    team, _ = Team.objects.get_or_create(slug="killed", defaults={"name": "Killed"})
    actor = system("tests", team.pk)
    _, job = services.start_ingest(actor=actor, now=NOW, dataset=dataset, **WANTED)
    return {"job": str(job.pk)}


def work(job, die_at=None, **_):
    """Run the job to its end, in a child."""
    from django.db import connection

    from apps.core import jobs
    from apps.market import services
    from apps.market.services.ingests import running

    running.CHUNK_SYMBOLS = 2
    if die_at:
        with connection.execute_wrapper(Dying(die_at)):
            return jobs.execute(job, services.run_ingest, worker="killed")
    return jobs.execute(job, services.run_ingest, worker="killed")


def hand_on(job, **_):
    """Free a job whose worker died, as the sweeper does once the lease has lapsed."""
    from apps.core import clock, jobs
    from apps.core.models import Job

    jobs.sweep(now=clock.now() + timedelta(minutes=5))
    Job.objects.filter(pk=job).update(not_before=None)
    return {"status": str(Job.objects.get(pk=job).status)}


def told(dataset, **_):
    """A digest of every bar, and what the series say of themselves."""
    from django.db import connection

    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        cursor.execute(ROWS, [dataset])
        rows = 0
        for row in cursor:
            rows += 1
            digest.update(repr(row).encode())
        cursor.execute(COUNTED, [dataset])
        for symbol, counted, first, last, found, superseded, orphans in cursor:
            assert counted == found, (symbol, counted, found)
            assert not superseded, (symbol, superseded)
            assert not orphans, (symbol, orphans)
            digest.update(repr((symbol, counted, first, last)).encode())
    return {"digest": digest.hexdigest(), "rows": rows}


def reply(**told_):
    os.write(ANSWERS, (json.dumps(told_) + "\n").encode())


def run_in_child(asked):
    from django.db import connections

    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            status = work(**asked)
        except BaseException as error:  # noqa: BLE001 the database may be away: told, then gone
            sys.stderr.write(f"child: {error!r}\n")
            os._exit(3)
        os._exit(0 if status == "done" else 4)
    reply(pid=child)
    _, status = os.waitpid(child, 0)
    reply(code=os.waitstatus_to_exitcode(status))


def main():
    global ANSWERS
    ANSWERS = os.dup(1)
    os.dup2(2, 1)
    import django

    django.setup()
    from django.db import connections

    from apps.core.plugs import load_plug
    from apps.market.providers.base import Task

    load_plug("MARKET_PROVIDERS", "sample").fetch(Task("sp500", "AAPL", "1d"))
    commands = {"start": start, "hand_on": hand_on, "told": told}
    reply(ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        name = asked.pop("do")
        if name == "work":
            run_in_child(asked)
            continue
        try:
            reply(**commands[name](**asked))
        except Exception as error:  # noqa: BLE001 whoever asked decides
            reply(error=repr(error))
        finally:
            connections.close_all()


if __name__ == "__main__":
    main()
