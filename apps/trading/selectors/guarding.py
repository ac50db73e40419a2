"""What the guard has to know of an account beside what it holds: facts, stops, what was sent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from apps.core.kernel.timeframes import seconds_of
from apps.market import selectors as market
from apps.market.selectors import FeedState, InstrumentFacts
from apps.risk import selectors as risk
from apps.risk.kernel.limits import Holdings, Limits, Sent
from apps.trading.kernel.scopes import covering
from apps.trading.models import Account, Order
from apps.trading.selectors.halts import halted_among
from apps.trading.selectors.snapshots import find_feed, holdings_of
from apps.trading.selectors.windows import read_window

RUNNING = "running"
PRICE_BARS = 8
# Orders by hand that may have been sent twice are looked for this far back.
REMEMBERED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Guarded:
    """An account as the guard sees it before an order by hand."""

    book: Holdings
    limits: Limits
    feed: FeedState | None


def stop_scopes(team_id: int, account_id: int, deployment_ids: Iterable[int] = ()) -> list[str]:
    """Return every scope whose emergency stop lets the account open nothing."""
    owners = covering(team_id=team_id, account_id=account_id)[1:]
    return [*owners, *(f"deployment:{number}" for number in deployment_ids)]


def facts_of(feed: FeedState | None, symbols: Iterable[str]) -> InstrumentFacts:
    """Return the kinds and sectors of symbols on a feed."""
    if feed is None:
        return InstrumentFacts(frozenset(), {})
    return market.instrument_facts(feed.dataset_id, symbols)


def guarded(
    account: Account, now: datetime, prices: dict[str, float], *, holds: bool = False
) -> Guarded:
    """Return the account as the guard sees it.

    With ``holds``, for the transaction that stores the order, an emergency stop that trips
    meanwhile waits for it.
    """
    feed = find_feed(account.feed)
    seen = holdings_of(account, now, prices)
    scopes = stop_scopes(account.team_id, account.pk)
    halts = halted_among(covering(team_id=account.team_id, account_id=account.pk))
    facts = facts_of(feed, {*seen.positions, *seen.pending, *prices})
    book = replace(
        seen,
        halted=[halt.scope for halt in halts],
        stopped=risk.hold_blocking(scopes) if holds else risk.blocking_among(scopes),
        recent=sent_by_hand(account, now),
        perpetuals=facts.perpetuals,
        groups=facts.sectors,
        session_open=None if feed is None else feed.status == RUNNING,
    )
    view = risk.get_limits(team_id=account.team_id, subject=f"account:{account.pk}")
    return Guarded(book, view.limits, feed)


def sent_by_hand(account: Account, now: datetime) -> list[Sent]:
    """Return the orders by hand of the last minutes, refused ones left out."""
    rows = Order.objects.filter(
        account=account, deployment=None, created_at__gt=now - REMEMBERED
    ).exclude(state="refused")
    return [
        Sent(
            row.symbol,
            row.side,
            float(row.quantity),
            (now - row.created_at).total_seconds(),
            row.client_id,
        )
        for row in rows.order_by("-created_at")[:200]
    ]


def price_age(account: Account, feed: FeedState | None, symbol: str) -> float:
    """Return the seconds, on the feed's clock, since the symbol's last price was news.

    An account that is a bar behind its feed is about to be stepped; one further behind is late.
    """
    until = account.last_bar_at
    if feed is None or until is None or symbol not in feed.symbols:
        return math.inf
    bar = float(seconds_of(feed.timeframe))
    back = timedelta(seconds=PRICE_BARS * bar)
    panel = read_window(feed, since=until - back, until=until)
    closes: Any = [] if panel is None else panel.close[:, panel.symbols.index(symbol)]
    known = np.flatnonzero(np.isfinite(closes))
    if panel is None or not len(known):
        return math.inf
    lag = (feed.position_at - until).total_seconds() if feed.position_at else 0.0
    missed = (int(panel.ts[-1]) - int(panel.ts[known[-1]])) / 1e6
    return missed + max(0.0, lag - bar)
