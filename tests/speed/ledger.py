"""Durable events a second with 16 writers and the sequencer at work, against bare inserts.

Both write the same columns through pgbench into the same server, fsync on, in turns. The peer is
a plain table with a primary key: no function, no queue, no tree. Afterwards every event must have
its leaf, and the ledger must verify. Inclusion is the time from an event's row to the signed head
over it, by the server's clock.
"""

import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.servers.ledger_kills import Ledger

WRITERS, THREADS, SECONDS, ROUNDS = 16, 2, 6, 3
GOAL, EVENTS_GOAL, P99_GOAL = 0.35, 5000, 1.0
TABLE = """
CREATE TABLE public.bare (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acted_at timestamptz NOT NULL, db_user name NOT NULL DEFAULT session_user, team_id bigint,
    actor text NOT NULL, role text NOT NULL, action text NOT NULL, subject text NOT NULL,
    body bytea NOT NULL);
GRANT INSERT ON public.bare TO app;
"""
BODY = 'convert_to(\'{"cash":100000,"strategy":"momentum"}\', \'UTF8\')'
VALUES = f"1, 'user:1', 'researcher', 'run.created', 'run:1', {BODY}, now()"
BARE = (
    "INSERT INTO public.bare (team_id, actor, role, action, subject, body, acted_at)"
    f" VALUES ({VALUES});\n"
)
EVENT = f"SELECT audit.append({VALUES});\n"
INCLUSION = """
SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY s), max(s) FROM (
    SELECT extract(epoch FROM c.at - e.at)::float8 AS s
    FROM audit.audit_leaf l JOIN audit.audit_event e ON e.id = l.event_id
    CROSS JOIN LATERAL (
        SELECT at FROM audit.audit_checkpoint WHERE size > l.seq ORDER BY size LIMIT 1) c
) waits
"""


def program(name):
    from apps.core.lab import postgres

    return str(postgres.program(name))


def load(ledger, script):
    """Let all writers write for some seconds; return transactions a second and how many."""
    parts = psycopg.conninfo.conninfo_to_dict(ledger.server.dsn("app"))
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    environment = {names[k]: str(v) for k, v in parts.items() if k in names}
    command = [program("pgbench"), "-n", "-M", "prepared", "-f", str(script)]
    size = ["-c", str(WRITERS), "-j", str(THREADS), "-T", str(SECONDS), parts["dbname"]]
    done = subprocess.run(
        [*command, *size], env=environment, capture_output=True, text=True, check=True
    )
    count = int(re.search(r"actually processed: (\d+)", done.stdout)[1])
    return float(re.search(r"tps = ([\d.]+)", done.stdout)[1]), count


def ledger_append():
    """Measure in turns; the ratio is the median of the rounds'."""
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")
    import django

    django.setup()
    folder = Path(tempfile.mkdtemp(prefix="qs-ledger-"))
    try:
        with Ledger(folder / "lab") as ledger:
            ledger.ask_nothing(TABLE)
            scripts = {name: folder / name for name in ("bare.sql", "event.sql")}
            scripts["bare.sql"].write_text(BARE)
            scripts["event.sql"].write_text(EVENT)
            ledger.start_sequencer()
            rows, written = [], 0
            for _ in range(ROUNDS):
                bare, _count = load(ledger, scripts["bare.sql"])
                events, count = load(ledger, scripts["event.sql"])
                written += count
                ledger.wait_for(
                    lambda: ledger.ask("SELECT count(*) FROM audit.audit_queue")[0][0] == 0
                )
                rows.append((events, bare, events / bare))
                time.sleep(0.5)
            (waits, longest) = ledger.ask(INCLUSION)[0]
            verdict = ledger.verdict()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert verdict["verified"], verdict
    assert (verdict["stored"], verdict["without_leaf"]) == (written, 0), (verdict, written)
    value, peer, ratio = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "name": "ledger_append",
        "value": round(value),
        "unit": "events/s",
        "peer": "bare inserts",
        "peer_value": round(peer),
        "ratio": round(ratio, 2),
        "goal": GOAL,
        "checked": f"{written} events, each with its leaf; the ledger verifies",
        "goal_events": EVENTS_GOAL,
        "inclusion_p50_s": round(waits[0], 3),
        "inclusion_p95_s": round(waits[1], 3),
        "inclusion_p99_s": round(waits[2], 3),
        "inclusion_max_s": round(longest, 3),
        "goal_p99_s": P99_GOAL,
        "writers": WRITERS,
    }
