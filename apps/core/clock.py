"""The only place that reads the clock; doors pass the time on as ``now``."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(tz=UTC)
