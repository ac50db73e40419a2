"""The head kept outside the database: replaced only by one that extends it.

After a roll-back or a rewrite the kept head stays, the sequencer and ``verify_audit`` tell, and
trading stands still, until somebody accepts the loss with a reason (``reconcile``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.audit import store
from apps.audit.kernel.kept import kept_subject, note_digest
from apps.audit.services.keys import publish

if TYPE_CHECKING:
    from apps.audit.services.sequencer import Sequencer


def keep_witness(sequencer: Sequencer, path: Path) -> bool:
    """Keep the newest head outside the database; tell whether that one extends the kept one.

    A kept head that a person gave up (``ledger.reconciled``) is moved aside and replaced.
    """
    head = sequencer.head
    if not path.is_file():
        if head is not None:
            publish(path, head.note)
        return True
    kept = path.read_text(encoding="utf-8", errors="replace")
    if head is not None and kept == head.note:
        return True
    if head is None or not _extends(sequencer, kept):
        if not store.is_reconciled(sequencer.connection, kept_subject(kept)):
            return False
        path.replace(path.with_name(f"{path.name}.given-up-{note_digest(kept)[:12]}"))
    if head is not None:
        publish(path, head.note)
    return True


def _extends(sequencer: Sequencer, kept: str) -> bool:
    try:
        before = sequencer.ring.open(kept)
    except ValueError:
        return False
    found = store.find_head(sequencer.connection, before.size)
    return found is not None and found.root == before.root
