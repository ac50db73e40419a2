"""A witness: somebody else who signs a head, having seen that it extends the last (C2SP).

References
----------
C2SP tlog-cosignature (cosignature/v1, Ed25519), tlog-witness, signed-note.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from apps.audit.kernel import chain, merkle
from apps.audit.kernel.keys import KeyRing

COSIGNATURE = b"\x04"
TIME_BYTES = 8


class NotExtended(ValueError):
    """The head does not extend what the witness saw before: it cosigns nothing."""


def key_id(name: str, public: bytes) -> bytes:
    """Return the four bytes by which a cosignature names its key."""
    return sha256(name.encode() + b"\n" + COSIGNATURE + public).digest()[: chain.KEY_ID_BYTES]


def witness_key(name: str, key: Ed25519PublicKey) -> str:
    """Return a witness's public key as one line: ``name+id+base64``."""
    public = chain.raw_public(key)
    encoded = base64.b64encode(COSIGNATURE + public).decode()
    return f"{name}+{key_id(name, public).hex()}+{encoded}"


def read_witness_key(line: str) -> tuple[str, Ed25519PublicKey]:
    """Return name and public key of such a line. Raises ValueError when it is none."""
    name, identity, data = chain.split_key(line)
    if data[:1] != COSIGNATURE or key_id(name, data[1:]).hex() != identity:
        message = "not a witness's key: name+id+base64 of an Ed25519 cosignature key expected"
        raise ValueError(message)
    return name, Ed25519PublicKey.from_public_bytes(data[1:])


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def cosign(note: str, name: str, key: Ed25519PrivateKey, *, seconds: int) -> str:
    """Return the note with the witness's line in place of what else stands below the log's own.

    ``seconds`` is the time since 1970 at which the witness saw the head.
    """
    text, _, signatures = note.partition("\n\n")
    own = signatures.splitlines(keepends=True)[0]
    stamp = struct.pack(">Q", seconds)
    identity = key_id(name, chain.raw_public(key.public_key()))
    data = identity + stamp + key.sign(_message(f"{text}\n", seconds))
    line = f"{chain.DASH} {name} {base64.b64encode(data).decode()}\n"
    return f"{text}\n\n{own}{line}"


def read_cosignature(note: str, name: str, key: Ed25519PublicKey) -> int:
    """Return when the witness saw the head, in seconds since 1970.

    Raises ValueError when it did not sign it.
    """
    text, _, signatures = note.partition("\n\n")
    head = f"{chain.DASH} {name} "
    for line in signatures.splitlines():
        if not line.startswith(head):
            continue
        data = chain.decode(line.removeprefix(head))
        stamp, signature = data[4 : 4 + TIME_BYTES], data[4 + TIME_BYTES :]
        if data[:4] != key_id(name, chain.raw_public(key)) or len(stamp) != TIME_BYTES:
            continue
        seconds = int(struct.unpack(">Q", stamp)[0])
        try:
            key.verify(signature, _message(f"{text}\n", seconds))
        except InvalidSignature:
            continue
        return seconds
    message = f"the note has no valid cosignature by {name}"
    raise ValueError(message)


def check_extends(ring: KeyRing, kept: str, note: str, proof: Sequence[bytes]) -> bool:
    """Tell whether ``note`` is newer than the ``kept`` note (empty at first) and extends it.

    Raises
    ------
    NotExtended
        When it is older, another tree of the same size, or the proof does not hold.
    ValueError
        When one of the notes is not signed by the log.
    """
    new = ring.open(note)
    if not kept:
        return True
    old = ring.open(kept)
    if new.size < old.size:
        message = f"the log shows {new.size} leaves, the witness has seen {old.size}"
        raise NotExtended(message)
    if not merkle.verify_consistency(old.size, new.size, proof, old.root, new.root):
        message = f"the tree of {new.size} leaves does not extend the one of {old.size} seen"
        raise NotExtended(message)
    return new.size > old.size
