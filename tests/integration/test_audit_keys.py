"""Changes of the signing key: handed over, lost, from the environment; old proofs hold."""

import io

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command

from apps.audit import selectors, store
from apps.audit.errors import LedgerDamaged
from apps.audit.kernel import chain, keys, witness
from apps.audit.services import Paths
from apps.audit.services import keys as key_files
from apps.audit.services import sequencer as sequencing
from apps.core import clock
from tests.factories import ledger as ledger_files
from tests.integration.test_audit import record
from tests.integration.test_audit_attacks import ORIGIN, drop, make_database


@pytest.fixture
def ledger(servers, tmp_path):
    made = make_database(servers, tmp_path)
    made.append(10)
    made.sequence()
    yield made
    drop(servers, made.name)


def go_on(ledger, count=5):
    """Append, place, and let the sequencer look for a next key, as its loop does."""
    ledger.append(count)
    with ledger.connect("sequencer") as connection:
        sequencer = ledger.open(connection)
        while sequencer.step():
            sequencing.take_next_key(sequencer, ledger.paths)
        sequencing.keep_witness(sequencer, ledger.paths.witness)


def verify_with(ledger, text):
    with ledger.connect("app") as connection:
        notes = [row.note for row in store.read_keys(connection)]
        return selectors.verify_ledger(connection, keys.read_ring(text, notes))


def test_a_key_is_handed_over_and_both_sides_verify_all(ledger):
    first = ledger.paths.public_key.read_text()
    key_files.create_key(ledger.paths.next_key)
    go_on(ledger)
    go_on(ledger)
    assert not ledger.paths.next_key.exists()
    published = ledger.paths.public_key.read_text()
    assert published.splitlines()[0] != first.strip()
    assert ledger.verify(witness=True)["ok"]
    ring = keys.read_ring(published)
    assert [(key.after, key.until) for key in ring.keys] == [(0, 15), (15, None)]
    # Who trusts only the first key comes to the second by the note that both signed.
    assert verify_with(ledger, first)["ok"]
    with ledger.connect("app") as connection, connection.transaction():
        heads = list(store.read_heads(connection))
    for head in heads:
        with pytest.raises(ValueError, match="no valid signature"):
            chain.open_note(head.note, ORIGIN, ring.keys[head.size <= 15].public)


def test_an_old_key_signs_nothing_more(ledger):
    stolen = key_files.load_key(ledger.paths.key, may_create=False)
    key_files.create_key(ledger.paths.next_key)
    go_on(ledger)
    ring = selectors.key_ring(ledger.paths.public_key)
    forged = chain.sign(chain.Checkpoint(ORIGIN, 16, bytes(32)), stolen)
    with pytest.raises(ValueError, match="no valid signature"):
        ring.open(forged)


def test_a_change_that_was_cut_off_is_finished(ledger):
    key_files.create_key(ledger.paths.next_key)
    following = key_files.load_key(ledger.paths.next_key, may_create=False)
    with ledger.connect("sequencer") as connection:
        assert ledger.open(connection).hand_over(following, ledger.paths)
    assert ledger.paths.next_key.exists(), "killed before the file was renamed"
    go_on(ledger)
    assert not ledger.paths.next_key.exists()
    assert ledger.verify(witness=True)["ok"]


def test_two_changes_wait_for_a_leaf_between_them(ledger):
    for _ in range(2):
        key_files.create_key(ledger.paths.next_key)
        with ledger.connect("sequencer") as connection:
            sequencing.take_next_key(ledger.open(connection), ledger.paths)
    assert ledger.paths.next_key.exists()
    go_on(ledger)
    assert not ledger.paths.next_key.exists()
    assert len(selectors.key_ring(ledger.paths.public_key).keys) == 3
    assert ledger.verify()["ok"]


def test_a_backup_from_before_a_change_of_keys_goes_on(ledger):
    key_files.create_key(ledger.paths.next_key)
    with ledger.connect("sequencer") as connection:
        sequencing.take_next_key(ledger.open(connection), ledger.paths)
    ledger.tamper("DELETE FROM audit.audit_key WHERE after > 0")  # as the dump had it
    go_on(ledger)
    assert ledger.verify()["ok"]
    assert [key.after for key in selectors.key_ring(ledger.paths.public_key).keys] == [0, 10]
    ledger.tamper("UPDATE audit.audit_key SET line = replace(line, '+', '-') WHERE after > 0")
    with ledger.connect("sequencer") as connection, pytest.raises(LedgerDamaged):
        ledger.open(connection)


