"""Notes and saved views as rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.backtests.models import Note, Run, SavedView, Study
from apps.core.actors import Actor
from apps.core.errors import NotFound


def notes_of(thing: Run | Study) -> list[dict[str, Any]]:
    """Return the notes on a run or a study, the newest thread first, each with its history."""
    kept: dict[UUID, list[Note]] = {}
    for note in thing.notes.order_by("created_at", "version"):
        kept.setdefault(note.thread, []).append(note)
    told = [_thread(versions) for versions in kept.values()]
    return [one for one in reversed(told) if one["text"]]


def _thread(versions: list[Note]) -> dict[str, Any]:
    ordered = sorted(versions, key=lambda note: note.version)
    newest = ordered[-1]
    return {
        "id": str(newest.thread),
        "version": newest.version,
        "text": newest.text,
        "by": newest.created_by_label or newest.created_by,
        "at": newest.created_at,
        "earlier": [
            {
                "version": note.version,
                "text": note.text,
                "by": note.created_by_label or note.created_by,
                "at": note.created_at,
            }
            for note in reversed(ordered[:-1])
        ],
    }


def newest_of(thread: UUID, team_id: int) -> Note:
    """Return the version of a note that holds. Raises ``NotFound``, also for another team's."""
    rows = Note.objects.filter(thread=thread, team_id=team_id).order_by("-version")
    found = rows.select_related("run", "study").first()
    if found is None:
        raise NotFound(f"There is no note {thread} here.", code="note.not_found")
    return found


def list_views(*, actor: Actor) -> QuerySet[SavedView]:
    """Return the views that somebody may use: their own, and those shared with the team."""
    mine = Q(owner=actor.name, is_shared=False) | Q(is_shared=True)
    return SavedView.objects.filter(mine, team_id=actor.team)


def find_default(actor: Actor) -> SavedView | None:
    """Return the view that opens with the list: one's own, else the team's."""
    rows = list_views(actor=actor).filter(is_default=True)
    return rows.order_by("is_shared").first()


def get_view(view_id: int, actor: Actor) -> SavedView:
    """Return a view that somebody may use. Raises ``NotFound``."""
    found = list_views(actor=actor).filter(pk=view_id).first()
    if found is None:
        raise NotFound(f"There is no view {view_id} here.", code="view.not_found")
    return found


def view_row(view: SavedView) -> dict[str, Any]:
    """Return a view as lists show it."""
    return {
        "id": view.pk,
        "name": view.name,
        "query": view.query,
        "sort": view.sort,
        "columns": view.columns,
        "is_shared": view.is_shared,
        "is_default": view.is_default,
        "by": view.created_by_label or view.owner,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
    }
