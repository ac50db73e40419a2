"""Questions about the whole ledger: is every event, leaf and head as it was signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from apps.audit import store
from apps.audit.kernel.inspection import Head, inspect
from apps.audit.kernel.keys import KeyRing


def read_witness(path: Path, ring: KeyRing) -> Head | None:
    """Return the checkpoint kept outside the database, if there is one.

    Raises ValueError when it isn't signed by a key of the ring.
    """
    if not path.is_file():
        return None
    note = path.read_text(encoding="utf-8")
    checkpoint = ring.open(note)
    return Head(checkpoint.size, checkpoint.root, note, source="witness")


def verify_ledger(
    connection: psycopg.Connection[Any],
    ring: KeyRing,
    witness: Head | None = None,
) -> dict[str, Any]:
    """Check the whole ledger against its signed heads, and return the report as JSON."""
    with connection.transaction():
        store.freeze(connection)
        report = inspect(
            store.read_leaves(connection),
            _with_witness(store.read_heads(connection), witness),
            lambda level: store.read_tiles(connection, level),
            ring,
        )
        counts = store.counts(connection)
    if counts["orphans"]:
        report.add(None, f"{counts['orphans']} events are neither in the tree nor in its queue")
    return {
        **report.as_dict(),
        **counts,
        "size": report.leaves,
        "origin": ring.name,
        "keys": len(ring.keys),
        "witness_size": witness.size if witness else None,
    }


def _with_witness(heads: Iterator[Head], witness: Head | None) -> Iterator[Head]:
    """Yield the heads with the witness in its place by size."""
    for head_ in heads:
        if witness is not None and witness.size <= head_.size:
            yield witness
            witness = None
        yield head_
    if witness is not None:
        yield witness