def test_after_a_lost_key_old_proofs_hold_for_who_gets_the_new_key(ledger):
    first = ledger.paths.public_key.read_text()
    ledger.paths.key.unlink()
    key_files.create_key(ledger.paths.key)
    with ledger.connect("sequencer") as connection, pytest.raises(LedgerDamaged):
        ledger.open(connection)
    ledger.paths.lost.write_text("the disk burnt\n")
    go_on(ledger)
    assert not ledger.paths.lost.exists()
    assert ledger.verify(witness=True)["ok"]
    # The old key can't vouch for one it never met: who has only that sees the new heads unproved.
    report = verify_with(ledger, first)
    assert not report["ok"]
    assert report["first_bad_leaf"] == 10


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def test_the_key_of_the_environment_follows_the_one_before(ledger):
    before = key_files.load_key(ledger.paths.key, may_create=False)
    new = Ed25519PrivateKey.generate()
    files = (ledger.paths.key, ledger.paths.public_key, ledger.paths.witness)
    ledger.paths = Paths(*files, pem(new))
    with ledger.connect("sequencer") as connection, pytest.raises(LedgerDamaged):
        ledger.open(connection)
    ledger.paths = Paths(*files, pem(new), pem(before))
    go_on(ledger)
    line = chain.verifier_key(ORIGIN, new.public_key())
    assert ledger.paths.public_key.read_text().splitlines()[0] == line
    assert ledger.verify(witness=True)["ok"]


@pytest.mark.django_db
def test_a_change_of_keys_is_recorded_with_its_reason(actor, now, tmp_path, settings):
    from apps.audit import services
    from apps.audit.models import AuditEvent
    from apps.core.actors import system
    from apps.core.errors import Conflict, Denied, Invalid

    settings.AUDIT_ORIGIN = ORIGIN
    asked = {"key": tmp_path / "key", "lost": False, "now": now}
    with pytest.raises(Denied):
        services.change_key(actor=actor("trader"), reason="a yearly change", **asked)
    with pytest.raises(Invalid):
        services.change_key(actor=system("tests"), reason="why", **asked)
    line = services.change_key(actor=system("tests"), reason="a yearly change", **asked)
    event = AuditEvent.objects.filter(action="ledger.key_changed").latest("at")
    assert event.content == {"new": line, "reason": "a yearly change", "lost": False}
    assert (tmp_path / "key_next").stat().st_mode & 0o777 == 0o400
    with pytest.raises(Conflict):
        services.change_key(actor=system("tests"), reason="a yearly change", **asked)


# Witnesses.


@pytest.fixture
def log(live_db, servers, settings, actor, now):
    """The ledger of the lab's own database, with some heads; gives a way to grow it."""
    paths = ledger_files.paths_of(servers, settings)

    def grow():
        for _ in range(3):
            record(actor("researcher"), now)
        ledger_files.place_all(servers, settings, paths)
        return paths

    yield grow
    paths.witness.unlink(missing_ok=True)


def look(folder, *more):
    out = io.StringIO()
    call_command("witness_audit", "--folder", str(folder), "--name", "w.test/w", *more, stdout=out)
    return out.getvalue()


def test_a_witness_cosigns_what_grows_and_nothing_that_shrank(log, tmp_path):
    paths = log()
    assert "cosigned" in look(tmp_path)
    assert "cosigned" not in look(tmp_path)
    first = (tmp_path / "checkpoint").read_text()
    log()
    assert "cosigned" in look(tmp_path)
    note = (tmp_path / "checkpoint").read_text()
    name, key = witness.read_witness_key((tmp_path / "public_key").read_text())
    assert witness.read_cosignature(note, name, key) > 0
    ring = selectors.key_ring(paths.public_key)
    assert ring.open(note).size == ring.open(first).size + 3
    assert selectors.read_witness(tmp_path / "checkpoint", ring).source == "witness"
    # The log once showed this witness more than it shows now.
    log_key = key_files.load_key(paths.key, may_create=False)
    more = chain.sign(chain.Checkpoint(ring.name, 10**9, bytes(32)), log_key)
    (tmp_path / "checkpoint").write_text(more)
    with pytest.raises(CommandError, match="NOT COSIGNED"):
        look(tmp_path)
    assert (tmp_path / "checkpoint").read_text() == more


def test_a_witness_elsewhere_reads_over_rest_and_trusts_its_own_key(log, tmp_path, api_as):
    from apps.audit.services import witnessing

    paths, client = log(), api_as("auditor")

    class ByClient(witnessing.Site):
        def _get(self, path):
            answer = client.get(path)
            assert answer.status_code == 200, answer.content
            return answer.json()

    files = witnessing.Files(tmp_path / "key", tmp_path / "public", tmp_path / "note")
    asked = {"source": ByClient("", ""), "name": "w", "files": files, "now": clock.now()}
    trusted = paths.public_key.read_text()
    assert witnessing.witness_head(log_key=trusted, **asked).is_new
    log()
    assert witnessing.witness_head(log_key=trusted, **asked).is_new
    assert client.get("/api/v1/audit/consistency?old=3&new=1").status_code == 422
    stranger = Ed25519PrivateKey.generate().public_key()
    other = chain.verifier_key(selectors.head().origin, stranger)
    with pytest.raises(ValueError, match="no valid signature"):
        witnessing.witness_head(log_key=other, **asked)
    for missing in (["--url", "http://127.0.0.1:9"], ["--log-key", str(tmp_path / "absent")]):
        with pytest.raises(CommandError):
            look(tmp_path / "else", *missing)
