"""Financial Modeling Prep, stable API: US stocks by day and by minute, actions, index members.

The endpoint ``historical-price-eod/full`` is adjusted for splits and ``non-split-adjusted`` is
not; the lab stores raw bars with their splits, so its daily sections ask for the latter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from apps.core.errors import NotFound
from apps.market.kernel.columns import Actions, Columns, no_actions
from apps.market.providers import answers
from apps.market.providers.base import (
    Capabilities,
    Fetched,
    Limit,
    Listing,
    Member,
    Request,
    Section,
    Task,
)
from apps.market.providers.pacing import Pacer, Timing
from apps.market.providers.wire import Wire

SP500, DAILY, ADJUSTED, INTRADAY = "sp500", "us-daily", "us-daily-split", "us-intraday"
INTERVALS = {
    "1m": "1min",
    "5m": "5min",
    "15m": "15min",
    "30m": "30min",
    "1h": "1hour",
    "4h": "4hour",
}
# The vendor answers at most a month of intraday bars, and asks to loop over days.
DAYS_PER_REQUEST = {"1m": 2, "5m": 7, "15m": 14, "30m": 28, "1h": 28, "4h": 28}
EOD = {
    DAILY: ("non-split-adjusted", ("adjOpen", "adjHigh", "adjLow", "adjClose", "volume")),
    ADJUSTED: ("full", answers.FIELDS),
}
INDEXES = {"sp500": "sp500", "nasdaq100": "nasdaq", "dowjones": "dowjones"}
TITLES = {
    SP500: "S&P 500 members, daily",
    DAILY: "US stocks, daily",
    ADJUSTED: "US stocks, daily, adjusted for splits",
    INTRADAY: "US stocks, intraday, adjusted for splits",
}
SURVIVORSHIP = {
    SP500: (
        "Today's members of the S&P 500: those that left are missing unless their symbols are "
        "asked for; the membership history says who they were."
    ),
    DAILY: "What was asked for by symbol: who is missing is known to who chose the symbols.",
}
# The vendor's most; how many it answers unless told is not documented, and too few for old stocks.
MOST_ACTIONS = 1000
NEW_YORK = "America/New_York"
FIRST_DAY = "1970-01-01"


@dataclass(frozen=True)
class FmpProvider:
    """Asks Financial Modeling Prep with a team's key, which travels in a header."""

    capabilities = Capabilities(
        name="fmp",
        title="Financial Modeling Prep",
        sections=(SP500, DAILY, ADJUSTED, INTRADAY),
        needs_key=True,
        actions=True,
        key_fields=("api_key",),
        timeframes=("1d", *INTERVALS),
        window=5000,
        history="Daily bars of 30 years and more; intraday bars of some years, by plan.",
        units={"volume": "shares; in the sections adjusted for splits, today's shares"},
        price_mode="raw",
        limits=(Limit(300, 60.0),),
    )

    base_url: str = "https://financialmodelingprep.com"
    timeout: float = 20.0
    key: Mapping[str, str] = field(default_factory=dict, repr=False)
    timing: Timing = field(default_factory=Timing)

    def with_key(self, key: Mapping[str, str]) -> FmpProvider:
        """Return the provider with a key."""
        return replace(self, key=dict(key))

    def with_timing(self, timing: Timing) -> FmpProvider:
        """Return the provider with another gate for its limits."""
        return replace(self, timing=timing)

    @property
    def wire(self) -> Wire:
        """The connection; the key stands in a header, where no log of addresses shows it."""
        told = self.capabilities
        pacer = Pacer(told.name, told.limits, self.key, self.timing)
        return Wire(self.base_url, pacer, self.timeout, {"apikey": self.key.get("api_key", "")})

    def section(self, name: str) -> Section:
        """Describe a section. Raises ``NotFound``."""
        answers.check_section(self.capabilities, name)
        mode = "raw" if name in {SP500, DAILY} else "adjusted for splits"
        return Section(
            name=name,
            title=TITLES[name],
            timeframe="1h" if name == INTRADAY else "1d",
            calendar="XNYS",
            source="Financial Modeling Prep, stable API (financialmodelingprep.com)",
            licence="the vendor's terms; not for redistribution",
            universe="",
            survivorship=SURVIVORSHIP.get(name, SURVIVORSHIP[DAILY]),
            note=f"Prices as delivered: {mode}.",
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List today's members of the S&P 500, or every symbol the vendor has."""
        answers.check_section(self.capabilities, section)
        if section == SP500:
            rows = self._rows("/stable/sp500-constituent")
            with answers.reading("fmp"):
                return [
                    Listing(row["symbol"], row["name"], sector=row.get("sector") or "")
                    for row in rows
                ]
        rows = self._rows("/stable/stock-list")
        with answers.reading("fmp"):
            return [Listing(row["symbol"], row.get("companyName") or "") for row in rows]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per symbol; a symbol the vendor lacks is told when it is fetched."""
        frames = tuple(INTERVALS) if request.section == INTRADAY else ("1d",)
        answers.check_request(self.capabilities, request, frames)
        symbols = request.symbols or [item.symbol for item in self.listings(request.section)]
        return answers.tasks_of(request, symbols)

    def fetch(self, task: Task) -> Fetched:
        """Return bars in time order, with splits and dividends where prices are raw."""
        bars = self._intraday(task) if task.section == INTRADAY else self._daily(task)
        bars = answers.closed(bars, task, "fmp")
        listing = self._listing(task.symbol)
        return Fetched(listing, bars, self._actions(task))

    def memberships(self, index: str) -> list[Member]:
        """Return who belonged to an index, from when until when. Raises ``NotFound``."""
        if index not in INDEXES:
            message = f"fmp has no members of {index!r}; it has {', '.join(INDEXES)}."
            raise NotFound(message, code="index.unknown")
        now = self._rows(f"/stable/{INDEXES[index]}-constituent")
        changes = self._rows(f"/stable/historical-{INDEXES[index]}-constituent")
        with answers.reading("fmp"):
            return members_of(now, changes)

    def check_key(self) -> str:
        """Ask for a company's profile with the key."""
        listing = self._listing("AAPL")
        return f"The key is good: {listing.symbol} is {listing.name}"

    def _rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        return answers.rows_of(self.wire.get(path, **params), "fmp")

    def _listing(self, symbol: str) -> Listing:
        rows = self._rows("/stable/profile", symbol=symbol)
        if not rows:
            raise answers.unknown("fmp", symbol)
        row = rows[0]
        with answers.reading("fmp"):
            return Listing(
                symbol=symbol,
                name=row["companyName"] or "",
                kind="fund" if row.get("isEtf") or row.get("isFund") else "equity",
                sector=row.get("sector") or "",
                venue=row.get("exchange") or "",
                currency=row.get("currency") or "USD",
            )

    def _daily(self, task: Task) -> Columns:
        path, names = EOD.get(task.section, EOD[DAILY])
        first = FIRST_DAY if task.since is None else answers.day_text(task.since)
        last = answers.day_text(self._until(task))
        rows: list[dict[str, Any]] = []
        while first <= last:
            page = self._rows(
                f"/stable/historical-price-eod/{path}", symbol=task.symbol, **_span(first, last)
            )
            rows += page
            with answers.reading("fmp"):
                days = [str(row["date"])[:10] for row in page]
            # How many rows make a full page is the vendor's affair: ask until nothing is older.
            if not days or np.busday_count(first, min(days)) <= 0:
                break
            last = str(np.datetime64(min(days)) - 1)
        with answers.reading("fmp"):
            return answers.columns_of(rows, answers.days_of([row["date"] for row in rows]), names)

    def _intraday(self, task: Task) -> Columns:
        until = self._until(task)
        step = DAYS_PER_REQUEST[task.timeframe] * answers.DAY
        # Without a start: as much as the vendor gives in one go.
        at = until - step if task.since is None else task.since // answers.DAY * answers.DAY
        rows: list[dict[str, Any]] = []
        while at <= until:
            span = _span(answers.day_text(at), answers.day_text(at + step - answers.DAY))
            path = f"/stable/historical-chart/{INTERVALS[task.timeframe]}"
            rows += self._rows(path, symbol=task.symbol, **span)
            at += step
        with answers.reading("fmp"):
            ts = answers.local_times([row["date"] for row in rows], NEW_YORK)
            return answers.columns_of(rows, ts)

    def _until(self, task: Task) -> int:
        if task.until is not None:
            return task.until
        return int(self.timing.now().timestamp() * answers.MICROS)

    def _actions(self, task: Task) -> Actions:
        if task.section == INTRADAY:
            return no_actions()
        raw = task.section != ADJUSTED
        asked = {"symbol": task.symbol, "limit": MOST_ACTIONS}
        dividends = self._rows("/stable/dividends", **asked)
        splits = self._rows("/stable/splits", **asked) if raw else []
        amount = "dividend" if raw else "adjDividend"
        with answers.reading("fmp"):
            cash = {_day(row): float(row[amount]) for row in dividends if row[amount]}
            ratio = {_day(row): row["numerator"] / row["denominator"] for row in splits}
            return answers.merged_actions(cash, ratio, replace(task, until=self._until(task)))


def members_of(
    now: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]
) -> list[Member]:
    """Return memberships from today's members and the changes, walked back in time."""
    open_until: dict[str, str | None] = {row["symbol"]: None for row in now}
    found: list[Member] = []
    for change in sorted(changes, key=lambda row: str(row["date"]), reverse=True):
        day = str(change["date"])[:10]
        added = change["symbol"] if change.get("addedSecurity") else ""
        if added in open_until:
            found.append(Member(added, day, open_until.pop(added)))
        removed = change.get("removedTicker") or ""
        if removed:
            open_until.setdefault(removed, day)
    since = {row["symbol"]: str(row.get("dateFirstAdded") or "")[:10] for row in now}
    for symbol, left in open_until.items():
        found.append(Member(symbol, since.get(symbol) or None, left))
    return sorted(found, key=lambda member: (member.symbol, member.joined_on or ""))


def _span(first: str, last: str) -> dict[str, str]:
    return {"from": first, "to": last}


def _day(row: Mapping[str, Any]) -> int:
    return int(answers.days_of([row["date"]])[0])
