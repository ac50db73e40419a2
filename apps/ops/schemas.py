"""REST shapes of ops."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema


class AlertOut(Schema):
    """An alert: of the team, or of the whole lab; ``count`` times until ``last_at``."""

    id: int
    key: str
    kind: str
    subject: str
    severity: str
    title: str
    advice: str
    raised_at: datetime
    last_at: datetime
    count: int
    ended_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
