"""Live feeds as a team sees them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from apps.core.errors import NotFound
from apps.market.models import LiveFeed

ORPHANED = "No process holds this feed at the moment; one that runs takes it up by itself."


@dataclass(frozen=True, slots=True)
class LiveFeedView:
    """How a live feed stands.

    Parameters
    ----------
    state
        ``starting``, ``live``, ``stale`` (none of its symbols moves, or nobody holds it),
        ``reconnecting``, ``failed`` (needs a person) or ``stopped``.
    stale_symbols
        Those that are silent or frozen, while others move.
    connects
        How often the connection was made.
    received, added, changed, refused
        Bars that came, were new, corrected a stored one, and were not taken: stamped ahead of
        the clock, or an echo of one that has been corrected since.
    """

    id: int
    name: str
    provider: str
    section: str
    dataset: str
    timeframe: str
    symbols: tuple[str, ...]
    is_on: bool
    state: str
    note: str
    stale_symbols: tuple[str, ...]
    last_bar_at: datetime | None
    heard_at: datetime | None
    connects: int
    received: int
    added: int
    changed: int
    refused: int
    updated_at: datetime

    @property
    def may_be_trusted(self) -> bool:
        """Whether its newest bars are those of now."""
        return self.state == LiveFeed.State.LIVE and not self.stale_symbols

    def as_dict(self) -> dict[str, Any]:
        """Return it as clients see it."""
        told = {**asdict(self), "symbols": list(self.symbols)}
        told["stale_symbols"] = list(self.stale_symbols)
        times = {name: told[name] for name in ("last_bar_at", "heard_at", "updated_at")}
        return {**told, **{name: at.isoformat() if at else None for name, at in times.items()}}


def list_live_feeds(*, team_id: int, now: datetime) -> list[LiveFeedView]:
    """Return the team's live feeds by name."""
    rows = LiveFeed.objects.filter(team_id=team_id).select_related("dataset").order_by("name")
    return [live_view(row, now) for row in rows]


def get_live_feed(*, team_id: int, name: str, now: datetime) -> LiveFeedView:
    """Return a live feed of the team. Raises ``NotFound``."""
    return live_view(find_row(team_id=team_id, name=name), now)


def find_row(*, team_id: int, name: str, lock: bool = False) -> LiveFeed:
    """Return the row of a live feed, locked when asked. Raises ``NotFound`` naming the others."""
    rows = LiveFeed.objects.select_related("dataset").filter(team_id=team_id)
    wanted = rows.select_for_update(of=("self",)) if lock else rows
    row = wanted.filter(name=name).first()
    if row is None:
        known = ", ".join(rows.order_by("name").values_list("name", flat=True))
        message = f"There is no live feed {name!r}; the team has {known or 'none'}."
        raise NotFound(message, code="feed.unknown")
    return row


def live_view(row: LiveFeed, now: datetime) -> LiveFeedView:
    """Return a row as it stands now: one that is on and held by nobody is stale."""
    state, note = str(row.state), row.note
    is_held = row.lease_until is not None and row.lease_until > now
    if row.is_on and not is_held and state in {LiveFeed.State.LIVE, LiveFeed.State.STALE}:
        state, note = str(LiveFeed.State.STALE), ORPHANED
    return LiveFeedView(
        id=row.pk,
        name=row.name,
        provider=row.provider,
        section=row.section,
        dataset=row.dataset.name,
        timeframe=row.timeframe,
        symbols=tuple(row.symbols),
        is_on=row.is_on,
        state=state,
        note=note,
        stale_symbols=tuple(row.stale_symbols),
        last_bar_at=row.last_bar_at,
        heard_at=row.heard_at,
        connects=row.connects,
        received=row.received,
        added=row.added,
        changed=row.changed,
        refused=row.refused,
        updated_at=row.updated_at,
    )
