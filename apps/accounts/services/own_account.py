"""What a person changed at their own account, in the trail of every team they belong to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.accounts.models import Membership
from apps.audit import services as audit
from apps.core import tenancy
from apps.core.actors import Actor


def note_own_change(*, user_id: int, action: str, body: dict[str, Any], now: datetime) -> None:
    """Record a change of how a person signs in; the pages that make it are the framework's.

    ``body`` holds no address and no secret. Of somebody in no team the lab alone keeps it.
    """
    name = f"user:{user_id}"
    with transaction.atomic(), tenancy.scope(tenancy.LAB):
        rows = Membership.objects.filter(user_id=user_id).order_by("team_id")
        found: list[tuple[int | None, str]] = list(rows.values_list("team_id", "role"))
        for team_id, role in found or [(None, "")]:
            actor = Actor(name, team_id, role, user_id=user_id)
            audit.record(actor=actor, action=action, subject=name, body=body, now=now)
