"""Leaves and signed heads."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.audit.kernel import chain

AT = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)
EVENT = chain.Event(
    UUID(int=7), AT, AT, "app", 3, "user:1", "researcher", "run.created", "run:1", b"{}"
)
NAME = "example.test/audit"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
CHECKPOINT = chain.Checkpoint(NAME, 42, bytes(range(32)))


@pytest.mark.parametrize(
    "change",
    [
        {"id": UUID(int=8)},
        {"at": AT + timedelta(microseconds=1)},
        {"acted_at": AT + timedelta(microseconds=1)},
        {"db_user": "admin"},
        {"team_id": None},
        {"team_id": 0},
        {"actor": "user:2"},
        {"role": "admin"},
        {"action": "run.deleted"},
        {"subject": "run:2"},
        {"body": b"{ }"},
        {"actor": "user:1r", "role": "esearcher"},
        {"action": "run.create", "subject": "drun:1"},
    ],
)
def test_every_column_is_in_the_leaf(change):
    assert chain.hash_event(EVENT._replace(**change)) != chain.hash_event(EVENT)


def test_the_zone_a_time_is_told_in_does_not_matter():
    there = AT.astimezone(timezone(timedelta(hours=2)))
    assert chain.hash_event(EVENT._replace(at=there)) == chain.hash_event(EVENT)


def test_microseconds_are_exact():
    assert chain.microseconds(AT) == 1767614400123456


def test_a_signed_note_opens_with_its_key():
    note = chain.sign(CHECKPOINT, KEY)
    assert chain.open_note(note, NAME, PUBLIC) == CHECKPOINT
    # The three lines of C2SP tlog-checkpoint, a blank line, one signature.
    assert note.split("\n")[:2] == [NAME, "42"]
    assert note.split("\n")[4].startswith(f"\u2014 {NAME} ")


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda note: note.replace("\n42\n", "\n43\n"),
        lambda note: note.replace("\n42\n", "\n042\n"),
        lambda note: note.replace("\n42\n", "\n-42\n"),
        lambda note: note.replace("AAEC", "AAED"),
        lambda note: note.replace(f"{NAME}\n", "other.test/audit\n", 1),
        lambda note: note.partition("\n\n")[0],
        lambda note: note.partition("\n\n")[0] + "\n\n",
        lambda note: note.replace("\u2014 ", "- "),
        lambda note: note[:-10] + "AAAAAAAA=\n",
        lambda note: note[:0],
        lambda note: f"a\nb\nc\n\n{note}",
    ],
)
def test_a_corrupted_note_is_refused(corrupt):
    with pytest.raises(ValueError, match=r"\w"):
        chain.open_note(corrupt(chain.sign(CHECKPOINT, KEY)), NAME, PUBLIC)


def test_a_note_of_another_key_is_refused():
    with pytest.raises(ValueError, match="no valid signature"):
        chain.open_note(chain.sign(CHECKPOINT, Ed25519PrivateKey.generate()), NAME, PUBLIC)


def test_an_unknown_cosignature_does_no_harm():
    note = chain.sign(CHECKPOINT, KEY) + "\u2014 witness.test AAAAAAAA\n"
    assert chain.open_note(note, NAME, PUBLIC) == CHECKPOINT


def test_the_key_id_is_that_of_the_published_example():
    # C2SP signed-note, section "Verifier keys": PeterNeumann+c74f20a3+ARpc2Q…
    line = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    name, key = chain.read_verifier_key(line)
    assert name == "PeterNeumann"
    assert chain.verifier_key(name, key) == line


def test_a_published_example_note_opens():
    # The note of golang.org/x/mod/sumdb/note's documentation, signed by PeterNeumann.
    key = chain.read_verifier_key(
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )[1]
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is."
    )
    signature = (
        "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvq"
        "fqdngotpRZb6KE6RyyBwJnAM="
    )
    assert chain.is_signed(f"{text}\n", [signature], "PeterNeumann", key)


@pytest.mark.parametrize("line", ["", "a+b+c", "name+00000000+AAAA", "name+c74f20a3+%%%"])
def test_a_bad_verifier_key_is_refused(line):
    with pytest.raises(ValueError, match=r"\w"):
        chain.read_verifier_key(line)
