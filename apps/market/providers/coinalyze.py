"""Coinalyze: bars of perpetuals on many venues, with what their traders do beside trading.

Figures are stamped by the end of their interval, when they are known. The funding rate is the one
in force then, not a settlement: it is called ``funding_rate`` and never summed like ``funding``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Denied, NotFound
from apps.core.kernel.limits import Limit
from apps.core.kernel.timeframes import seconds_of
from apps.market.providers import answers
from apps.market.providers.base import (
    Capabilities,
    Fetched,
    Figures,
    Listing,
    Request,
    Section,
    Task,
)
from apps.market.providers.pacing import Pacer, Timing
from apps.market.providers.wire import Wire

PERPETUALS = "perpetuals"
INTERVALS = {
    "1m": "1min",
    "5m": "5min",
    "15m": "15min",
    "30m": "30min",
    "1h": "1hour",
    "4h": "4hour",
    "1d": "daily",
}
KEPT = 2000  # bars of less than a day; days are kept for ever
BEGAN = 1_546_300_800  # 2019
MARKETS_FOR = 6 * 3600
PERCENT = 0.01
PRICES = ("o", "h", "l", "c", "v")


@dataclass(frozen=True, slots=True)
class Source:
    """An endpoint and the figures in its rows: name of the field and its unit in house units."""

    path: str
    fields: Mapping[str, tuple[str, float]]
    needs: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


COINS = {"convert_to_usd": "false"}
SOURCES = (
    Source("open-interest-history", {"open_interest": ("c", 1.0)}, params=COINS),
    Source("funding-rate-history", {"funding_rate": ("c", PERCENT)}),
    Source("predicted-funding-rate-history", {"predicted_funding": ("c", PERCENT)}),
    Source(
        "liquidation-history",
        {"liquidations_long": ("l", 1.0), "liquidations_short": ("s", 1.0)},
        params=COINS,
    ),
    Source(
        "long-short-ratio-history",
        {"long_short_ratio": ("r", 1.0)},
        needs="has_long_short_ratio_data",
    ),
)
UNITS = {
    "volume": "base coin",
    "open_interest": "base coin",
    "funding_rate": "fraction of the position per interval of the venue; positive: longs pay",
    "predicted_funding": "fraction of the position per interval of the venue",
    "liquidations_long": "base coin per bar",
    "liquidations_short": "base coin per bar",
    "long_short_ratio": "accounts long over accounts short",
}


@dataclass(frozen=True)
class CoinalyzeProvider:
    """Asks Coinalyze with a team's key, which travels in a header."""

    capabilities = Capabilities(
        name="coinalyze",
        title="Coinalyze",
        sections=(PERPETUALS,),
        needs_key=True,
        figures=tuple(name for name in UNITS if name != "volume"),
        key_fields=("api_key",),
        timeframes=tuple(INTERVALS),
        window=KEPT,
        history="days since listing; of shorter bars the newest 1500 to 2000",
        units=UNITS,
        limits=(Limit(20, 30.0),),  # the vendor says 40 a minute
    )

    base_url: str = "https://api.coinalyze.net"
    timeout: float = 20.0
    key: Mapping[str, str] = field(default_factory=dict, repr=False)
    timing: Timing = field(default_factory=Timing)
    # The list of markets and when it was read: the same for every key.
    known: dict[str, tuple[float, Any]] = field(default_factory=dict, repr=False, compare=False)

    def with_key(self, key: Mapping[str, str]) -> CoinalyzeProvider:
        """Return the provider with a key."""
        return replace(self, key=dict(key))

    def with_timing(self, timing: Timing) -> CoinalyzeProvider:
        """Return the provider with another gate for its limits."""
        return replace(self, timing=timing)

    @property
    def wire(self) -> Wire:
        """The connection, the key in a header."""
        told = self.capabilities
        pacer = Pacer(told.name, told.limits, self.key, self.timing)
        return Wire(self.base_url, pacer, self.timeout, {"api_key": self.key.get("api_key", "")})

    def check_key(self) -> str:
        """Ask for the list of exchanges. Raises ``Denied``."""
        if not self.key.get("api_key"):
            raise Denied("There is no key of coinalyze to check.", code="provider.auth")
        rows = answers.rows_of(self.wire.get("/v1/exchanges"), "coinalyze")
        return f"Taken; {len(rows)} exchanges can be read."

    def section(self, name: str) -> Section:
        """Describe a section. Raises ``NotFound``."""
        answers.check_section(self.capabilities, name)
        return Section(
            name=name,
            title="Perpetuals counted in coins, on many venues",
            timeframe="1h",
            calendar="24/7",
            source="Coinalyze API (api.coinalyze.net/v1)",
            licence="the vendor's terms: free with a named source; not for redistribution",
            universe="",
            survivorship=(
                "Only what Coinalyze lists on the day it is asked: coins that failed and were "
                "taken off are missing, which flatters results."
            ),
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List the perpetuals whose volume is counted in coins."""
        answers.check_section(self.capabilities, section)
        markets, venues = self._markets(), self._venues()
        with answers.reading("coinalyze"):
            return [_listing(market, venues) for _, market in sorted(markets.items())]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per symbol. Raises ``NotFound`` for an unknown symbol."""
        answers.check_request(self.capabilities, request, tuple(INTERVALS))
        markets = self._markets()
        for symbol in request.symbols:
            _look_up(markets, symbol)
        return answers.tasks_of(request, request.symbols or sorted(markets))

    def fetch(self, task: Task) -> Fetched:
        """Fetch bars and figures that were over by ``until``."""
        answers.check_request(self.capabilities, _as_request(task), tuple(INTERVALS))
        market = _look_up(self._markets(), task.symbol)
        now = int(self.timing.now().timestamp() * 1e6)
        task = replace(task, until=now if task.until is None else min(task.until, now))
        rows = self._history("ohlcv-history", task, {})
        with answers.reading("coinalyze"):
            bars = answers.columns_of(rows, _starts(rows), PRICES)
        figures: Figures = {}
        for source in SOURCES:
            if not source.needs or market.get(source.needs):
                figures.update(self._figures(source, task))
        listing = _listing(market, self._venues())
        return Fetched(listing, answers.closed(bars, task, "coinalyze"), figures=figures)

    def _figures(self, source: Source, task: Task) -> Figures:
        rows = self._history(source.path, task, source.params)
        with answers.reading("coinalyze"):
            ends = _starts(rows) + seconds_of(task.timeframe) * answers.MICROS
            keep = (ends <= task.until) if task.until is not None else np.ones(len(ends), bool)
            if task.since is not None:
                keep &= ends >= task.since
            ts, first = np.unique(ends[keep], return_index=True)
            return {
                name: (ts, np.array([row[key] for row in rows], np.float64)[keep][first] * unit)
                for name, (key, unit) in source.fields.items()
            }

    def _history(
        self, path: str, task: Task, params: Mapping[str, str]
    ) -> list[Mapping[str, Any]]:
        """Return the rows of a symbol, from one interval before the task's stretch on."""
        found: list[Mapping[str, Any]] = []
        for low, high in _windows(task):
            asked = {
                "symbols": task.symbol,
                "interval": INTERVALS[task.timeframe],
                "from": low,
                "to": high,
                **params,
            }
            answer = answers.rows_of(self.wire.get(f"/v1/{path}", **asked), "coinalyze")
            with answers.reading("coinalyze"):
                for part in answer:
                    if part["symbol"] == task.symbol:
                        found += answers.rows_of(part["history"], "coinalyze")
        return found

    def _markets(self) -> dict[str, Mapping[str, Any]]:
        with answers.reading("coinalyze"):
            return {
                row["symbol"]: row
                for row in self._list("future-markets")
                if row["is_perpetual"]
                and row["has_ohlcv_data"]
                and row["oi_lq_vol_denominated_in"] == "BASE_ASSET"
            }

    def _venues(self) -> dict[str, str]:
        with answers.reading("coinalyze"):
            return {row["code"]: row["name"] for row in self._list("exchanges")}

    def _list(self, path: str) -> list[dict[str, Any]]:
        now = self.timing.now().timestamp()
        at, rows = self.known.get(path, (0.0, []))
        if now - at > MARKETS_FOR:
            rows = answers.rows_of(self.wire.get(f"/v1/{path}"), "coinalyze")
            self.known[path] = (now, rows)
        return list(rows)


def _windows(task: Task) -> Iterator[tuple[int, int]]:
    """Give stretches in seconds, both ends in them, that hold no more than is answered."""
    step = seconds_of(task.timeframe)
    high = (task.until or 0) // answers.MICROS
    low = BEGAN if task.since is None else -(-task.since // answers.MICROS)
    if step < 86_400:
        low = max(low, high - KEPT * step)
    low -= step
    while low <= high:
        end = min(low + (KEPT - 1) * step, high)
        yield low, end
        low = end + 1


def _starts(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.int64]:
    return np.array([int(row["t"]) for row in rows], np.int64) * answers.MICROS


def _as_request(task: Task) -> Request:
    return Request(task.section, (task.symbol,), task.timeframe, task.since, task.until)


def _look_up(markets: Mapping[str, Mapping[str, Any]], symbol: str) -> Mapping[str, Any]:
    if symbol in markets:
        return markets[symbol]
    close = difflib.get_close_matches(symbol, markets, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    message = f"coinalyze has no perpetual {symbol!r}{hint}"
    details: dict[str, object] = {"symbol": symbol, "close": close}
    raise NotFound(message, code="symbol.unknown", details=details)


def _listing(market: Mapping[str, Any], venues: Mapping[str, str]) -> Listing:
    venue = venues.get(market["exchange"], market["exchange"])
    name = f"{market['base_asset']}/{market['quote_asset']} perpetual on {venue}"
    return Listing(
        market["symbol"], name, "perpetual", "Crypto", venue[:40], market["quote_asset"][:8]
    )
