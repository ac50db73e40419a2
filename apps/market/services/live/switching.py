"""Live feeds as people make, start and stop them; a process picks up what is on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.market.models import LiveFeed
from apps.market.providers.base import Provider, Request
from apps.market.selectors.keys import provider_for
from apps.market.selectors.live import LiveFeedView, find_row, live_view
from apps.market.services import troubles
from apps.market.services.ingests import own_dataset

NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
MOST_SYMBOLS = 100
State = LiveFeed.State


def create_live_feed(
    *,
    actor: Actor,
    name: str,
    provider: str,
    section: str,
    symbols: Sequence[str],
    now: datetime,
    timeframe: str = "1m",
    dataset: str = "",
) -> LiveFeedView:
    """Make a live feed into a dataset of the team, and start it.

    Raises
    ------
    Invalid
        ``feed.name``, ``feed.symbols``, ``feed.provider``, ``provider.timeframe``.
    NotFound
        ``plug.unknown``, ``provider.section_unknown``, ``symbol.unknown``.
    Denied
        ``provider.no_key``.
    Conflict
        ``feed.exists``.
    """
    actor.require("ops.manage")
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name for a feed: use 2-63 of a-z, 0-9 and hyphens."
        raise Invalid(message, code="feed.name", details={"field": "name"})
    wanted = tuple(dict.fromkeys(symbol.strip() for symbol in symbols if symbol.strip()))
    if not 0 < len(wanted) <= MOST_SYMBOLS:
        message = f"A live feed has 1 to {MOST_SYMBOLS} symbols, not {len(wanted)}."
        raise Invalid(message, code="feed.symbols", details={"field": "symbols"})
    plug = provider_for(team_id=actor.team, name=provider)
    _check_can_run(plug, provider, timeframe)
    facts = plug.section(section)
    plug.plan(Request(section, wanted, timeframe, until=int(now.timestamp() * 1e6)))
    with transaction.atomic():
        place = own_dataset(
            actor=actor, name=dataset or f"{provider}-{section}", section=facts, now=now
        )
        row, made = LiveFeed.objects.get_or_create(
            team_id=actor.team,
            name=name,
            defaults={
                "provider": provider,
                "section": section,
                "dataset": place,
                "timeframe": timeframe,
                "symbols": list(wanted),
                "state": State.STARTING,
                "created_at": now,
                "created_by": actor.label or actor.name,
                "updated_at": now,
            },
        )
        if not made:
            message = f"There is a live feed {name} already; choose another name."
            raise Conflict(message, code="feed.exists", details={"field": "name"})
        body = {"provider": provider, "section": section, "symbols": list(wanted)}
        more = {"timeframe": timeframe, "dataset": place.name}
        _record(actor, "feed.created", row, {**body, **more}, now)
    return live_view(row, now)


def _check_can_run(plug: Provider, name: str, timeframe: str) -> None:
    told = plug.capabilities
    if not hasattr(plug, "with_timing") or not told.bars:
        message = f"{name} has no live bars; choose a vendor that has bars."
        raise Invalid(message, code="feed.provider", details={"field": "provider"})
    has = ("1m",) if hasattr(plug, "stream") else told.timeframes
    if timeframe not in has:
        message = f"Live bars of {name} come as {', '.join(has)}, not {timeframe}."
        raise Invalid(message, code="provider.timeframe", details={"field": "timeframe"})


def start_live_feed(*, actor: Actor, name: str, now: datetime) -> LiveFeedView:
    """Let a feed run; a process takes it up within seconds. Raises ``Conflict`` when it is on."""
    return _switch(actor, name, is_on=True, now=now)


def stop_live_feed(*, actor: Actor, name: str, now: datetime) -> LiveFeedView:
    """Stop a feed; its holder lets go of it within seconds. Raises ``Conflict`` when it is off."""
    return _switch(actor, name, is_on=False, now=now)


def _switch(actor: Actor, name: str, *, is_on: bool, now: datetime) -> LiveFeedView:
    actor.require("ops.manage")
    with transaction.atomic():
        row = find_row(team_id=actor.team, name=name, lock=True)
        if row.is_on == is_on:
            message = f"Live feed {name} is {'on' if is_on else 'off'} already."
            raise Conflict(message, code="feed.status")
        row.is_on, row.not_before, row.failures, row.updated_at = is_on, None, 0, now
        is_held = row.lease_until is not None and row.lease_until > now
        if is_on:
            row.state, row.note = State.STARTING, ""
        elif not is_held:
            row.state, row.note, row.stale_symbols = State.STOPPED, "", []
        row.save()
        _record(actor, "feed.started" if is_on else "feed.stopped", row, {}, now)
        _forget_trouble(row, now)
    return live_view(row, now)


def delete_live_feed(*, actor: Actor, name: str, now: datetime) -> None:
    """Remove a feed; its bars stay. Raises ``NotFound``."""
    actor.require("ops.manage")
    with transaction.atomic():
        row = find_row(team_id=actor.team, name=name, lock=True)
        row.state = State.STOPPED
        _record(actor, "feed.deleted", row, {}, now)
        _forget_trouble(row, now)
        row.delete()


def _forget_trouble(row: LiveFeed, now: datetime) -> None:
    """End the alert about a feed that somebody stops, starts anew or removes."""
    subject = f"live-feed:{row.name}"
    troubles.over(team_id=row.team_id, kind=troubles.FEED_BAD, subject=subject, now=now)


def _record(actor: Actor, action: str, row: LiveFeed, body: dict[str, Any], now: datetime) -> None:
    audit.record(actor=actor, action=action, subject=f"live-feed:{row.name}", body=body, now=now)
    tell_change(row, now)


def tell_change(row: LiveFeed, now: datetime) -> None:
    """Tell the team's browsers how a feed stands."""
    events.emit(
        team_id=row.team_id,
        topic=f"feed.{row.name}",
        kind="market.feed.changed",
        data=live_view(row, now).as_dict(),
    )
