"""What the guard refused, kept and told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.core import events
from apps.risk.kernel.limits import Refusal
from apps.risk.models import Breach


def note_breaches(
    *, team_id: int, subject: str, refusals: Sequence[Refusal], now: datetime
) -> None:
    """Keep what the guard refused, and tell the team; the orders themselves are in the trail."""
    rows = [
        Breach(
            team_id=team_id,
            subject=subject,
            code=refusal.code,
            message=refusal.message[:500],
            created_at=now,
        )
        for refusal in refusals
    ]
    Breach.objects.bulk_create(rows)
    for code in sorted({refusal.code for refusal in refusals}):
        data = {"subject": subject, "code": code}
        events.emit(team_id=team_id, topic="alerts", kind="risk.limit.breached", data=data)
