"""Accounts as live risk sees them: what each strategy holds, last prices, closes to learn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from apps.core.kernel.timeframes import seconds_of
from apps.market import selectors as market
from apps.market.selectors import FeedState
from apps.risk.selectors.live import Closes, Line, LiveBook
from apps.risk.selectors.what_if import Asked, Proposed, Wanted
from apps.trading.models import Account, Position
from apps.trading.selectors.snapshots import find_feed
from apps.trading.selectors.what_if import asked_of, proposed_by
from apps.trading.selectors.windows import read_window

KIND = "account:"
BY_HAND = "by hand"
MOST = 200
# A calendar with weekends holds fewer bars than its days.
SPREAD = {"24/7": 1.05}
OFF_DAYS = 1.6


class LiveAccounts:
    """Plug ``account`` of ``RISK_LIVE``."""

    def books(self, team_id: int, subject: str = "") -> list[LiveBook]:
        """Return the team's accounts with all they hold; of an unknown one nothing."""
        rows = Account.objects.filter(team_id=team_id).order_by("id")
        if subject:
            number = subject.removeprefix(KIND)
            if not subject.startswith(KIND) or not number.isdigit() or len(number) > 18:
                return []
            rows = rows.filter(pk=int(number))
        accounts = list(rows[:MOST])
        lines = _lines(accounts)
        frames = {name: _timeframe(find_feed(name)) for name in {row.feed for row in accounts}}
        return [_book(row, lines[row.pk], frames[row.feed]) for row in accounts]

    def closes(self, clock: str, symbols: Sequence[str], until: datetime, bars: int) -> Closes:
        """Return times and closes of a feed's symbols up to a bar, at most ``bars`` of them."""
        feed = find_feed(clock)
        known = [symbol for symbol in symbols if feed is not None and symbol in feed.symbols]
        if feed is None or not known:
            return {}
        spread = SPREAD.get(feed.calendar, OFF_DAYS)
        back = timedelta(seconds=spread * bars * seconds_of(feed.timeframe))
        panel = read_window(feed, since=until - back, until=until, user="risk")
        if panel is None:
            return {}
        last = int(np.searchsorted(panel.ts, _micros(until), side="right"))
        first, at = max(0, last - bars), {name: i for i, name in enumerate(panel.symbols)}
        ts = panel.ts[first:last]
        return {symbol: (ts, panel.close[first:last, at[symbol]]) for symbol in known}

    def edition(self) -> int:
        """Return the number of the last correction of stored bars."""
        return market.last_revision()

    def ask(self, subject: str, team_id: int, wanted: Wanted, now: datetime) -> Asked:
        """Return what is wanted as trades, with the guard's verdicts."""
        return asked_of(int(subject.removeprefix(KIND)), team_id, wanted, now)

    def proposed(self, kind: str, terms: Mapping[str, Any], team_id: int) -> Proposed | None:
        """Return what a proposal would trade; None for one that trades nothing."""
        return proposed_by(kind, terms, team_id)


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1e6)


def _timeframe(feed: FeedState | None) -> str:
    return "" if feed is None else feed.timeframe


def _lines(accounts: Sequence[Account]) -> Mapping[int, list[Line]]:
    found: dict[int, list[Line]] = defaultdict(list)
    rows = Position.objects.filter(account__in=accounts).select_related("deployment")
    for row in rows.order_by("symbol", "id"):
        key = f"account:{row.account_id}/hand"
        label = BY_HAND
        if row.deployment is not None:
            key, label = f"deployment:{row.deployment_id}", row.deployment.version_label
        price, at = float(row.last_price), row.last_price_at
        line = Line(row.symbol, float(row.quantity), price, at, key, label)
        found[row.account_id].append(line)
    return found


def _book(row: Account, lines: Sequence[Line], timeframe: str) -> LiveBook:
    return LiveBook(
        subject=f"{KIND}{row.pk}",
        title=row.name,
        account_id=row.pk,
        currency=row.currency,
        clock=row.feed,
        timeframe=timeframe,
        as_of=row.last_bar_at,
        equity=row.equity,
        lines=tuple(lines),
    )
