"""Questions about the head kept outside the database: does the ledger hold what it shows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from apps.audit.kernel import chain
from apps.audit.kernel.kept import kept_subject
from apps.audit.models import AuditCheckpoint, AuditEvent
from apps.core import tenancy

RECONCILED = "ledger.reconciled"
AGREED_SECONDS = 2.0
_agreed: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Rollback:
    """The kept head, and the ledger that lacks what it shows."""

    kept_size: int | None
    kept_root: str
    kept_note: str
    kept_at: datetime
    size: int
    root: str

    @property
    def subject(self) -> str:
        """What a reconciliation is filed under."""
        return kept_subject(self.kept_note)

    @property
    def says(self) -> str:
        """The finding in words."""
        if self.kept_size is None:
            return "The head of the ledger kept outside the database can't be read."
        lost = self.kept_size - self.size
        shown = f"The head kept outside the database shows {self.kept_size} leaves"
        if lost > 0:
            return f"{shown}, the database holds {self.size}: {lost} events are gone."
        return f"{shown}; of those the database, with {self.size} in all, holds others."


def find_rollback() -> Rollback | None:
    """Return what is wrong between the kept head and the ledger; None when all is well.

    An older backup that was restored, or a history written anew, shows here. Nothing is wrong
    any more once somebody has reconciled it. A head that agreed is looked at again after seconds.
    """
    path = Path(settings.AUDIT_WITNESS_FILE)
    try:
        note = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    moment = time.monotonic()
    if moment - _agreed.get(note, -AGREED_SECONDS) < AGREED_SECONDS:
        return None
    with tenancy.scope(tenancy.LAB):
        found = _compare(note, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    if found is None:
        _agreed.clear()
        _agreed[note] = moment
    return found


def _compare(note: str, kept_at: datetime) -> Rollback | None:
    try:
        kept = chain.read_text(note.partition("\n\n")[0])
    except ValueError:
        kept = None
    if kept is not None:
        roots = AuditCheckpoint.objects.filter(size=kept.size).values_list("root", flat=True)
        if [bytes(root) for root in roots] == [kept.root]:
            return None
    if AuditEvent.objects.filter(
        team_id=None, action=RECONCILED, subject=kept_subject(note)
    ).exists():
        return None
    newest = AuditCheckpoint.objects.order_by("-size").first()
    return Rollback(
        kept_size=kept.size if kept else None,
        kept_root=kept.root.hex() if kept else "",
        kept_note=note[:4000],
        kept_at=kept_at,
        size=newest.size if newest else 0,
        root=bytes(newest.root).hex() if newest else "",
    )
