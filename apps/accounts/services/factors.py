"""Second factors as they are stored."""

from __future__ import annotations

from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db import transaction

from apps.audit import services as audit
from apps.core import secrets
from apps.core.actors import Actor

SEALED = ("secret", "seed")  # of one-time codes, of recovery codes


@transaction.atomic
def reseal_second_factors(*, actor: Actor, now: datetime) -> int:
    """Seal every seed under the newest SEAL_KEY, also what lay open; return how many."""
    actor.require("ops.manage")
    rows = list(Authenticator.objects.select_for_update().order_by("pk"))
    changed = [row for row in rows if _reseal(row)]
    Authenticator.objects.bulk_update(changed, ["data"], batch_size=500)
    body = {"second_factors": len(changed)}
    audit.record(actor=actor, action="keys.resealed", subject="lab", body=body, now=now)
    return len(changed)


def _reseal(row: Authenticator) -> bool:
    names = [name for name in SEALED if name in row.data]
    for name in names:
        kept = row.data[name]
        is_sealed = kept.startswith(f"{secrets.MARK}.")
        row.data[name] = secrets.reseal(kept) if is_sealed else secrets.seal(kept)
    return bool(names)
