"""What risk can say of itself: gradings, red models, stops looked at, how soon live risk is told.

Of all teams; asked in the scope of the lab.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from apps.core.live import client
from apps.core.models import Job
from apps.risk.models import GradeRun

# A hash of the teams and books that changed and were not told yet, each with when it first did.
CHANGED = "risk:live:changed"
# What the teller of live risk last did; when the emergency stops were last looked at.
TOLD = "risk:live:told"
WATCHED = "risk:stops:watched"
NIGHTLY, BY_NIGHT = "risk_grades", "grades:"
RED = "red"


@dataclass(frozen=True, slots=True)
class Grading:
    """The newest grading of a night of one team: when it was queued, how it stands."""

    team_id: int
    at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Colours:
    """Of how many books the model in force is red, and how many were graded."""

    red: int
    books: int


def list_gradings() -> list[Grading]:
    """Return the newest grading of a night of every team that had one."""
    rows = Job.objects.filter(kind=NIGHTLY, subject__startswith=BY_NIGHT, team__isnull=False)
    newest = rows.order_by("team_id", "-created_at").distinct("team_id")
    return [Grading(row.team_id or 0, row.created_at, str(row.status)) for row in newest]


def count_red() -> Colours:
    """Return how many books stand by a model that is red."""
    rows = GradeRun.objects.order_by("team_id", "subject", "-id")
    colours = list(rows.distinct("team_id", "subject").values_list("colour", flat=True))
    return Colours(colours.count(RED), len(colours))


def last_told() -> dict[str, Any] | None:
    """Return what the teller last did; None when it has told nothing within the hour.

    Raises ``redis.RedisError`` when Redis is away.
    """
    body = client().get(TOLD)
    if body is None:
        return None
    found: dict[str, Any] = orjson.loads(body)
    return {**found, "at": datetime.fromisoformat(found["at"])}


def oldest_waiting() -> datetime | None:
    """Return when the oldest change was noted that nobody has told yet; None without any.

    Raises ``redis.RedisError``.
    """
    stamps = [float(stamp) for stamp in client().hvals(CHANGED)]
    return datetime.fromtimestamp(min(stamps), tz=UTC) if stamps else None


def last_watched() -> datetime | None:
    """Return when the emergency stops were last looked at; None when nobody told within an hour.

    Raises ``redis.RedisError``.
    """
    stamp = client().get(WATCHED)
    return None if stamp is None else datetime.fromtimestamp(float(stamp), tz=UTC)
