"""Universes: named, versioned sets of instruments."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from apps.core.errors import NotFound
from apps.market.kernel.periods import Moment, known_at
from apps.market.models import Universe


@dataclass(frozen=True, slots=True)
class UniverseView:
    """A universe as other apps see it."""

    id: int
    name: str
    version: int
    title: str
    symbols: tuple[str, ...]
    timeframe: str
    dataset: str
    dataset_id: int
    calendar: str
    survivorship: str
    shared: bool


def visible(team_id: int | None) -> QuerySet[Universe]:
    """Return the universes of the team and the shared ones."""
    return Universe.objects.filter(Q(team_id=team_id) | Q(team=None)).select_related("dataset")


def list_universes(*, team_id: int | None) -> list[UniverseView]:
    """Return the newest version of each universe: the team's own first, then the shared ones."""
    rows = visible(team_id).order_by("team_id", "id")
    newest: dict[tuple[int | None, str], Universe] = {}
    for row in rows:
        known = newest.get((row.team_id, row.name))
        if known is None or known.version < row.version:
            newest[row.team_id, row.name] = row
    return [view_of(row) for row in newest.values()]


def get_universe(
    *, team_id: int | None, name: str, version: int | None = None, as_of: Moment = None
) -> UniverseView:
    """Return a universe by name, the newest version unless one is given.

    Parameters
    ----------
    as_of
        The newest version made until this time; a date means its end.

    Raises
    ------
    NotFound
        ``universe.unknown``; the message names those that exist. ``universe.not_yet`` when its
        first version was made after ``as_of``.
    """
    rows = visible(team_id).filter(name=name)
    known = known_at(as_of)
    if known is not None:
        first = rows.order_by("created_at").first()
        rows = rows.filter(created_at__lte=known)
        if first is not None and not rows.exists():
            message = (
                f"Universe {name} did not exist on {known:%Y-%m-%d %H:%M} UTC; it was made on "
                f"{first.created_at:%Y-%m-%d %H:%M}. Choose a later as_of, or name instruments."
            )
            raise NotFound(message, code="universe.not_yet", details={"field": "as_of"})
    if version is not None:
        rows = rows.filter(version=version)
    found = rows.order_by("team_id", "-version").first()
    if found is None:
        names = sorted({row.name for row in visible(team_id)})
        message = f"There is no universe {name!r}; there are {', '.join(names) or 'none yet'}."
        raise NotFound(message, code="universe.unknown", details={"field": "universe"})
    return view_of(found)


def view_of(row: Universe) -> UniverseView:
    """Return a row as a view."""
    return UniverseView(
        id=row.pk,
        name=row.name,
        version=row.version,
        title=row.title or row.name,
        symbols=tuple(row.symbols),
        timeframe=row.timeframe,
        dataset=row.dataset.name,
        dataset_id=row.dataset_id,
        calendar=row.dataset.calendar,
        survivorship=row.survivorship,
        shared=row.team_id is None,
    )
