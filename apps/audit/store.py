"""The ledger's SQL: taking from the queue, adding to the tree, reading it through.

The sequencer and the verifier bring their own psycopg connection; the site's reads go through
Django's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection as site

from apps.audit.kernel.chain import Event
from apps.audit.kernel.inspection import Head, LeafRow
from apps.audit.kernel.merkle import TILE_HEIGHT, Tile

Connection = psycopg.Connection[Any]
LOCK = 0x41554449
FETCH = 5000
COLUMNS = (
    "e.id, e.at, e.acted_at, e.db_user, e.team_id, e.actor, e.role, e.action, e.subject, e.body"
)
TAKE = f"""
    WITH taken AS (
        DELETE FROM audit.audit_queue WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM audit.audit_queue LIMIT %s))
        RETURNING id)
    SELECT {COLUMNS} FROM taken JOIN audit.audit_event e USING (id) ORDER BY e.at, e.id
"""  # noqa: S608 only constants
COPY_LEAVES = "COPY audit.audit_leaf (seq, event_id, leaf_hash) FROM STDIN (FORMAT BINARY)"
ADD_TILE = "INSERT INTO audit.audit_tile (level, idx, hashes, root) VALUES (%s, %s, %s, %s)"
ADD_HEAD = "INSERT INTO audit.audit_checkpoint (size, root, note) VALUES (%s, %s, %s)"
READ_LEAVES = f"""
    SELECT l.seq, l.event_id, l.leaf_hash, {COLUMNS}
    FROM audit.audit_leaf l LEFT JOIN audit.audit_event e ON e.id = l.event_id ORDER BY l.seq
"""  # noqa: S608
ORPHANS = """
    SELECT count(*) FROM audit.audit_event e
    WHERE NOT EXISTS (SELECT 1 FROM audit.audit_leaf l WHERE l.event_id = e.id)
      AND NOT EXISTS (SELECT 1 FROM audit.audit_queue q WHERE q.id = e.id)
"""
RECONCILED = """
    SELECT EXISTS (SELECT 1 FROM audit.audit_event
    WHERE action = 'ledger.reconciled' AND subject = %s AND team_id IS NULL)
"""
SEE_ALL = "SELECT set_config('quantsite.scope', 'lab', true)"
LAG = """
    SELECT extract(epoch FROM clock_timestamp() - min(e.at))::float8
    FROM audit.audit_queue q JOIN audit.audit_event e USING (id)
"""


def take_lock(connection: Connection) -> bool:
    """Tell whether this session is now the one sequencer."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
    return bool(row and row[0])


def take_queued(connection: Connection, limit: int) -> list[Event]:
    """Take events off the queue, oldest first, within the caller's transaction.

    By their place in the table: one sequencer takes, and nobody changes a row that waits. Should
    two ever take at once, a row goes to one, and a second leaf of an event is refused anyway.
    """
    return [_event(row) for row in connection.execute(TAKE, [limit]).fetchall()]


def _event(row: Sequence[Any]) -> Event:
    columns: Any = (*row[:9], bytes(row[9]))
    return Event._make(columns)


def add_leaves(connection: Connection, first: int, leaves: list[tuple[Any, bytes]]) -> None:
    """Add (event id, leaf hash) pairs from ``first`` on."""
    with connection.cursor().copy(COPY_LEAVES) as copy:
        copy.set_types(["int8", "uuid", "bytea"])
        for offset, (event_id, digest) in enumerate(leaves):
            copy.write_row((first + offset, event_id, digest))


def add_tiles(connection: Connection, tiles: list[Tile]) -> None:
    """Add finished tiles."""
    rows = [(tile.level, tile.index, tile.hashes, tile.root) for tile in tiles]
    connection.cursor().executemany(ADD_TILE, rows)


def add_head(connection: Connection, head: Head) -> None:
    """Add a signed checkpoint."""
    connection.execute(ADD_HEAD, [head.size, head.root, head.note])


def last_head(connection: Connection) -> Head | None:
    """Return the newest checkpoint."""
    query = "SELECT size, root, note FROM audit.audit_checkpoint ORDER BY size DESC LIMIT 1"
    row = connection.execute(query).fetchone()
    return Head(row[0], bytes(row[1]), row[2]) if row else None


