"""The head kept outside the database: by what name its giving up is filed."""

from __future__ import annotations

from hashlib import sha256


def note_digest(note: str) -> str:
    """Return the hex sha-256 of a note."""
    return sha256(note.encode()).hexdigest()


def kept_subject(note: str) -> str:
    """Return what the reconciliation of a kept head is filed under."""
    return f"ledger:{note_digest(note)[:32]}"
