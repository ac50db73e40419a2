"""A ledger under load whose sequencer and database are killed; nothing acknowledged is lost."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import psycopg

from apps.core.errors import Unavailable
from apps.core.lab.home import Home
from apps.core.lab.postgres import PostgresServer
from apps.core.lab.roles import prepare_database

ROOT = Path(__file__).parents[2]
ORIGIN = "example.test/audit"
APPEND = "SELECT audit.append(1, 'user:1', 'researcher', 'run.created', %s, '{}'::bytea, now())"
SEQUENCER = """
import sys, time
from pathlib import Path
from apps.audit.services import Paths, sequence
sequence(dsn=sys.argv[1], paths=Paths(*map(Path, sys.argv[3:])), origin=sys.argv[2],
         wait=lambda seconds: time.sleep(seconds), tell=lambda sequencer: None)
"""
PATIENCE = 120


class Ledger:
    """A durable server of its own with a ledger, writers, and a sequencer."""

    def __init__(self, home):
        self.server = PostgresServer(home)
        files = Home(home)
        self.paths = (files.secrets / "audit_key", home / "audit_public", home / "audit_kept")
        self.sequencer = None
        self.acknowledged, self.stop_writing = [], threading.Event()
        self.writers = []

    def __enter__(self):
        self.server.prepare()
        self.server.start()
        self.server.wait_ready()
        prepare_database(self.server.dsn("admin", "postgres"), self.server.home.passwords())
        return self

    def __exit__(self, *exc):
        self.stop_writing.set()
        for writer in self.writers:
            writer.join(PATIENCE)
        if self.sequencer:
            self.sequencer.kill()
            self.sequencer.wait()
        self.server.stop()

    def start_sequencer(self):
        command = [sys.executable, "-c", SEQUENCER, self.server.dsn("sequencer"), ORIGIN]
        self.sequencer = subprocess.Popen(
            [*command, *map(str, self.paths)], cwd=ROOT, stdout=subprocess.DEVNULL
        )

    def kill_sequencer(self):
        self.sequencer.send_signal(signal.SIGKILL)
        self.sequencer.wait()
        self.start_sequencer()

    def kill_database(self):
        os.kill(self.server.found().pid, signal.SIGKILL)
        self.server.process.wait()
        until = time.monotonic() + PATIENCE
        while True:
            self.server.start()
            try:
                return self.server.wait_ready(PATIENCE)
            except Unavailable:
                # Children of the killed server still let go of its memory: a supervisor waits too.
                assert time.monotonic() < until, "the database does not come back"
                time.sleep(0.3)

    def write(self, number):
        """Append until told to stop; what the server acknowledged is noted by its subject."""
        while not self.stop_writing.is_set():
            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(self.server.dsn("app"), autocommit=True) as connection,
            ):
                while not self.stop_writing.wait(0.002):
                    subject = f"run:{number}-{uuid.uuid4()}"
                    connection.execute(APPEND, [subject])
                    self.acknowledged.append(subject)
            self.stop_writing.wait(0.05)

    def start_writers(self, count):
        self.writers = [
            threading.Thread(target=self.write, args=(n,), daemon=True) for n in range(count)
        ]
        for writer in self.writers:
            writer.start()

    def ask(self, query, role="admin"):
        with psycopg.connect(self.server.dsn(role), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def ask_nothing(self, statements):
        with psycopg.connect(self.server.dsn("admin"), autocommit=True) as connection:
            connection.execute(statements)

    def leaves(self):
        with contextlib.suppress(psycopg.OperationalError):
            return self.ask("SELECT count(*) FROM audit.audit_leaf")[0][0]
        return -1

    def wait_for(self, question):
        until = time.monotonic() + PATIENCE
        while not question():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.05)

    def grow(self):
        """Wait until the tree grows again."""
        before = self.leaves()
        self.wait_for(lambda: self.leaves() > before >= 0)

    def verdict(self):
        """Stop writing, let the sequencer finish, and say what became of every event."""
        from apps.audit import selectors

        self.stop_writing.set()
        for writer in self.writers:
            writer.join(PATIENCE)
        self.wait_for(lambda: self.ask("SELECT count(*) FROM audit.audit_queue")[0][0] == 0)
        stored = [row[0] for row in self.ask("SELECT subject FROM audit.audit_event")]
        placed = self.ask("SELECT count(*), count(DISTINCT event_id) FROM audit.audit_leaf")[0]
        ring = selectors.key_ring(self.paths[1])
        with psycopg.connect(self.server.dsn("app"), autocommit=True) as connection:
            report = selectors.verify_ledger(
                connection, ring, selectors.read_witness(self.paths[2], ring)
            )
        return {
            "acknowledged": len(self.acknowledged),
            "stored": len(stored),
            "lost": len(set(self.acknowledged) - set(stored)),
            "twice": len(stored) - len(set(stored)),
            "without_leaf": len(stored) - placed[1],
            "leaves_twice": placed[0] - placed[1],
            "verified": report["ok"],
        }


def strike(home, *, sequencer, database, writers, seed):
    """Kill both at random moments under load; return the verdict."""
    generator = random.Random(seed)  # noqa: S311
    kills = ["sequencer"] * sequencer + ["database"] * database
    generator.shuffle(kills)
    with Ledger(home) as ledger:
        ledger.start_sequencer()
        ledger.start_writers(writers)
        for kill in kills:
            ledger.grow()
            time.sleep(generator.uniform(0, 0.3))
            ledger.kill_sequencer() if kill == "sequencer" else ledger.kill_database()
        ledger.grow()
        return {"sequencer_kills": sequencer, "database_kills": database, **ledger.verdict()}
