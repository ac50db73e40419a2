"""Bars of a live feed into the tables, the way an ingestion writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import F

from apps.core import events
from apps.core.actors import system
from apps.core.kernel.hashing import digest_arrays
from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.kernel.columns import Columns, no_actions
from apps.market.kernel.periods import moment_of
from apps.market.models import Batch, LiveFeed, Universe
from apps.market.providers.base import Fetched, Section
from apps.market.services.absorb import absorb
from apps.market.services.live.holding import Held, locked
from apps.market.services.quarantine import keep_out
from apps.market.services.universe_versions import add_version, take_turns

MICROS = 1_000_000
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Heard:
    """Bars of one symbol, and how they came: ``stream``, ``backfill`` or ``poll``."""

    fetched: Fetched
    how: str
    rank: int


def store_heard(held: Held, *, section: Section, heard: Sequence[Heard], now: datetime) -> None:
    """Write bars with a batch per way they came, in one transaction; tell the closes.

    Bars that are there already add nothing, others supersede them. Raises ``LostFeed`` when
    somebody else holds the feed: nothing is written then.
    """
    with transaction.atomic():
        row = locked(held)
        store.lock_dataset(row.dataset_id)
        added = changed = 0
        for how in dict.fromkeys(item.how for item in heard):
            more, other = _write(row, section, how, [i for i in heard if i.how == how], now)
            added, changed = added + more, changed + other
        received = sum(len(item.fetched.bars) for item in heard)
        last = max(int(item.fetched.bars.ts[-1]) for item in heard)
        LiveFeed.objects.filter(pk=row.pk).update(
            received=F("received") + received,
            added=F("added") + added,
            changed=F("changed") + changed,
            heard_at=now,
            last_bar_at=max(moment_of(last), row.last_bar_at or moment_of(last)),
        )
        _ensure_universe(row, section, now)
        if added or changed:
            _tell_closes(row, heard)


def _write(
    row: LiveFeed, section: Section, how: str, heard: Sequence[Heard], now: datetime
) -> tuple[int, int]:
    fetched = _joined(heard)
    batch = Batch.objects.create(
        dataset=row.dataset,
        provider=row.provider,
        source=f"{section.source}; live feed {row.name}, {how}"[:300],
        sha256=_digest_of(fetched),
        created_at=now,
        created_by=system("live", row.team_id).name,
    )
    sound = keep_out(
        dataset=row.dataset,
        provider=row.provider,
        timeframe=row.timeframe,
        fetched=fetched,
        now=now,
    )
    written = absorb(
        dataset=row.dataset,
        batch=batch,
        timeframe=row.timeframe,
        fetched=sound,
        now=now,
        judged=False,
    )
    if not written.added and not written.changed and not any(i.figures for i in fetched):
        batch.delete()  # nothing refers to it: the same bars were there already
    return written.added, written.changed


def _joined(heard: Sequence[Heard]) -> list[Fetched]:
    """Return one item per symbol, in time order; of two bars for one time the later told."""
    by_symbol: dict[str, list[Fetched]] = {}
    for item in heard:
        by_symbol.setdefault(item.fetched.listing.symbol, []).append(item.fetched)
    return [_as_one(items) for _, items in sorted(by_symbol.items())]


def _as_one(items: Sequence[Fetched]) -> Fetched:
    ts = np.concatenate([item.bars.ts for item in items])
    columns = (np.concatenate([getattr(i.bars, name) for i in items]) for name in FIELDS)
    bars = Columns(ts, *columns)
    times, newest = np.unique(ts[::-1], return_index=True)
    bars = bars.take(len(ts) - 1 - newest) if len(times) else bars
    # Actions come with the daily bars they belong to, by an ingestion.
    return replace(items[-1], bars=bars, actions=no_actions())


def _digest_of(fetched: Sequence[Fetched]) -> str:
    whole = hashlib.sha256()
    for item in fetched:
        digest = digest_arrays(**{name: getattr(item.bars, name) for name in Columns.__slots__})
        whole.update(item.listing.symbol.encode() + b"\0" + digest.encode())
    return whole.hexdigest()


def _ensure_universe(row: LiveFeed, section: Section, now: datetime) -> None:
    """Keep a universe of the feed's symbols, so that its bars are read like all others."""
    name = f"live-{row.name}"[:64]
    mine = Universe.objects.filter(team_id=row.team_id, name=name)
    if mine.exists():
        return
    take_turns(row.team_id)
    if mine.exists():
        return
    add_version(
        team_id=row.team_id,
        dataset=row.dataset,
        name=name,
        title=f"Live feed {row.name}",
        timeframe=row.timeframe,
        symbols=sorted(row.symbols),
        survivorship=section.survivorship or "The symbols of a live feed, chosen by hand.",
        by=system("live", row.team_id).name,
        now=now,
    )


def _tell_closes(row: LiveFeed, heard: Sequence[Heard]) -> None:
    newest = {item.fetched.listing.symbol: item.fetched.bars for item in heard}
    opened = max(int(bars.ts[-1]) for bars in newest.values())
    closed = moment_of(opened + seconds_of(row.timeframe) * MICROS)
    data = {
        "feed": row.name,
        "timeframe": row.timeframe,
        "opened_at": moment_of(opened).isoformat(),
        "closed_at": closed.isoformat(),
        "closes": {symbol: float(bars.close[-1]) for symbol, bars in newest.items()},
    }
    events.emit(
        team_id=row.team_id, topic=f"feed.{row.name}", kind="market.bars.closed", data=data
    )
