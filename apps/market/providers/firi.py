"""Firi, a Norwegian exchange: bars made of its public trades, in kroner.

Firi has no candles: its history is the newest trades of a market, as many as are asked for. What
they don't reach back to is not known, so the bar in which they begin is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.columns import Columns, empty_columns
from apps.market.providers import answers
from apps.market.providers.base import (
    Capabilities,
    Fetched,
    Limit,
    Listing,
    Request,
    Section,
    Task,
)
from apps.market.providers.pacing import Pacer, Timing
from apps.market.providers.wire import Wire

SPOT = "spot-nok"
QUOTE = "NOK"
TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FiriProvider:
    """Asks Firi, without a key.

    Parameters
    ----------
    counts
        How many trades are asked for: more, until they reach back far enough.
    """

    capabilities = Capabilities(
        name="firi",
        title="Firi",
        sections=(SPOT,),
        timeframes=TIMEFRAMES,
        history="The newest trades only, up to 100,000 of a market: to be fetched often.",
        units={"price": "Norwegian kroner (NOK)", "volume": "coins"},
        price_mode="raw",
        limits=(Limit(60, 60.0),),
    )

    base_url: str = "https://api.firi.com"
    timeout: float = 20.0
    timing: Timing = field(default_factory=Timing)
    counts: tuple[int, ...] = (1_000, 10_000, 100_000)

    def with_timing(self, timing: Timing) -> FiriProvider:
        """Return the provider with another gate for its limits."""
        return replace(self, timing=timing)

    @property
    def wire(self) -> Wire:
        """The connection."""
        pacer = Pacer("firi", self.capabilities.limits, {}, self.timing)
        return Wire(self.base_url, pacer, self.timeout)

    def section(self, name: str) -> Section:
        """Describe the section. Raises ``NotFound``."""
        answers.check_section(self.capabilities, name)
        return Section(
            name=name,
            title="Firi spot markets in kroner",
            timeframe="1h",
            calendar="24/7",
            source="Firi Trading API v2 (developers.firi.com)",
            licence="the vendor's terms; not for redistribution",
            universe="",
            survivorship="Coins that Firi lists today: those it dropped are missing.",
            note="Bars of public trades, in NOK; a time without trades has no bar.",
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List the markets against the krone."""
        answers.check_section(self.capabilities, section)
        rows = answers.rows_of(self.wire.get("/v2/markets"), "firi")
        with answers.reading("firi"):
            names = sorted(str(row["id"]) for row in rows)
        return [_listing(name) for name in names if name.endswith(QUOTE)]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per market. Raises ``NotFound`` for an unknown one."""
        answers.check_request(self.capabilities, request, TIMEFRAMES)
        known = [listing.symbol for listing in self.listings(request.section)]
        for symbol in request.symbols:
            if symbol not in known:
                raise answers.unknown("firi", symbol)
        return answers.tasks_of(request, request.symbols or known)

    def fetch(self, task: Task) -> Fetched:
        """Return the bars that the market's trades tell whole."""
        bars = _bars(self._trades(task), task)
        return Fetched(_listing(task.symbol), answers.closed(bars, task, "firi"))

    def _trades(self, task: Task) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Return time, price and amount of trades, the oldest first; from a whole bar on."""
        rows: list[dict[str, Any]] = []
        for count in self.counts:
            known, rows = len(rows), self._newest(task.symbol, count)
            with answers.reading("firi"):
                ts = answers.iso_times([row["created_at"] for row in rows])
            far_enough = task.since is not None and len(rows) > 0 and ts.min() < task.since
            if far_enough or len(rows) <= known:
                break
        with answers.reading("firi"):
            price = np.array([float(row["price"]) for row in rows], np.float64)
            amount = np.array([float(row["amount"]) for row in rows], np.float64)
        # The vendor tells the newest first, also within one moment.
        order = len(ts) - 1 - np.argsort(ts[::-1], kind="stable")
        order = order[ts[order] >= _first_whole(ts, task)]
        return ts[order], price[order], amount[order]

    def _newest(self, symbol: str, count: int) -> list[dict[str, Any]]:
        try:
            found = self.wire.get(f"/v2/markets/{symbol}/history", count=count)
        except NotFound:
            raise answers.unknown("firi", symbol) from None
        return answers.rows_of(found, "firi")


def _listing(market: str) -> Listing:
    coin = market.removesuffix(QUOTE)
    return Listing(market, f"{coin} in Norwegian kroner", "spot", "Crypto", "Firi", QUOTE)


def _first_whole(ts: NDArray[np.int64], task: Task) -> int:
    """Return the open of the first bar that the trades tell whole: not the one they begin in."""
    if not len(ts):
        return 0
    length = seconds_of(task.timeframe) * answers.MICROS
    return int((ts.min() // length + 1) * length)


def _bars(trades: tuple[NDArray[np.int64], Floats, Floats], task: Task) -> Columns:
    """Return trades as bars: first, highest, lowest, last price, and the sum of amounts."""
    ts, price, amount = trades
    if not len(ts):
        return empty_columns()
    length = seconds_of(task.timeframe) * answers.MICROS
    opens, first = np.unique(ts // length * length, return_index=True)
    last = np.append(first[1:], len(ts)) - 1
    return Columns(
        opens,
        price[first],
        np.maximum.reduceat(price, first),
        np.minimum.reduceat(price, first),
        price[last],
        np.add.reduceat(amount, first),
    )
