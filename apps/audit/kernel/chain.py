"""What a leaf is made of, and signed tree heads (C2SP tlog-checkpoint, signed-note; Ed25519)."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from apps.audit.kernel.merkle import leaf_hash

FORMAT = b"quantsite-audit/v1"
ED25519 = b"\x01"
KEY_ID_BYTES = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DASH = "\u2014"


class Event(NamedTuple):
    """An event's columns, as they go into its leaf."""

    id: UUID
    at: datetime
    acted_at: datetime
    db_user: str
    team_id: int | None
    actor: str
    role: str
    action: str
    subject: str
    body: bytes


def microseconds(at: datetime) -> int:
    """Return whole microseconds since 1970, exactly."""
    delta = at - EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def leaf_data(event: Event) -> bytes:
    """Return the bytes of a leaf: every column, each with its length, so none can flow over."""
    team = b"" if event.team_id is None else struct.pack(">q", event.team_id)
    fields = (
        event.id.bytes,
        struct.pack(">q", microseconds(event.at)),
        struct.pack(">q", microseconds(event.acted_at)),
        event.db_user.encode(),
        team,
        event.actor.encode(),
        event.role.encode(),
        event.action.encode(),
        event.subject.encode(),
        bytes(event.body),
    )
    return FORMAT + b"".join(struct.pack(">I", len(field)) + field for field in fields)


def hash_event(event: Event) -> bytes:
    """Return the leaf hash of an event."""
    return leaf_hash(leaf_data(event))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: which log, how many leaves, which root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def raw_public(key: Ed25519PublicKey) -> bytes:
    """Return the 32 bytes of a public key."""
    return key.public_bytes_raw()


def key_id(name: str, public: bytes) -> bytes:
    """Return the four bytes by which a signature names its key."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:KEY_ID_BYTES]


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """Return the signed note of a checkpoint; the key goes by the name of the log."""
    text = checkpoint.text()
    return f"{text}\n{signature_line(text, checkpoint.origin, key)}"


def signature_line(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return the line by which a key of this name signs a text."""
    signature = key_id(name, raw_public(key.public_key())) + key.sign(text.encode())
    return f"{DASH} {name} {base64.b64encode(signature).decode()}\n"


def verifier_key(name: str, key: Ed25519PublicKey) -> str:
    """Return a public key as one line: ``name+id+base64`` (C2SP signed-note)."""
    public = raw_public(key)
    encoded = base64.b64encode(ED25519 + public).decode()
    return f"{name}+{key_id(name, public).hex()}+{encoded}"


def decode(text: str) -> bytes:
    """Return the bytes of base64 in its one canonical spelling. Raises ValueError."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        message = "not base64"
        raise ValueError(message) from error
    if base64.b64encode(data).decode() != text:
        message = "not canonical base64"
        raise ValueError(message)
    return data


def split_key(line: str) -> tuple[str, str, bytes]:
    """Return name, id and bytes of a key line. Raises ValueError."""
    name, _, rest = line.strip().partition("+")
    identity, _, encoded = rest.partition("+")
    return name, identity, decode(encoded)


def read_verifier_key(line: str) -> tuple[str, Ed25519PublicKey]:
    """Return name and public key of a line. Raises ValueError when it is not such a line."""
    name, identity, data = split_key(line)
    if data[:1] != ED25519 or key_id(name, data[1:]).hex() != identity:
        message = "not an Ed25519 verifier key: name+id+base64 expected"
        raise ValueError(message)
    return name, Ed25519PublicKey.from_public_bytes(data[1:])


def open_note(note: str, name: str, key: Ed25519PublicKey) -> Checkpoint:
    """Return the checkpoint of a note that ``key`` signed. Raises ValueError otherwise."""
    text, gap, signatures = note.partition("\n\n")
    checkpoint = read_text(text)
    if not gap or checkpoint.origin != name:
        message = f"the note is of {checkpoint.origin!r}, expected {name!r}"
        raise ValueError(message)
    if not is_signed(f"{text}\n", signatures.splitlines(), name, key):
        message = f"the checkpoint of size {checkpoint.size} has no valid signature by {name}"
        raise ValueError(message)
    return checkpoint


def read_text(text: str) -> Checkpoint:
    """Return the checkpoint that a note's text states. Raises ValueError when it states none."""
    lines = text.split("\n")
    try:
        origin, size, root = lines[:3]
        digest = decode(root)
        number = int(size)
    except ValueError as error:
        message = "a note is three lines: origin, size, root"
        raise ValueError(message) from error
    if len(digest) != sha256().digest_size or str(number) != size or number < 0:
        message = "a note's size is a plain number and its root 32 bytes"
        raise ValueError(message)
    return Checkpoint(origin, number, digest)


def is_signed(text: str, lines: Iterable[str], name: str, key: Ed25519PublicKey) -> bool:
    """Tell whether one of a note's signature lines is by this key."""
    head = f"{DASH} {name} "
    identity = key_id(name, raw_public(key))
    for line in lines:
        if not line.startswith(head):
            continue
        try:
            data = decode(line.removeprefix(head))
            key.verify(data[KEY_ID_BYTES:], text.encode())
        except (ValueError, InvalidSignature):
            continue
        if data[:KEY_ID_BYTES] == identity:
            return True
    return False
