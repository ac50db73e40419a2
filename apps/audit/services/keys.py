"""The signing key: from a file or the environment, made once, handed over, never made anew."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction

from apps.audit.kernel import chain
from apps.audit.services.ledger import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Unavailable

MIN_REASON = 10


@dataclass(frozen=True, slots=True)
class Paths:
    """The sequencer's files: its secret key, and what it publishes.

    ``key_text`` and ``before_text`` are the key, and the one it follows, as PEM from the
    environment, in place of the file.
    """

    key: Path
    public_key: Path
    witness: Path
    key_text: str = ""
    before_text: str = ""

    @property
    def next_key(self) -> Path:
        """The key that is to follow; the sequencer takes it up and removes the file."""
        return self.key.with_name(f"{self.key.name}_next")

    @property
    def lost(self) -> Path:
        """Says that the key before is lost, so that the new one may sign alone."""
        return self.key.with_name(f"{self.key.name}_lost")


def signing_key(paths: Paths, *, may_create: bool) -> Ed25519PrivateKey:
    """Return the key that signs. Raises ``Unavailable`` as ``load_key`` does."""
    if paths.key_text:
        return _read(paths.key_text.encode(), "of AUDIT_KEY")
    return load_key(paths.key, may_create=may_create)


def key_before(paths: Paths) -> Ed25519PrivateKey | None:
    """Return the key before, when the environment gives one to hand over."""
    return _read(paths.before_text.encode(), "of AUDIT_KEY_BEFORE") if paths.before_text else None


def load_key(path: Path, *, may_create: bool) -> Ed25519PrivateKey:
    """Return the signing key; make one on the first start.

    Raises ``Unavailable`` when it is missing though heads were signed, or can't be read.
    """
    if not path.is_file():
        if not may_create:
            message = (
                f"The ledger has signed checkpoints, but its key {path} is gone; restore it from "
                "your backup, or, if it is lost for good, run manage.py rotate_audit_key --lost."
            )
            raise Unavailable(message, code="audit.key_lost")
        create_key(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"The signing key {path} can't be read: {error}."
        raise Unavailable(message, code="audit.key_unreadable") from error
    return _read(data, str(path))


def _read(data: bytes, where: str) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, UnsupportedAlgorithm) as error:
        message = f"The signing key {where} can't be read: {error}."
        raise Unavailable(message, code="audit.key_unreadable") from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"The signing key {where} is not an Ed25519 key."
        raise Unavailable(message, code="audit.key_unreadable")
    return key


def create_key(path: Path) -> None:
    """Make a key that only we can read, whole or not at all. Raises ``Conflict`` over another."""
    if path.exists():
        message = f"There is a key at {path} already; nothing was changed."
        raise Conflict(message, code="audit.key_exists")
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and renamed, so that a cut-off start leaves no half a key.
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)


def change_key(*, actor: Actor, key: Path, reason: str, lost: bool, now: datetime) -> str:
    """Make the key that is to follow, for the sequencer to take up; return its verifier line.

    Raises
    ------
    Denied, Invalid
    Conflict
        When a change is under way, or the key that is said to be lost is there.
    """
    actor.require("keys.manage")
    words = reason.strip()
    if len(words) < MIN_REASON:
        message = f"The reason has {len(words)} characters; say in a sentence why."
        raise Invalid(message, code="audit.key_reason", details={"field": "reason"})
    paths = Paths(key, key, key)
    made = paths.key if lost else paths.next_key
    create_key(made)
    if lost:
        paths.lost.write_text(f"{words}\n", encoding="utf-8")
    public = load_key(made, may_create=False).public_key()
    line = chain.verifier_key(settings.AUDIT_ORIGIN, public)
    body = {"new": line, "reason": words[:1000], "lost": lost}
    with transaction.atomic():
        record(actor=actor, action="ledger.key_changed", subject="ledger:key", body=body, now=now)
    return line


def publish(path: Path, text: str) -> None:
    """Write a public file in one step, unless it says so already."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.chmod(0o644)
    aside.replace(path)
