"""The one sequencer: gives every event its place in the tree and signs the tree's head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.audit import store
from apps.audit.errors import LedgerDamaged
from apps.audit.kernel import chain, keys
from apps.audit.kernel.inspection import Head
from apps.audit.kernel.keys import KeyRing
from apps.audit.kernel.merkle import Tile, Tree
from apps.audit.services.kept import keep_witness
from apps.audit.services.keys import (
    Paths,
    key_before,
    load_key,
    publish,
    signing_key,
)
from apps.core.errors import Conflict

log = structlog.get_logger(__name__)

BATCH = 5000
BUSY_PAUSE = 0.03
IDLE_PAUSE = 0.2
RETRY_PAUSE = 1.0
WITNESS_EVERY = 50


@dataclass(slots=True)
class Sequencer:
    """The tree in memory, and the connection that adds to it."""

    connection: store.Connection
    key: Ed25519PrivateKey
    origin: str
    tree: Tree
    head: Head | None
    ring: KeyRing

    def step(self, limit: int = BATCH) -> int:
        """Place up to ``limit`` waiting events; return how many. All of them, or none."""
        tree = self.tree.copy()
        with self.connection.transaction():
            events = store.take_queued(self.connection, limit)
            if not events:
                return 0
            leaves = [(event.id, chain.hash_event(event)) for event in events]
            tiles: list[Tile] = []
            for _, digest in leaves:
                tiles += tree.add(digest)
            head = self._sign(tree)
            if self.head is None:
                store.add_key(self.connection, 0, self.ring.newest.line, "")
            store.add_leaves(self.connection, self.tree.size, leaves)
            store.add_tiles(self.connection, tiles)
            store.add_head(self.connection, head)
        self.tree, self.head = tree, head
        return len(events)

    def _sign(self, tree: Tree) -> Head:
        checkpoint = chain.Checkpoint(self.origin, tree.size, tree.edge.root())
        return Head(checkpoint.size, checkpoint.root, chain.sign(checkpoint, self.key))

    def hand_over(self, new: Ed25519PrivateKey, paths: Paths) -> bool:
        """Let another key sign from the next head on; tell whether it does.

        Not twice at one size: then the change waits for the next leaf.
        """
        if self.head is None or self.head.size <= self.ring.newest.after:
            return False
        _add_handover(
            self.connection, self.head, self.ring.newest.line, self.key, new, self.origin
        )
        self.key = new
        self.ring = _ring_of(self.connection, self.origin, new)
        publish_keys(self.connection, self.ring, paths)
        return True


def open_sequencer(connection: store.Connection, paths: Paths, origin: str) -> Sequencer:
    """Return a sequencer that carries on where the ledger ends.

    Raises
    ------
    Conflict
        When another sequencer is at work.
    LedgerDamaged
        When leaves and the last signed head disagree, or the key is not the one that signed it.
    """
    if not store.take_lock(connection):
        message = "Another sequencer is at work on this database; one is enough."
        raise Conflict(message, code="audit.second_sequencer")
    head = store.last_head(connection)
    if head is None and store.read_keys(connection):
        raise LedgerDamaged("heads were signed, but there is no head any more")
    key = signing_key(paths, may_create=head is None)
    with connection.transaction():
        tree = _rebuild(connection)
    if head is not None:
        key = _take_up(connection, head, key, paths, origin)
    ring = _ring_of(connection, origin, key)
    _agree(tree, head, ring)
    if head is not None and not store.read_keys(connection):
        store.add_key(connection, 0, ring.newest.line, "")
    publish_keys(connection, ring, paths)
    return Sequencer(connection, key, origin, tree, head, ring)


def _take_up(
    connection: store.Connection, head: Head, key: Ed25519PrivateKey, paths: Paths, origin: str
) -> Ed25519PrivateKey:
    """Finish a change of keys that a stop cut off, or that was made between two starts.

    Another key is taken only with the one before it, or after it was declared lost.
    """
    kept = store.read_keys(connection)
    line = chain.verifier_key(origin, key.public_key())
    if not kept or kept[-1].line == line:
        return key
    last = kept[-1].line
    if paths.next_key.is_file():
        following = load_key(paths.next_key, may_create=False)
        if chain.verifier_key(origin, following.public_key()) == last:
            paths.next_key.replace(paths.key)
            return following
    before = key_before(paths)
    if before is not None and chain.verifier_key(origin, before.public_key()) == last:
        _add_handover(connection, head, last, before, key, origin)
    elif paths.lost.is_file() or _was_handed_over(paths, last, line):
        _add_handover(connection, head, last, None, key, origin)
        paths.lost.unlink(missing_ok=True)
    else:
        raise LedgerDamaged("the key is another than the last, and no signature leads to it")
    return key


def _was_handed_over(paths: Paths, old: str, new: str) -> bool:
    """Tell whether the published file shows that ``old`` once handed over to ``new``.

    So it is after a backup from before the change of keys was restored.
    """
    if not paths.public_key.is_file():
        return False
    try:
        _, notes = keys.read_keys(paths.public_key.read_text(encoding="utf-8"))
        steps = [keys.read_handover(note) for note in notes]
    except ValueError:
        return False
    return any(
        step.by_old and step.by_new and (step.handover.old, step.handover.new) == (old, new)
        for step in steps
    )


def _add_handover(
    connection: store.Connection,
    head: Head,
    old_line: str,
    old: Ed25519PrivateKey | None,
    new: Ed25519PrivateKey,
    origin: str,
) -> None:
    checkpoint = chain.Checkpoint(origin, head.size, head.root)
    note = keys.hand_over(checkpoint, old_line, old, new)
    line = chain.verifier_key(origin, new.public_key())
    store.add_key(connection, head.size, line, note)


def _ring_of(connection: store.Connection, origin: str, key: Ed25519PrivateKey) -> KeyRing:
    notes = [row.note for row in store.read_keys(connection) if row.note]
    try:
        return keys.make_ring(chain.verifier_key(origin, key.public_key()), notes)
    except ValueError as error:
        raise LedgerDamaged(f"its hand-overs of keys don't hold: {error}") from error


def publish_keys(connection: store.Connection, ring: KeyRing, paths: Paths) -> None:
    """Publish the key that signs now and the notes by which it came to that."""
    notes = [row.note for row in store.read_keys(connection) if row.note]
    publish(paths.public_key, keys.write_keys(ring.newest.line, notes))


def _rebuild(connection: store.Connection) -> Tree:
    tree = Tree()
    for seq, digest in store.read_hashes(connection):
        if seq != tree.size:
            raise LedgerDamaged(f"leaf {tree.size} is missing")
        tree.add(digest)
    return tree


def _agree(tree: Tree, head: Head | None, ring: KeyRing) -> None:
    if head is None:
        if tree.size:
            raise LedgerDamaged(f"{tree.size} leaves, but no signed checkpoint")
        return
    if (head.size, head.root) != (tree.size, tree.edge.root()):
        raise LedgerDamaged(f"{tree.size} leaves don't make the signed checkpoint {head.size}")
    try:
        signed = ring.open(head.note)
    except ValueError as error:
        raise LedgerDamaged(str(error)) from error
    if (signed.size, signed.root) != (head.size, head.root):
        raise LedgerDamaged(f"checkpoint {head.size} says other than the note it was signed in")


def take_next_key(sequencer: Sequencer, paths: Paths) -> None:
    """Hand over to the key that ``manage.py rotate_audit_key`` laid down, if there is one."""
    if not paths.next_key.is_file():
        return
    if sequencer.hand_over(load_key(paths.next_key, may_create=False), paths):
        paths.next_key.replace(paths.key)
        log.info("sequencer.key_changed", after=sequencer.ring.newest.after)


def sequence(
    *,
    dsn: str,
    paths: Paths,
    origin: str,
    wait: Callable[[float], bool],
    tell: Callable[[Sequencer], None],
) -> None:
    """Place events as they come, until ``wait`` says to stop; reconnect when the database left.

    Parameters
    ----------
    wait
        Waits for some seconds; returns True when it is time to stop.
    tell
        Called after every round; says that the process lives.

    Raises
    ------
    LedgerDamaged
        Never goes on over a ledger that disagrees with what was signed.
    """
    while True:
        try:
            with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
                return _run(open_sequencer(connection, paths, origin), paths, wait, tell)
        except psycopg.OperationalError as error:
            log.warning("sequencer.database_away", error=str(error).strip())
        except Conflict as error:
            log.warning("sequencer.second", error=error.message)
        if wait(RETRY_PAUSE):
            return None


def _run(
    sequencer: Sequencer,
    paths: Paths,
    wait: Callable[[float], bool],
    tell: Callable[[Sequencer], None],
) -> None:
    log.info("sequencer.started", size=sequencer.tree.size)
    agrees, rounds = True, 0
    while True:
        placed, rounds = sequencer.step(), rounds + 1
        tell(sequencer)
        if not placed or rounds % WITNESS_EVERY == 0:
            take_next_key(sequencer, paths)
            agreed, agrees = agrees, keep_witness(sequencer, paths.witness)
            if agreed and not agrees:
                log.error("sequencer.witness_disagrees", size=sequencer.tree.size)
        if wait(BUSY_PAUSE if placed else IDLE_PAUSE):
            keep_witness(sequencer, paths.witness)
            return