def find_head(connection: Connection, size: int) -> Head | None:
    """Return the checkpoint of a size."""
    query = "SELECT size, root, note FROM audit.audit_checkpoint WHERE size = %s"
    row = connection.execute(query, [size]).fetchone()
    return Head(row[0], bytes(row[1]), row[2]) if row else None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of the log: signs heads above ``after``; ``note`` hands over to it."""

    after: int
    line: str
    note: str


def read_keys(connection: Connection) -> list[KeyRow]:
    """Return the keys of the log, the oldest first."""
    query = "SELECT after, line, note FROM audit.audit_key ORDER BY after"
    return [KeyRow(*row) for row in connection.execute(query).fetchall()]


def add_key(connection: Connection, after: int, line: str, note: str) -> None:
    """Add a key."""
    query = "INSERT INTO audit.audit_key (after, line, note) VALUES (%s, %s, %s)"
    connection.execute(query, [after, line, note])


def is_reconciled(connection: Connection, subject: str) -> bool:
    """Tell whether somebody gave a kept head up, with a reason."""
    row = connection.execute(RECONCILED, [subject]).fetchone()
    return bool(row and row[0])


def read_hashes(connection: Connection) -> Iterator[tuple[int, bytes]]:
    """Yield (seq, leaf hash) in order, within the caller's transaction."""
    query = "SELECT seq, leaf_hash FROM audit.audit_leaf ORDER BY seq"
    with connection.cursor(name="audit_hashes") as cursor:
        cursor.itersize = FETCH
        for seq, digest in cursor.execute(query):
            yield seq, bytes(digest)


def freeze(connection: Connection) -> None:
    """Let the caller's transaction, just begun, see one state of the ledger."""
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    connection.execute(SEE_ALL)


def read_leaves(connection: Connection) -> Iterator[LeafRow]:
    """Yield every leaf with its event, in order."""
    with connection.cursor(name="audit_leaves") as cursor:
        cursor.itersize = FETCH
        for row in cursor.execute(READ_LEAVES):
            event = None if row[3] is None else _event(row[3:])
            yield LeafRow(row[0], row[1], bytes(row[2]), event)


def read_heads(connection: Connection) -> Iterator[Head]:
    """Yield every checkpoint, smallest first."""
    query = "SELECT size, root, note FROM audit.audit_checkpoint ORDER BY size"
    with connection.cursor(name="audit_heads") as cursor:
        cursor.itersize = FETCH
        for size, root, note in cursor.execute(query):
            yield Head(size, bytes(root), note)


def read_tiles(connection: Connection, level: int) -> Iterator[Tile]:
    """Yield the tiles of a level in order."""
    query = "SELECT idx, hashes, root FROM audit.audit_tile WHERE level = %s ORDER BY idx"
    with connection.cursor(name=f"audit_tiles_{level}") as cursor:
        cursor.itersize = 50
        for index, hashes, root in cursor.execute(query, [level]):
            yield Tile(level, index, bytes(hashes), bytes(root))


def counts(connection: Connection) -> dict[str, int]:
    """Return how many events there are, wait, and have fallen between queue and tree."""
    queries = {
        "events": "SELECT count(*) FROM audit.audit_event",
        "pending": "SELECT count(*) FROM audit.audit_queue",
        "orphans": ORPHANS,
    }
    return {name: _number(connection, query) for name, query in queries.items()}


def _number(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def hashes_between(level: int, first: int, last: int) -> list[bytes]:
    """Return hashes of one level of the tree, for proofs made by the site."""
    if level == 0:
        query = "SELECT leaf_hash FROM audit.audit_leaf WHERE seq >= %s AND seq < %s ORDER BY seq"
        arguments = [first, last]
    else:
        query = (
            "SELECT root FROM audit.audit_tile WHERE level = %s AND idx >= %s AND idx < %s"
            " ORDER BY idx"
        )
        arguments = [level // TILE_HEIGHT - 1, first, last]
    with site.cursor() as cursor:
        cursor.execute(query, arguments)
        return [bytes(row[0]) for row in cursor.fetchall()]


def oldest_wait() -> float | None:
    """Return for how many seconds the oldest queued event waits; None when none does."""
    with site.cursor() as cursor:
        cursor.execute(LAG)
        seconds: float | None = cursor.fetchone()[0]
    return seconds
