"""The one sequencer: gives every event its place in the tree and signs the tree's head."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.audit import store
from apps.audit.errors import LedgerDamaged
from apps.audit.kernel import chain
from apps.audit.kernel.inspection import Head
from apps.audit.kernel.merkle import Tile, Tree
from apps.core.errors import Conflict, Unavailable

log = structlog.get_logger(__name__)

BATCH = 5000
BUSY_PAUSE = 0.03
IDLE_PAUSE = 0.2
RETRY_PAUSE = 1.0
WITNESS_EVERY = 50


@dataclass(frozen=True, slots=True)
class Paths:
    """The sequencer's files: its secret key, and what it publishes."""

    key: Path
    public_key: Path
    witness: Path


@dataclass(slots=True)
class Sequencer:
    """The tree in memory, and the connection that adds to it."""

    connection: store.Connection
    key: Ed25519PrivateKey
    origin: str
    tree: Tree
    head: Head | None

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
            store.add_leaves(self.connection, self.tree.size, leaves)
            store.add_tiles(self.connection, tiles)
            store.add_head(self.connection, head)
        self.tree, self.head = tree, head
        return len(events)

    def _sign(self, tree: Tree) -> Head:
        checkpoint = chain.Checkpoint(self.origin, tree.size, tree.edge.root())
        return Head(checkpoint.size, checkpoint.root, chain.sign(checkpoint, self.key))


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
    key = load_key(paths.key, may_create=head is None)
    with connection.transaction():
        tree = _rebuild(connection)
    _agree(tree, head, origin, key)
    publish(paths.public_key, chain.verifier_key(origin, key.public_key()) + "\n")
    return Sequencer(connection, key, origin, tree, head)


def _rebuild(connection: store.Connection) -> Tree:
    tree = Tree()
    for seq, digest in store.read_hashes(connection):
        if seq != tree.size:
            raise LedgerDamaged(f"leaf {tree.size} is missing")
        tree.add(digest)
    return tree


def _agree(tree: Tree, head: Head | None, origin: str, key: Ed25519PrivateKey) -> None:
    if head is None:
        if tree.size:
            raise LedgerDamaged(f"{tree.size} leaves, but no signed checkpoint")
        return
    if (head.size, head.root) != (tree.size, tree.edge.root()):
        raise LedgerDamaged(f"{tree.size} leaves don't make the signed checkpoint {head.size}")
    try:
        signed = chain.open_note(head.note, origin, key.public_key())
    except ValueError as error:
        raise LedgerDamaged(str(error)) from error
    if (signed.size, signed.root) != (head.size, head.root):
        raise LedgerDamaged(f"checkpoint {head.size} says other than the note it was signed in")


def load_key(path: Path, *, may_create: bool) -> Ed25519PrivateKey:
    """Return the signing key; make one on the first start.

    Raises ``Unavailable`` when it is missing though heads were signed, or can't be read.
    """
    if not path.is_file():
        if not may_create:
            message = (
                f"The ledger has signed checkpoints, but its key {path} is gone; "
                "restore it from your backup."
            )
            raise Unavailable(message, code="audit.key_lost")
        _create_key(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        message = f"The signing key {path} can't be read: {error}."
        raise Unavailable(message, code="audit.key_unreadable") from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"The signing key {path} is not an Ed25519 key."
        raise Unavailable(message, code="audit.key_unreadable")
    return key


def _create_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and linked, so that a cut-off start leaves no half a key.
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)


def publish(path: Path, text: str) -> None:
    """Write a public file in one step, unless it says so already."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.chmod(0o644)
    aside.replace(path)


def keep_witness(sequencer: Sequencer, path: Path) -> bool:
    """Keep the newest head outside the database; tell whether that one extends the kept one.

    The kept head is replaced only by one that extends it: after a roll-back or a rewrite it stays,
    and ``verify_audit`` tells.
    """
    head = sequencer.head
    if head is None:
        return not path.is_file()
    if path.is_file() and path.read_text(encoding="utf-8") == head.note:
        return True
    if not _extends(sequencer, head, path):
        return False
    publish(path, head.note)
    return True


def _extends(sequencer: Sequencer, head: Head, path: Path) -> bool:
    if not path.is_file():
        return True
    try:
        kept = chain.open_note(
            path.read_text(encoding="utf-8"), sequencer.origin, sequencer.key.public_key()
        )
    except ValueError:
        return False
    found = store.find_head(sequencer.connection, kept.size)
    return kept.size <= head.size and found is not None and found.root == kept.root


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
        if agrees and (not placed or rounds % WITNESS_EVERY == 0):
            agrees = keep_witness(sequencer, paths.witness)
            if not agrees:
                log.error("sequencer.witness_disagrees", size=sequencer.tree.size)
        if wait(BUSY_PAUSE if placed else IDLE_PAUSE):
            keep_witness(sequencer, paths.witness)
            return
