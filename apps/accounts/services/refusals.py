"""What a role was refused, in the trail, where trying it is worth knowing."""

from __future__ import annotations

from datetime import datetime

from django.core.cache import cache
from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor

# To trade, to stop and start trading, to approve, to change limits, people, keys and settings.
SENSITIVE = frozenset(
    {
        "keys.manage",
        "limits.write",
        "people.manage",
        "proposals.decide",
        "proposals.decide.live",
        "proposals.decide.paper",
        "settings.write",
        "trading.deploy",
        "trading.halt",
        "trading.order",
        "trading.resume",
    }
)
QUIET_SECONDS = 60


def note_refusal(*, actor: Actor, permission: str, door: str, now: datetime) -> bool:
    """Record that ``actor`` was refused at ``door``; whether it was recorded.

    Of one person and permission once a minute, so that nobody fills the ledger by trying on.
    """
    if permission not in SENSITIVE or actor.team_id is None:
        return False
    if not cache.add(f"refused:{actor.team_id}:{actor.name}:{permission}", 1, QUIET_SECONDS):
        return False
    with transaction.atomic():
        audit.record(
            actor=actor,
            action="access.refused",
            subject=f"permission:{permission}",
            body={"permission": permission, "role": actor.role, "door": door[:200]},
            now=now,
        )
    return True
