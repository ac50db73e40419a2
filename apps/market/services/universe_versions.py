"""The next version of a universe: written by one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Max, Q

from apps.market.models import Dataset, Universe

# The first key of the advisory locks under which a team's universes are numbered; the team's id is
# the second (0 for the shared ones).
LOCK_CLASS = 0x756E


def take_turns(team_id: int | None) -> None:
    """Wait until nobody else numbers universes of the team; held until the transaction ends.

    Whoever decides by the newest version whether one is due asks for it first: two that end at
    once would otherwise both write the same number.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, team_id or 0])


def add_version(
    *,
    team_id: int | None,
    dataset: Dataset,
    name: str,
    title: str,
    timeframe: str,
    symbols: Sequence[str],
    survivorship: str,
    by: str,
    now: datetime,
) -> Universe:
    """Write the next version of the universe, the first if there is none of the name.

    Inside the caller's transaction.
    """
    take_turns(team_id)
    mine = Q(team=None) if team_id is None else Q(team_id=team_id)
    known = Universe.objects.filter(mine, name=name)
    newest = known.aggregate(newest=Max("version"))["newest"] or 0
    return Universe.objects.create(
        team_id=team_id,
        dataset=dataset,
        name=name,
        version=newest + 1,
        title=title,
        timeframe=timeframe,
        symbols=list(symbols),
        survivorship=survivorship,
        created_at=now,
        created_by=by,
    )
