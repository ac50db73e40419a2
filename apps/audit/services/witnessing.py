"""Be a witness of a ledger: see that its newest head extends the last one seen, and cosign it.

Run it as another user, best on another machine: what it keeps is what shows a roll-back or a
history written anew with the stolen key.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from apps.audit import selectors
from apps.audit.kernel import keys, witness
from apps.audit.services.keys import load_key, publish
from apps.core.errors import Unavailable

TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a ledger shows of itself: its newest head, and how its keys followed one another."""

    note: str
    handovers: tuple[str, ...]


class Source(Protocol):
    """Where a witness looks at a ledger."""

    def newest(self) -> Shown:
        """Return the newest head. Raises ``Unavailable``."""
        ...

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """Return the proof that the tree of ``new`` leaves extends that of ``old``."""
        ...


class Database:
    """The ledger of the lab's own database."""

    def newest(self) -> Shown:
        """Return the newest head."""
        return Shown(selectors.head().note, keys.read_keys(selectors.public_keys_text())[1])

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """Return the proof."""
        return [bytes.fromhex(text) for text in selectors.get_consistency(old, new).path]


@dataclass(frozen=True, slots=True)
class Site:
    """The ledger of a lab over REST, with a token that may read the trail."""

    url: str
    token: str

    def newest(self) -> Shown:
        """Return the newest head."""
        found = self._get("/api/v1/audit/head")
        return Shown(found["note"], keys.read_keys(found["public_keys"])[1])

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """Return the proof."""
        found = self._get(f"/api/v1/audit/consistency?old={old}&new={new}")
        return [bytes.fromhex(text) for text in found["path"]]

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(  # noqa: S310 the address is the operator's
            f"{self.url.rstrip('/')}{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                return json.load(answer)
        except (urllib.error.URLError, ValueError, OSError) as error:
            message = f"{self.url} gives no head of a ledger: {error}."
            raise Unavailable(message, code="witness.no_answer") from error


@dataclass(frozen=True, slots=True)
class Files:
    """A witness's files: its secret key, its public key, and the note it signed last."""

    key: Path
    public_key: Path
    note: Path


@dataclass(frozen=True, slots=True)
class Seen:
    """What a round came to: the size seen, and whether it is new."""

    size: int
    is_new: bool


def witness_head(
    *, source: Source, name: str, log_key: str, files: Files, now: datetime
) -> Seen | None:
    """Cosign the newest head when it extends the last one seen; None before there is a head.

    Parameters
    ----------
    name
        What the witness is called in its signatures.
    log_key
        The verifier key of the log (or its published file), got from somebody trusted.

    Raises
    ------
    NotExtended
        When the log shows less, or other, than it did: nothing is signed, the note stays.
    ValueError
        When the log's head is not signed by its key.
    Unavailable
    """
    key = load_key(files.key, may_create=not files.note.is_file())
    publish(files.public_key, witness.witness_key(name, key.public_key()) + "\n")
    shown = source.newest()
    if not shown.note:
        return None
    ring = keys.read_ring(log_key, shown.handovers)
    new = ring.open(shown.note)
    kept = files.note.read_text(encoding="utf-8") if files.note.is_file() else ""
    proof: Sequence[bytes] = ()
    if kept:
        old = ring.open(kept)
        proof = source.consistency(old.size, new.size) if old.size < new.size else ()
    is_new = witness.check_extends(ring, kept, shown.note, proof)
    if is_new:
        seconds = int(now.timestamp())
        publish(files.note, witness.cosign(shown.note, name, key, seconds=seconds))
    return Seen(new.size, is_new)
