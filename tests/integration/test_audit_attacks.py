"""Attacks on copies of a ledger: each is refused by the database or found by the verifier."""

import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from psycopg.conninfo import make_conninfo

from apps.audit import selectors, store
from apps.audit.errors import LedgerDamaged
from apps.audit.kernel import chain
from apps.audit.management.commands import verify_audit
from apps.audit.services import Paths
from apps.audit.services import sequencer as sequencing
from apps.core.errors import Conflict, Unavailable
from apps.core.lab.roles import prepare_database

ROOT = Path(__file__).parents[2]
ORIGIN = "example.test/audit"
EVENTS = 700
COUNT = itertools.count(1)
APPEND = "SELECT audit.append(%s, 'user:1', 'researcher', 'run.created', %s, '{}'::bytea, now())"


class Ledger:
    """A database of its own with a ledger in it."""

    def __init__(self, servers, name, folder):
        self.servers, self.name = servers, name
        self.paths = Paths(folder / "key", folder / "public", folder / "witness")

    def dsn(self, role="admin"):
        return make_conninfo(self.servers.dsn(role), dbname=self.name)

    def connect(self, role="admin"):
        return psycopg.connect(self.dsn(role), autocommit=True)

    def open(self, connection):
        return sequencing.open_sequencer(connection, self.paths, ORIGIN)

    def append(self, count, role="app"):
        with self.connect(role) as connection:
            return [
                connection.execute(APPEND, [1, f"run:{number}"]).fetchone()[0]
                for number in range(count)
            ]

    def sequence(self, limit=5000):
        with self.connect("sequencer") as connection:
            sequencer = self.open(connection)
            while sequencer.step(limit):
                pass
            return sequencing.keep_witness(sequencer, self.paths.witness)

    def verify(self, *, witness=False):
        ring = selectors.key_ring(self.paths.public_key)
        kept = selectors.read_witness(self.paths.witness, ring) if witness else None
        with self.connect("app") as connection:
            return selectors.verify_ledger(connection, ring, kept)

    def tamper(self, *statements):
        """Act as a superuser who switches the triggers off."""
        tables = ("audit_event", "audit_leaf", "audit_tile", "audit_checkpoint", "audit_key")
        with self.connect() as connection, connection.transaction():
            for table in tables:
                connection.execute(f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL")
            for statement in statements:
                connection.execute(statement)
            for table in tables:
                connection.execute(f"ALTER TABLE audit.{table} ENABLE TRIGGER ALL")


def make_database(servers, folder, template=None):
    name = f"ledger{next(COUNT)}"
    if template is None:
        prepare_database(servers.dsn("admin"), {}, database=name)
    else:
        with psycopg.connect(servers.dsn("admin"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return Ledger(servers, name, folder)


def drop(servers, name):
    with psycopg.connect(servers.dsn("admin"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def original(servers, tmp_path_factory):
    """700 events under checkpoints of 100, 200, … 700 leaves."""
    made = make_database(servers, tmp_path_factory.mktemp("ledger"))
    made.append(EVENTS)
    made.sequence(limit=100)
    yield made
    drop(servers, made.name)


@pytest.fixture
def ledger(servers, original, tmp_path):
    """A copy of it, with the same key."""
    copy = make_database(servers, tmp_path, template=original.name)
    for mine, theirs in zip(
        (copy.paths.key, copy.paths.public_key, copy.paths.witness),
        (original.paths.key, original.paths.public_key, original.paths.witness),
        strict=True,
    ):
        mine.write_bytes(theirs.read_bytes())
    yield copy
    drop(servers, copy.name)


@pytest.fixture
def empty(servers, tmp_path):
    made = make_database(servers, tmp_path)
    yield made
    drop(servers, made.name)


def test_an_untouched_ledger_is_intact(original):
    report = original.verify(witness=True)
    assert report["ok"], report
    assert (report["events"], report["leaves"], report["pending"]) == (EVENTS, EVENTS, 0)
    assert report["tiles"] == EVENTS // 256
    assert report["checkpoints"] == 8  # seven of the ledger, one of the witness
    assert report["first_bad_leaf"] is None


def test_every_table_of_the_ledger_denies_changes_always(original):
    """A = also while session_replication_role says that triggers don't fire."""
    query = """
        SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'audit' AND NOT t.tgisinternal
    """
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'audit'"
    owner = "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'audit_owner'"
    members = "SELECT count(*) FROM pg_auth_members WHERE roleid = 'audit_owner'::regrole"
    owned = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'audit'"
    rights = """
        SELECT table_name, privilege_type FROM information_schema.role_table_grants
        WHERE table_schema = 'audit' AND grantee IN ('app', 'migrate', 'owner', 'PUBLIC')
          AND privilege_type <> 'SELECT'
    """
    with original.connect() as connection:
        found = connection.execute(query).fetchall()
        kept = {row[0] for row in connection.execute(tables)} - {"audit_queue"}
        assert connection.execute(owner).fetchone() == (False, False)
        assert connection.execute(members).fetchone() == (0,)
        assert connection.execute(owned).fetchall() == [("audit_owner",)]
        assert connection.execute(rights).fetchall() == []
    assert set(found) == {
        (table, name, "A") for table in kept for name in ("deny_change", "deny_truncate")
    }


def test_the_site_sees_the_events_of_one_team(empty):
    with empty.connect("app") as connection:
        for team in (1, 2, None):
            connection.execute(APPEND, [team, "run:1"])
        count = "SELECT count(*) FROM audit.audit_event"
        assert connection.execute(count).fetchone() == (0,)
        for scope, rows in (("1", 1), ("2", 1), ("3", 0), ("lab", 3), ("", 0)):
            connection.execute("SELECT set_config('quantsite.scope', %s, false)", [scope])
            assert connection.execute(count).fetchone() == (rows,), scope


STATEMENTS = [
    "UPDATE audit.audit_event SET actor = 'user:9'",
    "UPDATE audit.audit_leaf SET seq = seq + 1",
    "UPDATE audit.audit_checkpoint SET size = 1",
    "DELETE FROM audit.audit_event",
    "DELETE FROM audit.audit_leaf",
    "UPDATE audit.audit_key SET line = 'mine'",
    "TRUNCATE audit.audit_key",
    "TRUNCATE audit.audit_event CASCADE",
    "TRUNCATE audit.audit_checkpoint",
    "INSERT INTO audit.audit_event SELECT * FROM audit.audit_event LIMIT 1",
    "ALTER TABLE audit.audit_event DISABLE TRIGGER ALL",
    "DROP TABLE audit.audit_tile",
    "SET ROLE audit_owner",
    "CREATE OR REPLACE FUNCTION audit.deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN END $$",
    "SET session_replication_role = replica",
]


@pytest.mark.parametrize("role", ["app", "sequencer", "migrate"])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_role_of_the_lab_changes_the_past(role, statement, original):
    with original.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_sequencer_writes_no_events_and_the_site_no_leaves(original):
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with original.connect("sequencer") as connection, refused:
        connection.execute(APPEND, [1, "run:1"])
    with original.connect("app") as connection:
        for statement in (
            "DELETE FROM audit.audit_queue",
            "INSERT INTO audit.audit_leaf VALUES (999, gen_random_uuid(), '')",
            "INSERT INTO audit.audit_checkpoint VALUES (999, '', now(), '')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


@pytest.mark.parametrize("mode", ["origin", "replica"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.audit_event SET actor = 'user:9'",
        "DELETE FROM audit.audit_leaf",
        "TRUNCATE audit.audit_checkpoint",
    ],
)
def test_even_a_superuser_meets_the_triggers(mode, statement, original):
    with original.connect() as connection:
        connection.execute(f"SET session_replication_role = {mode}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grows"):
            connection.execute(statement)


def event_at(seq):
    return f"(SELECT event_id FROM audit.audit_leaf WHERE seq = {seq})"


def test_a1_an_edited_event_is_named(ledger):
    ledger.tamper(f"UPDATE audit.audit_event SET body = '{{}} ' WHERE id = {event_at(123)}")
    report = ledger.verify()
    assert not report["ok"]
    assert report["first_bad_leaf"] == 123


@pytest.mark.parametrize(("seq", "named"), [(123, 123), (650, 600)])
def test_a2_an_edited_event_with_its_leaf_is_found(seq, named, ledger):
    # Leaf 123 lies in a finished tile and is named; 650 is bounded by its checkpoint.
    edit = f"UPDATE audit.audit_event SET actor = 'user:9' WHERE id = {event_at(seq)}"
    ledger.tamper(edit)
    with ledger.connect() as connection:
        rows = {row.seq: row for row in leaves(connection)}
    digest = chain.hash_event(rows[seq].event).hex()
    ledger.tamper(f"UPDATE audit.audit_leaf SET leaf_hash = '\\x{digest}' WHERE seq = {seq}")
    report = ledger.verify()
    assert not report["ok"]
    assert report["first_bad_leaf"] == min(named, seq)
    assert any("differ from what was signed" in p["what"] for p in report["problems"])


def leaves(connection):
    with connection.transaction():
        return list(store.read_leaves(connection))


def test_a3_a_cut_tail_is_found(ledger):
    ledger.tamper("DELETE FROM audit.audit_leaf WHERE seq >= 690")
    report = ledger.verify()
    assert report["first_bad_leaf"] == 690
    assert "leaves end at 690" in report["problems"][0]["what"]
    assert report["orphans"] == 10


def test_a4_a_rolled_back_ledger_is_found_by_the_witness_alone(ledger):
    ledger.tamper(
        "DELETE FROM audit.audit_checkpoint WHERE size > 500",
        "CREATE TEMP TABLE gone AS SELECT event_id FROM audit.audit_leaf WHERE seq >= 500",
        "DELETE FROM audit.audit_leaf WHERE seq >= 500",
        "DELETE FROM audit.audit_tile WHERE idx = 1",
        "DELETE FROM audit.audit_event WHERE id IN (SELECT event_id FROM gone)",
    )
    assert ledger.verify()["ok"]
    report = ledger.verify(witness=True)
    assert report["first_bad_leaf"] == 500
    assert "witness's checkpoint signed 700" in report["problems"][0]["what"]
    kept = ledger.paths.witness.read_text()
    ledger.append(300)
    assert ledger.sequence() is False
    assert ledger.paths.witness.read_text() == kept
    assert not ledger.verify(witness=True)["ok"]


def test_a5_a_deleted_middle_event_is_named(ledger):
    ledger.tamper(f"DELETE FROM audit.audit_event WHERE id = {event_at(300)}")
    report = ledger.verify()
    assert report["first_bad_leaf"] == 300
    assert "is gone" in report["problems"][0]["what"]


def test_a5_a_deleted_middle_leaf_is_named(ledger):
    ledger.tamper("DELETE FROM audit.audit_leaf WHERE seq = 300")
    assert ledger.verify()["first_bad_leaf"] == 300


@pytest.mark.parametrize("whole", [False, True])
def test_a6_two_swapped_leaves_are_found(whole, ledger):
    turn = "CASE seq WHEN 40 THEN 41 ELSE 40 END"
    swap = f"UPDATE audit.audit_leaf SET seq = {turn} WHERE seq IN (40, 41)"
    if whole:
        ledger.tamper("ALTER TABLE audit.audit_leaf DROP CONSTRAINT audit_leaf_pkey", swap)
    else:
        ledger.tamper(
            f"CREATE TEMP TABLE a AS SELECT {event_at(40)} AS one, {event_at(41)} AS two",
            "ALTER TABLE audit.audit_leaf DROP CONSTRAINT audit_leaf_event_id_key",
            "UPDATE audit.audit_leaf SET event_id = CASE seq WHEN 40 THEN (SELECT two FROM a)"
            " ELSE (SELECT one FROM a) END WHERE seq IN (40, 41)",
        )
    report = ledger.verify()
    assert not report["ok"]
    assert report["first_bad_leaf"] <= 40


def rewrite(ledger, paths):
    """Make the whole tree anew over changed events."""
    ledger.tamper(
        "DELETE FROM audit.audit_checkpoint",
        "DELETE FROM audit.audit_key",
        "DELETE FROM audit.audit_tile",
        "DELETE FROM audit.audit_leaf",
        "UPDATE audit.audit_event SET actor = 'user:9' WHERE subject = 'run:5'",
        "INSERT INTO audit.audit_queue SELECT id FROM audit.audit_event",
    )
    with ledger.connect() as connection:
        sequencer = sequencing.open_sequencer(connection, paths, ORIGIN)
        while sequencer.step(100):
            pass


def test_a7_a_rewrite_under_another_key_is_found(ledger, tmp_path):
    rewrite(ledger, Paths(tmp_path / "k2", tmp_path / "p2", tmp_path / "w2"))
    report = ledger.verify()
    assert not report["ok"]
    assert report["first_bad_leaf"] == 0
    assert "not to be trusted" in report["problems"][0]["what"]


def test_a8_a_rewrite_with_the_stolen_key_is_found_by_the_witness_alone(ledger):
    rewrite(ledger, ledger.paths)
    assert ledger.verify()["ok"]
    assert not ledger.verify(witness=True)["ok"]


def test_a_changed_tile_is_found(ledger):
    ledger.tamper(
        "UPDATE audit.audit_tile SET hashes = set_byte(hashes, 33, get_byte(hashes, 33) # 1)"
        " WHERE idx = 1"
    )
    assert ledger.verify()["first_bad_leaf"] == 257


def test_an_event_that_fell_out_of_the_queue_is_found(ledger):
    ledger.append(1)
    ledger.tamper("DELETE FROM audit.audit_queue")
    report = ledger.verify()
    assert not report["ok"]
    assert report["orphans"] == 1


def test_waiting_events_are_no_fault(ledger):
    ledger.append(3)
    report = ledger.verify()
    assert (report["ok"], report["pending"]) == (True, 3)


def test_the_sequencer_refuses_a_ledger_that_disagrees_with_its_head(ledger):
    ledger.tamper("DELETE FROM audit.audit_leaf WHERE seq = 699")
    with ledger.connect("sequencer") as connection, pytest.raises(LedgerDamaged, match="699"):
        ledger.open(connection)


def test_the_sequencer_refuses_a_gap(ledger):
    ledger.tamper("DELETE FROM audit.audit_leaf WHERE seq = 5")
    with ledger.connect("sequencer") as connection, pytest.raises(LedgerDamaged, match="leaf 5"):
        ledger.open(connection)


def test_the_sequencer_refuses_a_ledger_without_the_heads_it_signed(ledger):
    ledger.tamper(
        "DELETE FROM audit.audit_checkpoint",
        "DELETE FROM audit.audit_leaf",
        "DELETE FROM audit.audit_tile",
    )
    with ledger.connect("sequencer") as connection, pytest.raises(LedgerDamaged, match="no head"):
        ledger.open(connection)


def test_the_sequencer_refuses_another_key(ledger):
    sequencing.load_key(ledger.paths.key.with_name("other"), may_create=True)
    ledger.paths.key.unlink()
    ledger.paths.key.with_name("other").rename(ledger.paths.key)
    with (
        ledger.connect("sequencer") as connection,
        pytest.raises(LedgerDamaged, match="signature"),
    ):
        ledger.open(connection)


def test_a_lost_key_is_never_made_anew(ledger):
    ledger.paths.key.unlink()
    with ledger.connect("sequencer") as connection, pytest.raises(Unavailable, match="is gone"):
        ledger.open(connection)
    assert not ledger.paths.key.exists()


def test_a_broken_key_file_is_told(tmp_path):
    path = tmp_path / "key"
    path.write_text("not a key")
    with pytest.raises(Unavailable, match="can't be read"):
        sequencing.load_key(path, may_create=True)


def test_a_second_sequencer_is_turned_away(ledger):
    with ledger.connect("sequencer") as first, ledger.connect("sequencer") as second:
        ledger.open(first)
        with pytest.raises(Conflict, match="Another sequencer"):
            ledger.open(second)


def test_the_key_is_private(original):
    assert original.paths.key.stat().st_mode & 0o777 == 0o400


def test_an_undone_transaction_leaves_no_event(empty):
    with empty.connect("app") as connection:
        with connection.transaction(force_rollback=True):
            connection.execute(APPEND, [1, "run:1"])
        assert connection.execute("SELECT count(*) FROM audit.audit_queue").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM audit.audit_event").fetchone() == (0,)


def start_sequencer(ledger):
    environment = {
        **os.environ,
        "QUANTSITE_ENV": "test",
        "SEQUENCER_DATABASE_URL": ledger.dsn("sequencer"),
        "AUDIT_KEY_FILE": str(ledger.paths.key),
        "AUDIT_ORIGIN": ORIGIN,
        "LAB_HOME": str(ledger.paths.key.parent),
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "sequence_audit"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


BARE = """
import sys, time
from pathlib import Path
from apps.audit.services import Paths, sequence
paths = Paths(*map(Path, sys.argv[3:]))
sequence(dsn=sys.argv[1], paths=paths, origin=sys.argv[2],
         wait=lambda seconds: time.sleep(seconds), tell=lambda sequencer: None)
"""


def start_bare(ledger):
    """Start a sequencer without the site around it, which is quick."""
    paths = (ledger.paths.key, ledger.paths.public_key, ledger.paths.witness)
    command = [sys.executable, "-c", BARE, ledger.dsn("sequencer"), ORIGIN, *map(str, paths)]
    return subprocess.Popen(command, cwd=ROOT)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def wait_for(question, seconds=60):
    until = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def leaf_count(ledger):
    with ledger.connect("app") as connection:
        return connection.execute("SELECT count(*) FROM audit.audit_leaf").fetchone()[0]


def test_killing_the_sequencer_loses_nothing(empty):
    kept, stop = [], threading.Event()

    def write():
        while not stop.wait(0.02):
            kept.extend(empty.append(20))

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    generator = random.Random(5)  # noqa: S311 not for secrets
    try:
        for _ in range(4):
            before, running = leaf_count(empty), start_bare(empty)
            wait_for(lambda before=before: leaf_count(empty) > before)
            time.sleep(generator.uniform(0, 0.2))
            kill(running)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    running = start_bare(empty)
    wait_for(lambda: leaf_count(empty) == len(kept))
    kill(running)
    report = empty.verify(witness=True)
    assert report["ok"], report
    assert (report["events"], report["leaves"]) == (len(kept), len(kept))


def test_the_sequencer_reconnects_when_the_database_drops_it(empty):
    kept = empty.append(5)
    running = start_sequencer(empty)
    try:
        wait_for(lambda: leaf_count(empty) == 5)
        with empty.connect() as connection:
            query = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'sequencer' AND datname = %s"
            )
            assert connection.execute(query, [empty.name]).fetchall() == [(True,)]
        kept += empty.append(5)
        wait_for(lambda: leaf_count(empty) == len(kept))
    finally:
        running.terminate()
        assert running.wait(timeout=30) == 0


def verify_in_process(ledger, monkeypatch, *arguments):
    """Run the command here; return its exit status and what it wrote."""
    monkeypatch.setattr(verify_audit, "ledger", lambda: ledger.connect("app"))
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out, stderr=err)
    except SystemExit as stop:
        return stop.code, out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


def test_verify_audit_says_so_by_its_exit_status(ledger, tmp_path, monkeypatch, settings):
    settings.AUDIT_PUBLIC_KEY_FILE = tmp_path / "absent"
    key = ("--key", str(ledger.paths.public_key), "--witness", str(ledger.paths.witness))
    status, out, err = verify_in_process(ledger, monkeypatch, *key)
    assert (status, json.loads(out)["ok"]) == (0, True), err
    ledger.tamper(f"UPDATE audit.audit_event SET actor = 'user:9' WHERE id = {event_at(7)}")
    status, out, err = verify_in_process(ledger, monkeypatch, *key)
    assert (status, json.loads(out)["first_bad_leaf"]) == (1, 7)
    assert "leaf 7:" in err
    status, _, err = verify_in_process(ledger, monkeypatch)
    assert (status, "no public key" in err) == (2, True)
    broken = tmp_path / "broken"
    broken.write_text("nonsense")
    assert verify_in_process(ledger, monkeypatch, "--key", str(broken))[0] == 2
    absent = ("--key", key[1], "--witness", str(tmp_path / "absent"))
    assert verify_in_process(ledger, monkeypatch, *absent)[0] == 2


def test_a_restored_backup_is_explained(ledger, monkeypatch):
    key = ("--key", str(ledger.paths.public_key), "--witness", str(ledger.paths.witness))
    ledger.tamper(
        "DELETE FROM audit.audit_checkpoint WHERE size > 600",
        "CREATE TEMP TABLE gone AS SELECT event_id FROM audit.audit_leaf WHERE seq >= 600",
        "DELETE FROM audit.audit_leaf WHERE seq >= 600",
        "DELETE FROM audit.audit_event WHERE id IN (SELECT event_id FROM gone)",
    )
    status, _, err = verify_in_process(ledger, monkeypatch, *key)
    assert status == 1
    assert "If an older backup was restored on purpose, accept the loss" in err


def test_verify_audit_reads_the_database_it_is_given(ledger):
    environment = {
        **os.environ,
        "QUANTSITE_ENV": "test",
        "DATABASE_URL": ledger.dsn("app"),
        "LAB_HOME": str(ledger.paths.key.parent),
    }
    command = [sys.executable, "manage.py", "verify_audit", "--key", str(ledger.paths.public_key)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["leaves"] == EVENTS
