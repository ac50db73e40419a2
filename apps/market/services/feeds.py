"""Feeds: the next stored bar handed out as if it had just closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market import store
from apps.market.models import FeedSession, Series, Universe
from apps.market.selectors.feeds import FeedState, state_of
from apps.market.selectors.panels import read_panel
from apps.market.selectors.universes import view_of

Floats = NDArray[np.float64]
DEMO_FEEDS = (
    ("crypto-hourly", "crypto-perps", None),
    ("sp500-daily", "sp500-sample", datetime(2015, 1, 1, tzinfo=UTC)),
)
SECONDS_RANGE = (0.05, 3600.0)


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """The bars of one time step of a feed: ``(n_assets,)`` arrays, NaN where there is no bar.

    ``opened_at`` stamps the bars; they are usable since ``closed_at``. Prices are in
    ``price_mode`` (split-adjusted, so that a split is no loss).
    """

    feed_id: int
    feed: str
    epoch: int
    universe: str
    timeframe: str
    price_mode: str
    symbols: tuple[str, ...]
    opened_at: datetime
    closed_at: datetime
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    bars_done: int
    bars_total: int
    seconds_per_bar: float


def ensure_demo_feeds(*, actor: Actor, now: datetime) -> list[FeedState]:
    """Make the feeds of the sample unless they exist; they run from the start."""
    actor.require("data.write")
    made: list[FeedState] = []
    for name, universe_name, start in DEMO_FEEDS:
        universe = Universe.objects.filter(team=None, name=universe_name).order_by("-version")
        newest = universe.first()
        if newest is None or FeedSession.objects.filter(name=name).exists():
            continue
        with transaction.atomic():
            made.append(_make_feed(actor, name, newest, start, now))
    return made


def _make_feed(
    actor: Actor, name: str, universe: Universe, start: datetime | None, now: datetime
) -> FeedState:
    series = _series_ids(universe)
    first, total = store.count_opens(series, start)
    row = FeedSession.objects.create(
        name=name,
        universe=universe,
        timeframe=universe.timeframe,
        start_at=first or now,
        bars_total=total,
        updated_at=now,
    )
    audit.record(
        actor=actor,
        action="feed.created",
        subject=f"feed:{name}",
        body={"universe": universe.name, "start_at": first, "bars": total},
        now=now,
    )
    return state_of(row)


def _series_ids(universe: Universe) -> list[int]:
    return list(
        Series.objects.filter(
            instrument__dataset_id=universe.dataset_id,
            instrument__symbol__in=universe.symbols,
            timeframe=universe.timeframe,
        ).values_list("id", flat=True)
    )


def advance_feed(*, session_id: int, now: datetime) -> FeedBatch | None:
    """Hand out the bars of the next time step and remember the position.

    None when the feed is paused, at its end, or held by another process at this moment.
    """
    with transaction.atomic():
        row = (
            FeedSession.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("universe__dataset")
            .filter(pk=session_id, status=FeedSession.Status.RUNNING)
            .first()
        )
        if row is None:
            return None
        opened_at = _next_bar(row)
        row.updated_at = now
        if opened_at is None:
            row.status = FeedSession.Status.ENDED
            row.save(update_fields=["status", "updated_at"])
            _tell("market.feed.changed", row, {})
            return None
        row.position_at = opened_at
        row.bars_done = min(row.bars_done + 1, row.bars_total)
        row.save(update_fields=["position_at", "bars_done", "updated_at"])
        batch = _batch(row, opened_at)
        _tell("market.bars.closed", row, _closes(batch))
        return batch


def _next_bar(row: FeedSession) -> datetime | None:
    return store.next_open(_series_ids(row.universe), row.start_at, row.position_at)


def _batch(row: FeedSession, opened_at: datetime) -> FeedBatch:
    universe = view_of(row.universe)
    panel = read_panel(
        team_id=None,
        timeframe=row.timeframe,
        start=opened_at,
        end=opened_at,
        universe=universe,
        price_mode=row.price_mode,
    )
    length = timedelta(seconds=seconds_of(row.timeframe))
    return FeedBatch(
        feed_id=row.pk,
        feed=row.name,
        epoch=row.epoch,
        universe=universe.name,
        timeframe=row.timeframe,
        price_mode=row.price_mode,
        symbols=panel.symbols,
        opened_at=opened_at,
        closed_at=opened_at + length,
        open=panel.open[0],
        high=panel.high[0],
        low=panel.low[0],
        close=panel.close[0],
        volume=panel.volume[0],
        bars_done=row.bars_done,
        bars_total=row.bars_total,
        seconds_per_bar=row.seconds_per_bar,
    )


def _closes(batch: FeedBatch) -> dict[str, Any]:
    known = np.isfinite(batch.close)
    return {
        "clock": batch.closed_at.isoformat(),
        "opened_at": batch.opened_at.isoformat(),
        "closed_at": batch.closed_at.isoformat(),
        "closes": {
            symbol: float(close)
            for symbol, close, is_known in zip(batch.symbols, batch.close, known, strict=True)
            if is_known
        },
    }


def _tell(kind: str, row: FeedSession, more: dict[str, Any]) -> None:
    data = {
        "feed": row.name,
        "feed_id": row.pk,
        "timeframe": row.timeframe,
        "status": str(row.status),
        "bars_done": row.bars_done,
        "bars_total": row.bars_total,
        "position_at": row.position_at.isoformat() if row.position_at else None,
        **more,
    }
    events.emit(team_id=None, topic="feed", kind=kind, data=data)


def pause_feed(*, actor: Actor, name: str, now: datetime) -> FeedState:
    """Stop a running feed, for every team on it: only the team that runs the lab may.

    Raises ``NotFound``, ``Denied``, or ``Conflict`` when it is not running.
    """
    return _change(actor, name, FeedSession.Status.PAUSED, {FeedSession.Status.RUNNING}, now)


def resume_feed(*, actor: Actor, name: str, now: datetime) -> FeedState:
    """Let a paused feed go on. Raises ``NotFound``, ``Denied``, ``Conflict`` when not paused."""
    return _change(actor, name, FeedSession.Status.RUNNING, {FeedSession.Status.PAUSED}, now)


def restart_feed(
    *, actor: Actor, name: str, now: datetime, seconds_per_bar: float | None = None
) -> FeedState:
    """Start a feed again from its first bar, under a new epoch.

    Raises
    ------
    Denied
        For every team but the one that runs the lab.
    Invalid
        ``feed.speed``.
    """
    actor.require("ops.manage")
    low, high = SECONDS_RANGE
    if seconds_per_bar is not None and not low <= seconds_per_bar <= high:
        message = f"{seconds_per_bar} s per bar is out of range; choose {low} to {high}."
        raise Invalid(message, code="feed.speed", details={"field": "seconds_per_bar"})
    with transaction.atomic():
        row = _locked(name)
        _check_runs_it(actor, name)
        row.epoch += 1
        row.position_at = None
        row.bars_done = 0
        row.seconds_per_bar = seconds_per_bar or row.seconds_per_bar
        return _save(actor, row, FeedSession.Status.RUNNING, "feed.restarted", now)


def _change(
    actor: Actor, name: str, status: str, allowed: set[FeedSession.Status], now: datetime
) -> FeedState:
    actor.require("ops.manage")
    with transaction.atomic():
        row = _locked(name)
        _check_runs_it(actor, name)
        if row.status not in allowed:
            expected = ", ".join(sorted(allowed))
            message = f"Feed {name} is {row.status}, not {expected}; restart it to begin anew."
            raise Conflict(message, code="feed.status")
        return _save(actor, row, status, f"feed.{status}", now)


def _check_runs_it(actor: Actor, name: str) -> None:
    """Refuse every team but one: a feed moves the accounts of all the teams on it."""
    founders = accounts.get_founders()
    is_lab = actor.role == "system"
    if is_lab or founders is None or actor.team == founders.id:
        return
    message = (
        f"Feed {name} moves the accounts of every team on it; only {founders.name}, the lab's "
        "first team, pauses or restarts it. Ask one of its admins."
    )
    raise Denied(message, code="feed.shared")


def _locked(name: str) -> FeedSession:
    rows = FeedSession.objects.select_for_update(of=("self",)).select_related("universe__dataset")
    row = rows.filter(name=name).first()
    if row is None:
        raise NotFound(f"There is no feed {name!r}.", code="feed.unknown")
    return row


def _save(actor: Actor, row: FeedSession, status: str, action: str, now: datetime) -> FeedState:
    row.status = status
    row.updated_at = now
    row.save()
    body = {"status": str(status), "epoch": row.epoch, "seconds_per_bar": row.seconds_per_bar}
    audit.record(actor=actor, action=action, subject=f"feed:{row.name}", body=body, now=now)
    _tell("market.feed.changed", row, {})
    return state_of(row)
