"""What needs a person is said to whoever keeps alerts."""

from __future__ import annotations

from datetime import datetime

from apps.core.hooks import trouble_found, trouble_over

FLOW_FAILED = "flow.failed"
FEED_BAD = "feed.bad"
HEALTH_CRITICAL = "health.critical"


def found(
    *,
    team_id: int | None,
    kind: str,
    subject: str,
    severity: str,
    title: str,
    advice: str,
    now: datetime,
) -> None:
    """Say that something needs a person. Must run inside the transaction that found it."""
    trouble_found.send(
        None,
        team_id=team_id,
        kind=kind,
        subject=subject,
        severity=severity,
        title=title,
        advice=advice,
        now=now,
    )


def over(*, team_id: int | None, kind: str, subject: str, now: datetime) -> None:
    """Say that it is over; said without need it does nothing."""
    trouble_over.send(None, team_id=team_id, kind=kind, subject=subject, now=now)
