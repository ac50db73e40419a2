"""The bars a feed has handed out so far, kept in memory by the process that steps deployments."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.market import selectors as market
from apps.market.kernel.bars import FIELDS, Panel
from apps.market.kernel.periods import micros
from apps.market.selectors import FeedState
from apps.market.services import FeedBatch

MAX_BARS = 6000
# Bars read again, so that a share that was not traded for some of them misses no dividend.
OVERLAP = 20
NO_BARS = "panel.no_bars"


@dataclass(slots=True)
class _Kept:
    """Bars read so far; ``done`` is how many the feed had handed out at ``until``, if known.

    ``revised`` is the last revision there was when reading began.
    """

    since: int
    until: int
    panel: Panel | None
    done: int | None = None
    revised: int = 0


# Each user waits for its own reads alone: who steps accounts never for who measures them.
_LOCKS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_KEPT: dict[tuple[str, int, tuple[str, ...], str], _Kept] = {}


def read_window(
    feed: FeedState,
    *,
    since: datetime,
    until: datetime,
    inputs: tuple[str, ...] = (),
    user: str = "",
) -> Panel | None:
    """Return the feed's bars from ``since`` to ``until`` (opens, inclusive), never later ones.

    None when there are none. What was read before is kept, at most ``MAX_BARS`` times of it; a
    ``user`` that may be behind the others keeps its own, so that neither makes the other read.
    """
    with _LOCKS[user]:
        return _window(feed, since, until, inputs, user)


def forget_windows(feed_name: str) -> None:
    """Let what is kept of a feed be read anew."""
    for key in [key for key in list(_KEPT) if key[0] == feed_name]:
        _KEPT.pop(key, None)


def take_batch(batch: FeedBatch) -> None:
    """Add the bar that was just handed out to what is kept, if it follows on without a gap.

    A user that reads just now is not waited for: it reads the bar itself.
    """
    for user in {key[3] for key in list(_KEPT) if key[0] == batch.feed}:
        if _LOCKS[user].acquire(blocking=not user):
            try:
                _take(batch, user)
            finally:
                _LOCKS[user].release()


def _take(batch: FeedBatch, user: str) -> None:
    kept = _KEPT.get((batch.feed, batch.epoch, (), user))
    follows = kept is not None and kept.done is not None and kept.done + 1 == batch.bars_done
    if kept is None or kept.panel is None or not follows:
        return
    if kept.panel.symbols != batch.symbols or kept.panel.price_mode != batch.price_mode:
        return
    row = replace(
        kept.panel,
        ts=np.array([micros(batch.opened_at)], dtype=np.int64),
        open=batch.open[None],
        high=batch.high[None],
        low=batch.low[None],
        close=batch.close[None],
        volume=batch.volume[None],
    )
    kept.panel = _joined(kept.panel, row)
    kept.until, kept.done = micros(batch.opened_at), batch.bars_done


def _window(
    feed: FeedState, since: datetime, until: datetime, inputs: tuple[str, ...], user: str
) -> Panel | None:
    key = (feed.name, feed.epoch, inputs, user)
    low, high = micros(since), micros(until)
    kept = _KEPT.get(key)
    seen = _until(kept, low, high) if user and kept is not None else None
    if seen is not None:
        return seen
    if kept is None or kept.since > low or kept.until > high or _is_revised(kept):
        _forget(feed)
        revised = market.last_revision()
        kept = _Kept(low, high, _read(feed, since, until, inputs), revised=revised)
        _KEPT[key] = kept
    elif kept.until < high:
        kept.panel = _joined(kept.panel, _read_on(feed, kept, until, inputs))
        kept.until, kept.done = high, None
    if until == feed.position_at:
        kept.done = feed.bars_done
    return kept.panel


def _until(kept: _Kept, low: int, high: int) -> Panel | None:
    """Return what is kept up to a bar before its last; None when it must be read.

    Who is behind sees the bars up to its own, of those that were handed out since.
    """
    if kept.panel is None or kept.since > low or kept.until <= high or _is_revised(kept):
        return None
    return kept.panel.rows(0, int(np.searchsorted(kept.panel.ts, high, side="right")))


def _read_on(
    feed: FeedState, kept: _Kept, until: datetime, inputs: tuple[str, ...]
) -> Panel | None:
    """Return the bars after those kept.

    Some are read again: what happened between two bars, a dividend or a split, is laid on the
    second only when the first is read too.
    """
    start = kept.until + 1
    if inputs and kept.panel is not None and kept.panel.n_bars:
        start = int(kept.panel.ts[-min(OVERLAP, kept.panel.n_bars)])
    since = datetime.fromtimestamp(0, tz=until.tzinfo) + timedelta(microseconds=start)
    found = _read(feed, since, until, inputs)
    if found is None:
        return None
    first = int(np.searchsorted(found.ts, kept.until, side="right"))
    if first == 0:
        return found
    return found.rows(first, found.n_bars) if first < found.n_bars else None


def _is_revised(kept: _Kept) -> bool:
    """Tell whether what is kept was corrected since: then strategies see the correction."""
    if kept.panel is None:
        return False
    return market.last_revision(kept.panel.series_ids) > kept.revised


def _forget(feed: FeedState) -> None:
    for key in [key for key in list(_KEPT) if key[0] == feed.name and key[1] != feed.epoch]:
        _KEPT.pop(key, None)


def _read(
    feed: FeedState, since: datetime, until: datetime, inputs: tuple[str, ...]
) -> Panel | None:
    try:
        return market.read_panel(
            team_id=None,
            timeframe=feed.timeframe,
            start=since,
            end=until,
            instruments=feed.symbols,
            price_mode=feed.price_mode,
            inputs=inputs,
            dataset=feed.dataset,
        )
    except Invalid as error:
        if error.code != NO_BARS:
            raise
        return None


def _joined(before: Panel | None, after: Panel | None) -> Panel | None:
    if before is None or after is None:
        return before if after is None else after
    first = max(0, before.n_bars + after.n_bars - MAX_BARS)
    names: dict[str, Any] = {
        name: np.concatenate([getattr(before, name)[first:], getattr(after, name)])
        for name in FIELDS
    }
    extras = {
        name: np.concatenate([before.extras[name][first:], after.extras[name]])
        for name in before.extras
    }
    ts = np.concatenate([before.ts[first:], after.ts])
    return replace(before, ts=ts, extras=extras, **names)
