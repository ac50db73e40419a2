"""REST shapes of ops."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema


class AlertOut(Schema):
    """An alert as clients see it."""

    id: int
    key: str
    severity: str
    title: str
    advice: str
    raised_at: datetime
    ended_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
