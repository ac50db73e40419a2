"""The page of the guard: stops, limits in use, sets in force, what was refused."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max

from apps.approvals import selectors as approvals
from apps.risk.kernel.limits import as_values
from apps.risk.selectors.breaches import list_breaches
from apps.risk.selectors.limits import list_sets
from apps.risk.selectors.reports import shown_books
from apps.risk.selectors.stops import list_stops, stop_json

SHOWN = 100
TONES = {"ok": "ok", "warning": "busy", "active": "bad", "cooldown": "person"}


def guard_page(team_id: int) -> dict[str, Any]:
    """Return what the page shows."""
    refused = list_breaches(team_id=team_id)
    counts = refused.order_by().values("code").annotate(count=Count("id"), last=Max("created_at"))
    books = shown_books(team_id=team_id)
    titles = {book["subject"]: book["title"] for book in books}
    return {
        "resumes": approvals.open_subjects(team_id, kind="resume"),
        "stops": [_shown(stop_json(row), titles) for row in list_stops(team_id=team_id)],
        "books": books,
        "sets": [
            {
                "subject": view.subject or "team",
                "query": view.subject,
                "title": titles.get(view.subject, ""),
                "version": view.version,
                "reason": view.reason,
                "by": view.created_by,
                "at": view.created_at,
                "on": sum(
                    value is not None and value != [] for value in as_values(view.limits).values()
                ),
            }
            for view in list_sets(team_id=team_id)
        ],
        "counts": sorted(counts, key=lambda row: (-row["count"], row["code"])),
        "breaches": refused[:SHOWN],
    }


def _shown(stop: dict[str, Any], titles: dict[str, str]) -> dict[str, Any]:
    return {**stop, "title": titles.get(stop["scope"], ""), "tone": TONES[stop["state"]]}
