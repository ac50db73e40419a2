"""Crypto venues through ccxt: bars, funding and open interest of spot and linear perpetuals."""

from __future__ import annotations

import copy
import difflib
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid, NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.columns import Columns, empty_columns
from apps.market.providers.base import (
    Capabilities,
    Fetched,
    Figures,
    Listing,
    Request,
    Section,
    Task,
)
from apps.market.providers.ccxt_line import SHAPE_ERRORS, Line, Market
from apps.market.providers.ccxt_pages import (
    DAY,
    MINUTE,
    ORDERS,
    Figure,
    Pairs,
    closes_of,
    figure_of,
    period_of,
    step_of,
)
from apps.market.providers.pacing import Pacer, Timing
from apps.market.providers.venues import (
    PER_INTERVAL,
    VENUES,
    Candles,
    Funding,
    Interest,
    Side,
)

Rows = NDArray[np.float64]
WEEK = 7 * DAY
PAGES_PER_TASK = 10
NAMES = {"1mo": "1M"}
PERIODS = {"1h": "1H", "4h": "4H", "1d": "1Dutc"}  # of OKX


class CcxtProvider:
    """A crypto venue through ccxt.

    Parameters
    ----------
    venue
        A name of ``VENUES``; the provider is called the same.
    base_url
        Takes the place of every host of the venue.
    timing
        Where the time is read and how to wait.
    """

    def __init__(
        self, venue: str, base_url: str = "", timeout: float = 20.0, timing: Timing | None = None
    ) -> None:
        self.name, self.venue = venue, VENUES[venue]
        self.base_url, self.timeout = base_url, timeout
        self.timing = timing or Timing()
        self.lines: dict[int, Line] = {}
        self.lock = threading.Lock()
        sides = self.venue.sides.values()
        figures = {
            "funding": any(side.funding for side in sides),
            "open_interest": any(side.interest for side in sides),
        }
        units = {"volume": "base coin", "funding": PER_INTERVAL, "open_interest": "base coin"}
        has = tuple(kind for kind, is_there in figures.items() if is_there)
        self.capabilities = Capabilities(
            name=venue,
            title=self.venue.title,
            sections=tuple(self.venue.sides),
            figures=has,
            timeframes=self.venue.timeframes,
            window=PAGES_PER_TASK * min(side.candles.page for side in sides),
            history=self.venue.history,
            units={name: unit for name, unit in units.items() if name in {"volume", *has}},
            limits=self.venue.limits,
        )

    @property
    def pacer(self) -> Pacer:
        """The tokens of the venue, which counts by address: the same for all teams."""
        return Pacer(self.name, self.venue.limits, {}, self.timing)

    def with_timing(self, timing: Timing) -> CcxtProvider:
        """Return the provider with another gate for its limits, its connections shared."""
        found = copy.copy(self)
        found.timing = timing
        return found

    def section(self, name: str) -> Section:
        """Describe a section. Raises ``NotFound``."""
        self._side(name)
        kinds = {"spot": "coins", "perpetuals": "linear perpetuals"}
        return Section(
            name=name,
            title=f"{self.venue.title}, {kinds[name]}",
            timeframe="1h",
            calendar="24/7",
            source=f"public REST API of {self.venue.title}, read with ccxt",
            licence=f"terms of the venue: {self.venue.terms}",
            universe=f"{self.name}-{name}",
            survivorship=(
                f"Only what {self.venue.title} lists on the day it is asked: coins that failed "
                "and were taken off are missing, which flatters results."
            ),
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List what trades in a section now."""
        return [
            self._listing(symbol, market)
            for symbol, market in self._markets(section).items()
            if market["active"] is not False
        ]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per symbol. Raises ``NotFound`` for an unknown symbol."""
        self._check_timeframe(request.timeframe)
        known = self._markets(request.section)
        for symbol in request.symbols:
            self._look_up(known, request.section, symbol)
        symbols = request.symbols or [each.symbol for each in self.listings(request.section)]
        return [
            Task(
                request.section,
                symbol,
                request.timeframe,
                self._began(known[symbol]) * 1000 if request.since is None else request.since,
                request.until,
            )
            for symbol in symbols
        ]

    def fetch(self, task: Task) -> Fetched:
        """Fetch bars that have closed, and the figures of the same stretch."""
        self._check_timeframe(task.timeframe)
        side, market = self._side(task.section), self._market(task.section, task.symbol)
        now = int(self.timing.now().timestamp() * 1e6)
        until = now if task.until is None else min(task.until, now)
        since = self._began(market) * 1000 if task.since is None else task.since
        low, high = -(-since // 1000), until // 1000
        bars = self._bars(side, market, task.timeframe, low, high)
        figures: Figures = {}
        if side.funding:
            figures["funding"] = self._funding(side, side.funding, market, low, high)
        if side.interest:
            opens = bars.ts // 1000
            figures["open_interest"] = self._interest(
                side, side.interest, market, task.timeframe, opens, low, high
            )
        return Fetched(self._listing(task.symbol, market), bars, figures=figures)

    # Markets.

    def _side(self, section: str) -> Side:
        if section not in self.venue.sides:
            known = ", ".join(self.venue.sides)
            message = f"{self.name} has no section {section!r}; it has {known}."
            raise NotFound(message, code="provider.section_unknown")
        return self.venue.sides[section]

    def _line(self, side: Side) -> Line:
        with self.lock:
            if id(side) not in self.lines:
                line = Line(side, self.base_url, self.timeout, self.pacer, self.venue.cost)
                self.lines[id(side)] = line
            return self.lines[id(side)]

    def _markets(self, section: str) -> dict[str, Market]:
        side = self._side(section)
        found: dict[str, Market] = {}
        for market in self._line(side).markets(self.pacer).values():
            if market["spot"] if section == "spot" else market["swap"] and market["linear"]:
                found.setdefault(f"{market['base']}{market['quote']}", market)
        return dict(sorted(found.items()))

    def _market(self, section: str, symbol: str) -> Market:
        return self._look_up(self._markets(section), section, symbol)

    def _look_up(self, known: dict[str, Market], section: str, symbol: str) -> Market:
        if symbol in known:
            return known[symbol]
        close = difflib.get_close_matches(symbol, known, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else "."
        message = f"There is no {symbol!r} in {section} of {self.name}{hint}"
        details: dict[str, object] = {"symbol": symbol, "close": close}
        raise NotFound(message, code="symbol.unknown", details=details)

    def _listing(self, symbol: str, market: Market) -> Listing:
        kind = "spot" if market["spot"] else "perpetual"
        pair = f"{market['base']}/{market['quote']}"
        name = f"{pair} {kind} on {self.venue.title}"
        return Listing(symbol, name, kind, "Crypto", self.name, market["quote"][:8])

    def _began(self, market: Market) -> int:
        return max(int(market.get("created") or 0), self.venue.began)

    def _check_timeframe(self, timeframe: str) -> None:
        seconds_of(timeframe)
        if timeframe not in self.venue.timeframes:
            has = ", ".join(self.venue.timeframes)
            message = f"{self.name} has bars of {has}, not of {timeframe}."
            raise Invalid(message, code="provider.timeframe", details={"field": "timeframe"})

    # Bars.

    def _bars(self, side: Side, market: Market, timeframe: str, low: int, high: int) -> Columns:
        rows = [*self._pages(side, market, timeframe, low, high)]
        if not rows:
            return empty_columns()
        table = np.concatenate(rows)
        closed = table[closes_of(table[:, 0], timeframe) <= high]
        size = float(market["contractSize"]) if side.candles.contracts else 1.0
        ts, values = closed[:, 0].astype(np.int64) * 1000, closed[:, 1:].T.copy()
        return Columns(ts, values[0], values[1], values[2], values[3], values[4] * size)

    def _pages(
        self, side: Side, market: Market, timeframe: str, low: int, high: int
    ) -> Iterator[Rows]:
        """Give page after page: stretches that can't hold more bars than the venue answers."""
        how, step = side.candles, step_of(timeframe)
        at = max(low, high - how.depth * step) if how.depth else low
        while at < high:
            end = high if how.bound == "newest" else min(at + how.page * step, high)
            rows = self._page(side, market, timeframe, at, end)
            if len(rows):
                yield rows
            empty = not len(rows) and end < high and step < DAY and not how.depth
            at = self._leap(side, market, end, high) if empty else end

    def _leap(self, side: Side, market: Market, at: int, high: int) -> int:
        """Return where bars go on after a page without any, by asking for weeks."""
        start = at - WEEK
        end = min(start + side.candles.page * WEEK, high)
        weeks = self._page(side, market, "1w", start, end)
        return max(at, int(weeks[0, 0])) if len(weeks) else max(at, end)

    def _page(self, side: Side, market: Market, timeframe: str, low: int, high: int) -> Rows:
        how: Candles = side.candles
        bounds: dict[str, dict[str, int]] = {
            "last": {"until": high - 1},
            "before": {"until": high},
        }
        count: int | None = how.page
        if how.bound == "count":
            count = -(-(high - low) // step_of(timeframe))
        elif how.bound == "newest":
            count = None
        args = (market["symbol"], NAMES.get(timeframe, timeframe), low, count)
        line = self._line(side)
        found = line.ask(
            self.pacer, "fetch_ohlcv", *args, bounds.get(how.bound, {}), cost=how.cost
        )
        return self._clean(found, low, high)

    def _clean(self, found: Sequence[Sequence[Any]], low: int, high: int) -> Rows:
        try:
            rows = np.array(found, np.float64).reshape(-1, 6)
        except (ValueError, TypeError):
            raise self._malformed("bars that are not six numbers") from None
        if not np.isfinite(rows).all():
            raise self._malformed("bars with numbers missing")
        if np.any(np.diff(rows[:, 0]) <= 0):
            raise self._malformed("a bar twice on one page")
        return rows[(rows[:, 0] >= low) & (rows[:, 0] < high)]

    def _malformed(self, what: str) -> Invalid:
        return Invalid(f"{self.name} sent {what}.", code="provider.answer")

    # Figures.

    def _own_pace(self, kind: str, how: Funding | Interest) -> None:
        if how.limit:
            Pacer(f"{self.name}-{kind}", (how.limit,), {}, self.timing).wait()

    def _funding(self, side: Side, how: Funding, market: Market, low: int, high: int) -> Figure:
        """Return settlements by their minute: venues book them some milliseconds later."""

        def page(since: int | None, params: dict[str, Any]) -> Pairs:
            self._own_pace("funding", how)
            args = (market["symbol"], since, how.page or None, params)
            found = self._line(side).ask(
                self.pacer, "fetch_funding_rate_history", *args, cost=how.cost
            )
            return self._pairs((row["timestamp"], row["fundingRate"]) for row in found)

        # A minute more, for what was booked late.
        found = ORDERS[how.order](page, how, low, high + MINUTE)
        minutes = [((ts + MINUTE // 2) // MINUTE * MINUTE, rate) for ts, rate in found]
        return figure_of(minutes, low, high)

    def _interest(
        self,
        side: Side,
        how: Interest,
        market: Market,
        timeframe: str,
        opens: NDArray[np.int64],
        low: int,
        high: int,
    ) -> Figure:
        """Return open interest in the base coin, from the newest page back.

        Where there are bars and yet no open interest, the venue keeps no more of it.
        """
        period = period_of(timeframe)
        if how.days:
            now = int(self.timing.now().timestamp() * 1000)
            low = max(low, now - how.days * DAY + MINUTE)
        size = float(market["contractSize"]) if how.contracts else 1.0
        found: Pairs = []
        end = high + 1
        while end > low:
            start = max(end - how.page * step_of(period), low)
            traded = np.any((opens >= start - step_of(timeframe)) & (opens < end))
            if traded or end > high:
                rows = self._interest_page(side, how, market, period, start, end)
                if traded and not rows:
                    break
                found.extend((ts, value * size) for ts, value in rows)
            if not np.any(opens < start):
                break
            end = start
        return figure_of(found, low, high)

    def _interest_page(
        self, side: Side, how: Interest, market: Market, period: str, low: int, high: int
    ) -> Pairs:
        self._own_pace("interest", how)
        line = self._line(side)
        if side.exchange == "okx":  # ccxt knows only the sum over all contracts of a coin
            asked = {
                "instId": market["id"],
                "period": PERIODS.get(period, period),
                "begin": str(low - 1),
                "end": str(high),
                "limit": "100",
            }
            method = "publicGetRubikStatContractsOpenInterestHistory"
            rows = line.ask(self.pacer, method, asked, cost=how.cost)["data"]
            pairs = self._pairs((row[0], row[2]) for row in rows)
        else:
            args = (market["symbol"], period, low, how.page, {"until": high - 1})
            rows = line.ask(self.pacer, "fetch_open_interest_history", *args, cost=how.cost)
            pairs = self._pairs((row["timestamp"], row["openInterestAmount"]) for row in rows)
        return [(ts, value) for ts, value in pairs if low <= ts < high]

    def _pairs(self, rows: Iterable[tuple[Any, Any]]) -> Pairs:
        try:
            return sorted((int(ts), float(value)) for ts, value in rows)
        except SHAPE_ERRORS:
            raise self._malformed("figures that are not numbers") from None
