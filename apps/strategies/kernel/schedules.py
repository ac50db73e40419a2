"""When a scan is due."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def next_time(every: str, at_utc: time, after: datetime) -> datetime:
    """Return the first moment after ``after``: at this hour, or with ``hour`` at its minute."""
    day = after.astimezone(UTC)
    if every == "hour":
        found, step = day.replace(minute=at_utc.minute, second=0, microsecond=0), HOUR
    else:
        found, step = datetime.combine(day.date(), at_utc, UTC), DAY
    return found if found > after else found + step
