"""Who holds a live feed: one process at a time, fenced by a number that only grows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.audit import services as audit
from apps.core import events
from apps.core.actors import system
from apps.core.errors import LabError
from apps.market.models import LiveFeed, Series
from apps.market.services import troubles
from apps.market.services.keys import note_refused_key
from apps.market.services.live.switching import tell_change

LEASE = timedelta(seconds=30)
LONGEST_PAUSE = 300.0
State = LiveFeed.State
# What people are told of in the trail and as an alert, and what ends such a time.
BAD = (State.STALE, State.FAILED)


class LostFeed(Exception):
    """Somebody else holds the feed now, it was switched off, or it is gone."""


@dataclass(frozen=True, slots=True)
class Held:
    """A feed this process holds, under its ``token``."""

    feed_id: int
    token: int
    team_id: int
    name: str
    provider: str
    section: str
    dataset_id: int
    calendar: str
    timeframe: str
    symbols: tuple[str, ...]


def list_wanted() -> list[int]:
    """Return the feeds that are on."""
    return list(LiveFeed.objects.filter(is_on=True).order_by("id").values_list("id", flat=True))


def claim(*, feed_id: int, holder: str, now: datetime) -> Held | None:
    """Take a feed that is on and held by nobody; None when it can't be had now."""
    with transaction.atomic():
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
        due = Q(not_before__isnull=True) | Q(not_before__lte=now)
        rows = LiveFeed.objects.select_for_update(skip_locked=True, of=("self",))
        row = rows.select_related("dataset").filter(free, due, pk=feed_id, is_on=True).first()
        if row is None:
            return None
        row.token += 1
        row.holder, row.lease_until, row.updated_at = holder[:120], now + LEASE, now
        row.state = State.STARTING if row.state == State.STOPPED else row.state
        row.save()
        return Held(
            feed_id=row.pk,
            token=row.token,
            team_id=row.team_id,
            name=row.name,
            provider=row.provider,
            section=row.section,
            dataset_id=row.dataset_id,
            calendar=row.dataset.calendar,
            timeframe=row.timeframe,
            symbols=tuple(row.symbols),
        )


def locked(held: Held, *, wanted: bool = True) -> LiveFeed:
    """Return the row of a feed, locked. Raises ``LostFeed`` for a holder whose time is over."""
    rows = LiveFeed.objects.select_for_update(of=("self",)).select_related("dataset")
    row = rows.filter(pk=held.feed_id, token=held.token).first()
    if row is None or (wanted and not row.is_on):
        raise LostFeed
    return row


def ends_of(held: Held) -> dict[str, datetime]:
    """Return the newest stored bar of each symbol that has any."""
    rows = Series.objects.filter(
        instrument__dataset_id=held.dataset_id,
        instrument__symbol__in=held.symbols,
        timeframe=held.timeframe,
    )
    found = rows.values_list("instrument__symbol", "last_at")
    return {symbol: last for symbol, last in found if last is not None}


def keep(
    held: Held,
    *,
    state: str,
    note: str,
    stale: tuple[str, ...],
    connects: int,
    refused: int,
    now: datetime,
) -> None:
    """Hold on to a feed and note how it is; a change is told. Raises ``LostFeed``."""
    with transaction.atomic():
        row = locked(held)
        is_change = (row.state, row.note, row.stale_symbols) != (state, note[:300], list(stale))
        before, row.state = str(row.state), state
        row.note, row.stale_symbols = note[:300], list(stale)
        row.lease_until, row.updated_at = now + LEASE, now
        row.connects += connects
        row.refused += refused
        row.failures = 0 if state == State.LIVE else row.failures
        row.save()
        if is_change:
            tell_change(row, now)
        if state != before:
            _note_turn(row, before, now)


def _note_turn(row: LiveFeed, before: str, now: datetime) -> None:
    """Put into the trail, and on the alerts' topic, that a feed went bad or is well again."""
    if row.state not in BAD and not (before in BAD and row.state == State.LIVE):
        return
    what = "recovered" if row.state == State.LIVE else str(row.state)
    body = {"note": row.note, "last_bar_at": row.last_bar_at, "before": before}
    actor = system("live", row.team_id)
    audit.record(
        actor=actor, action=f"feed.{what}", subject=f"live-feed:{row.name}", body=body, now=now
    )
    trouble: dict[str, Any] = {
        "team_id": row.team_id,
        "kind": troubles.FEED_BAD,
        "subject": f"live-feed:{row.name}",
        "now": now,
    }
    if row.state not in BAD:
        troubles.over(**trouble)
    else:
        troubles.found(
            severity="critical",
            title=f"Live feed {row.name} is {row.state}: {row.note or 'no bars come'}",
            advice="Its newest bars are old; look at the vendor's status and at the feed.",
            **trouble,
        )
        told = {"feed": row.name, "state": str(row.state), "note": row.note}
        events.emit(team_id=row.team_id, topic="alerts", kind=f"market.feed.{what}", data=told)


def let_go(held: Held, *, now: datetime, error: LabError | None = None, pause: float = 0) -> None:
    """Free a feed for the next holder, after a pause; for one that was lost this does nothing.

    With an error that trying again won't mend the feed is switched off as failed.
    """
    try:
        with transaction.atomic():
            row = locked(held, wanted=False)
            before = str(row.state)
            row.lease_until, row.holder, row.updated_at = None, "", now
            if not row.is_on:
                row.state, row.note, row.stale_symbols = State.STOPPED, "", []
            elif error is not None:
                row.is_on, row.state, row.note = False, State.FAILED, error.message[:300]
            elif pause:
                row.state = State.RECONNECTING
                row.not_before = now + timedelta(seconds=min(pause, LONGEST_PAUSE))
                row.failures = F("failures") + 1
            else:
                row.state = State.STARTING
            row.save()
            row.refresh_from_db()
            tell_change(row, now)
            if row.state != before:
                _note_turn(row, before, now)
    except LostFeed:
        return
    if error is not None:
        note_refused_key(team_id=held.team_id, provider=held.provider, error=error, now=now)
