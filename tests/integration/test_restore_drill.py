"""A backup is restored for trial: good ones are told from those that would bring nothing back."""

import json
from datetime import timedelta

import psycopg
import pytest

from apps.audit import selectors, tasks
from apps.audit.services import drills
from apps.core.actors import system
from apps.core.errors import Denied, Unavailable
from apps.core.lab import upgrade
from apps.core.lab.home import Home
from apps.ops import selectors as ops
from tests.integration.test_audit_attacks import drop, make_database


@pytest.fixture(scope="module")
def ledger(servers, tmp_path_factory):
    made = make_database(servers, tmp_path_factory.mktemp("drilled"))
    made.append(300)
    made.sequence()
    with made.connect() as connection:
        connection.execute("CREATE TABLE public.thing AS SELECT generate_series(1, 50) AS n")
    yield made
    drop(servers, made.name)


@pytest.fixture
def home(tmp_path, settings):
    settings.LAB_HOME = tmp_path / "lab"
    found = Home(settings.LAB_HOME)
    found.prepare()
    return found


@pytest.fixture
def backup(ledger, home, now):
    return upgrade.dump(ledger.dsn(), home, now=now)


def try_backup(ledger, backup):
    return drills.try_backup(ledger.dsn(), backup, selectors.key_ring(ledger.paths.public_key))


def scratch_databases(ledger):
    with ledger.connect() as connection:
        query = "SELECT count(*) FROM pg_database WHERE datname LIKE '%_drill'"
        return connection.execute(query).fetchone()[0]


def test_a_good_backup_keeps_rows_and_proofs(ledger, backup):
    note = json.loads(upgrade.note_of(backup).read_text())
    assert note["rows"]["public.thing"] == 50
    assert note["rows"]["audit.audit_event"] >= 300
    ledger.append(5)
    ledger.sequence()
    found = try_backup(ledger, backup)
    assert found.problems == ()
    assert (found.leaves, found.rows) == (300, sum(note["rows"].values()))
    assert scratch_databases(ledger) == 0


def test_a_restored_copy_verifies_and_still_denies_changes(ledger, home, now):
    """Bring it back in place: proofs hold, the newer kept head tells that events are gone."""
    file = upgrade.dump(ledger.dsn(), home, now=now)
    before = ledger.verify(witness=True)
    ledger.append(7)
    ledger.sequence()
    aside = upgrade.restore(ledger.dsn(), file, now=now)
    try:
        report = ledger.verify()
        assert report["ok"], report
        assert (report["leaves"], report["root"]) == (before["leaves"], before["root"])
        late = ledger.verify(witness=True)
        assert late["first_bad_leaf"] == before["leaves"]
        with ledger.connect() as connection:
            connection.execute("SET session_replication_role = replica")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM audit.audit_event")
        assert ledger.sequence() is False, "the sequencer keeps the head that knows more"
    finally:
        drop(ledger.servers, aside)
    # The tests after this one begin with a head that agrees.
    ledger.paths.witness.unlink()
    ledger.sequence()


def test_a_broken_backup_is_told(ledger, backup, tmp_path):
    data = backup.read_bytes()
    backup.write_bytes(data[: len(data) // 2])
    assert try_backup(ledger, backup).problems
    backup.write_bytes(b"nonsense")
    assert "no dump" in try_backup(ledger, backup).problems[0]
    backup.unlink()
    assert "can't be read" in try_backup(ledger, backup).problems[0]
    assert scratch_databases(ledger) == 0


def test_a_backup_that_lacks_rows_is_told(ledger, backup):
    note = upgrade.note_of(backup)
    told = json.loads(note.read_text())
    told["rows"] |= {"public.thing": 51, "public.gone": 1}
    note.write_text(json.dumps(told))
    assert set(try_backup(ledger, backup).problems) == {
        "public.thing has 50 rows, it had 51",
        "public.gone has no rows, it had 1",
    }


def test_a_backup_of_another_history_is_told(servers, ledger, backup, tmp_path):
    other = make_database(servers, tmp_path / "other")
    (tmp_path / "other").mkdir()
    try:
        other.paths.key.write_bytes(ledger.paths.key.read_bytes())
        other.append(300)
        other.sequence()
        ring = selectors.key_ring(ledger.paths.public_key)
        found = drills.try_backup(other.dsn(), backup, ring)
        assert any("does not extend" in problem for problem in found.problems)
    finally:
        drop(servers, other.name)


# When it is due, who is told.


@pytest.fixture
def drilled(ledger, backup, settings, monkeypatch):
    settings.AUDIT_PUBLIC_KEY_FILE = ledger.paths.public_key
    monkeypatch.setattr(drills, "administrator", ledger.dsn)


@pytest.mark.django_db
def test_a_drill_is_recorded_and_a_failure_degrades_health(drilled, backup, now, actor):
    with pytest.raises(Denied):
        drills.drill(actor=actor("trader"), now=now)
    drills.drill(actor=system("tests"), now=now)
    assert selectors.last_drill().action == "backup.drilled"
    assert ops.check_backups().status == "ok"
    backup.write_bytes(b"PGDMP nonsense")
    drills.drill(actor=system("tests"), now=now)
    event = selectors.last_drill()
    assert (event.action, event.team_id) == ("backup.drill_failed", None)
    state = ops.check_backups()
    assert (state.status, backup.name in state.summary) == ("degraded", True)


@pytest.mark.django_db
def test_the_periodic_drill_makes_a_backup_when_the_last_is_old(drilled, home, backup, settings):
    for file in home.backups.iterdir():
        file.unlink()
    settings.RESTORE_DRILL_HOURS = 0
    assert tasks.drill_restore() is False
    settings.RESTORE_DRILL_HOURS = 24
    assert tasks.drill_restore() is True
    (made,) = upgrade.list_backups(home)
    assert made.name.endswith("-daily.dump")
    assert selectors.last_drill().content["file"] == made.name
    assert tasks.drill_restore() is False, "not twice a day"
    at = selectors.last_drill().at
    later = at + timedelta(hours=25)
    assert drills.drill_when_due(actor=system("tests"), now=later).problems == ()


@pytest.mark.django_db
def test_without_backup_or_administrator_nothing_is_claimed(home, settings, monkeypatch, now):
    monkeypatch.setattr(drills, "administrator", lambda: "")
    assert drills.drill_when_due(actor=system("tests"), now=now + timedelta(days=900)) is None
    with pytest.raises(Unavailable, match="no backup"):
        drills.drill(actor=system("tests"), now=now)
