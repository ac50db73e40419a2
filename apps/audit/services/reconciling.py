"""Accept a loss: the ledger lacks what the head kept outside the database shows.

Not among the package's names: the sequencer, which starts without the models, imports those.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.audit import selectors
from apps.audit.services.ledger import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid

MIN_REASON = 10


def reconcile(*, actor: Actor, reason: str, now: datetime) -> UUID:
    """Accept that the ledger lacks what the kept head shows; return the event that says so.

    Trading may then be resumed; the sequencer moves the kept head aside.

    Raises
    ------
    Denied, Invalid
    Conflict
        ``ledger.not_rolled_back`` when the kept head and the ledger agree.
    """
    actor.require("ops.manage")
    words = reason.strip()
    if len(words) < MIN_REASON:
        message = f"The reason has {len(words)} characters; say in a sentence what was restored."
        raise Invalid(message, code="ledger.reason", details={"field": "reason"})
    found = selectors.find_rollback()
    if found is None:
        message = "The ledger holds all that its kept head shows; there is nothing to reconcile."
        raise Conflict(message, code="ledger.not_rolled_back")
    body = {
        "reason": words[:1000],
        "kept_size": found.kept_size,
        "kept_root": found.kept_root,
        "kept_note": found.kept_note,
        "size": found.size,
        "root": found.root,
    }
    with transaction.atomic():
        return record(
            actor=Actor(actor.name, None, actor.role, label=actor.label),
            action="ledger.reconciled",
            subject=found.subject,
            body=body,
            now=now,
        )
