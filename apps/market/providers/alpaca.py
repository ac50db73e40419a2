"""Alpaca market data through alpaca-py: raw bars of US stocks, corporate actions, a live stream.

The library pages and words requests; a transport beneath it keeps the limits, bounds the time
and types the errors.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Denied, Invalid, LabError, NotFound, Unavailable
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.columns import Actions, Columns
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
from apps.market.providers.pacing import Pacer, Timing, down, scrub

SECTION = "us-equities"
UNITS = {
    "1m": (1, "Min"),
    "5m": (5, "Min"),
    "15m": (15, "Min"),
    "30m": (30, "Min"),
    "1h": (1, "Hour"),
    "4h": (4, "Hour"),
    "1d": (1, "Day"),
    "1w": (1, "Week"),
}
BAR = ("o", "h", "l", "c", "v")
NEW_YORK = ZoneInfo("America/New_York")
FIRST = datetime(2016, 1, 1, tzinfo=UTC)
ACTIONS = ("cash_dividend", "forward_split", "reverse_split", "stock_dividend")
LISTEN_SECONDS = 0.2
# The type of a message that corrects a bar told before.
CORRECTED = "u"


@dataclass(frozen=True)
class AlpacaProvider:
    """Asks Alpaca with a team's key.

    Parameters
    ----------
    feed
        ``iex`` (free: one exchange's trades) or ``sip`` (all exchanges, by subscription).
    trading_url
        Where assets are listed; keys of a paper account work at the paper address only.
    """

    capabilities = Capabilities(
        name="alpaca",
        title="Alpaca",
        sections=(SECTION,),
        needs_key=True,
        live=True,
        actions=True,
        key_fields=("api_key", "secret_key"),
        timeframes=tuple(UNITS),
        window=10_000,
        history="Bars from 2016 on; the last 15 minutes of all exchanges by subscription only.",
        units={"volume": "shares traded on the feed; the feed iex sees one exchange only"},
        price_mode="raw",
        limits=(Limit(200, 60.0),),
    )

    base_url: str = "https://data.alpaca.markets"
    trading_url: str = "https://paper-api.alpaca.markets"
    stream_url: str = "wss://stream.data.alpaca.markets/v2"
    feed: str = "iex"
    timeout: float = 20.0
    key: Mapping[str, str] = field(default_factory=dict, repr=False)
    timing: Timing = field(default_factory=Timing)

    def with_key(self, key: Mapping[str, str]) -> AlpacaProvider:
        """Return the provider with a key."""
        return replace(self, key=dict(key))

    def with_timing(self, timing: Timing) -> AlpacaProvider:
        """Return the provider with another gate for its limits."""
        return replace(self, timing=timing)

    @property
    def pacer(self) -> Pacer:
        """The tokens of the key."""
        return Pacer("alpaca", self.capabilities.limits, self.key, self.timing)

    def section(self, name: str) -> Section:
        """Describe the section. Raises ``NotFound``."""
        answers.check_section(self.capabilities, name)
        return Section(
            name=name,
            title="US stocks and funds on Alpaca",
            timeframe="1d",
            calendar="XNYS",
            source=f"Alpaca market data, feed {self.feed} (alpaca.markets)",
            licence="the vendor's terms; not for redistribution",
            universe="",
            survivorship="Stocks that trade today: those delisted are missing unless asked for.",
            note=f"Raw prices. Volume counts the trades of the feed {self.feed}.",
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List the stocks that can be traded today."""
        answers.check_section(self.capabilities, section)
        with self._asking(None):
            from alpaca.trading.enums import AssetClass, AssetStatus
            from alpaca.trading.requests import GetAssetsRequest

            wanted = GetAssetsRequest(status=AssetStatus.ACTIVE, asset_class=AssetClass.US_EQUITY)
            found = answers.rows_of(self._trading().get_all_assets(wanted), "alpaca")
            return [_listing(row) for row in found if row["tradable"]]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per symbol; a symbol the vendor lacks is told when it is fetched."""
        answers.check_request(self.capabilities, request, tuple(UNITS))
        symbols = request.symbols or [item.symbol for item in self.listings(request.section)]
        return answers.tasks_of(request, symbols)

    def fetch(self, task: Task) -> Fetched:
        """Return raw bars in time order with the dividends and splits of the same stretch."""
        bars = answers.closed(self._bars(task), task, "alpaca")
        listing = Listing(task.symbol) if len(bars) else self._asset(task.symbol)
        return Fetched(listing, bars, self._actions(task))

    def check_key(self) -> str:
        """Ask for the newest bar of a stock with the key."""
        with self._asking("AAPL"):
            from alpaca.data.enums import DataFeed
            from alpaca.data.requests import StockLatestBarRequest

            found = self._stocks().get_stock_latest_bar(
                StockLatestBarRequest(symbol_or_symbols="AAPL", feed=DataFeed(self.feed))
            )
            return f"The key is good: AAPL traded at {float(found['AAPL']['c']):g}."

    def stream(
        self,
        symbols: Sequence[str],
        on_bar: Callable[[str, Columns, bool], None],
        stopped: Callable[[], bool],
        on_link: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Tell each minute's bar as it closes, and again when late trades corrected it.

        A connection that is cut is made anew, after a wait that grows with each failure. Raises
        ``Denied`` for a key that is not taken, ``Invalid`` for symbols beyond the subscription.
        """
        asyncio.run(self._listen(symbols, on_bar, stopped, on_link))

    async def _listen(
        self,
        symbols: Sequence[str],
        on_bar: Callable[[str, Columns, bool], None],
        stopped: Callable[[], bool],
        on_link: Callable[[bool], None],
    ) -> None:
        stream, failures = self._stream(on_link)

        async def heard(message: Mapping[str, Any]) -> None:
            on_bar(message["S"], _streamed(message), message["T"] == CORRECTED)

        stream.subscribe_bars(heard, *symbols)
        stream.subscribe_updated_bars(heard, *symbols)
        running = asyncio.create_task(stream._run_forever())
        while not running.done() and not stopped() and not failures:
            await asyncio.wait({running}, timeout=LISTEN_SECONDS)
        await stream.stop_ws()
        await stream.close()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        if failures:
            raise failures[0]

    def _stream(self, on_link: Callable[[bool], None]) -> tuple[Any, list[LabError]]:
        """Return the library's stream, which tries for ever, told to stop at what won't pass."""
        failures: list[LabError] = []
        stream = _stream_class()(
            self.key.get("api_key", ""),
            self.key.get("secret_key", ""),
            raw_data=True,
            url_override=f"{self.stream_url}/{self.feed}",
        )
        stream.on_link = on_link
        stream.on_refusal = lambda said: failures.append(_refused(scrub(said, self.key)))
        return stream, failures

    def _bars(self, task: Task) -> Columns:
        with self._asking(task.symbol):
            from alpaca.data.enums import Adjustment, DataFeed
            from alpaca.data.requests import StockBarsRequest
            from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

            amount, unit = UNITS[task.timeframe]
            asked = StockBarsRequest(
                symbol_or_symbols=task.symbol,
                timeframe=TimeFrame(amount, TimeFrameUnit(unit)),
                start=_moment(task.since) or FIRST,
                end=_moment(task.until),
                adjustment=Adjustment.RAW,
                feed=DataFeed(self.feed),
            )
            rows = self._stocks().get_stock_bars(asked).get(task.symbol) or []
            ts = answers.iso_times([row["t"] for row in rows])
            if seconds_of(task.timeframe) >= seconds_of("1d"):
                ts = _sessions(ts)
            return answers.columns_of(rows, ts, BAR)

    def _actions(self, task: Task) -> Actions:
        with self._asking(task.symbol):
            from alpaca.data.enums import CorporateActionsType
            from alpaca.data.requests import CorporateActionsRequest

            now = self.timing.now()
            asked = CorporateActionsRequest(
                symbols=[task.symbol],
                types=[CorporateActionsType(kind) for kind in ACTIONS],
                start=(_moment(task.since) or FIRST).date(),
                end=(_moment(task.until) or now).date(),
            )
            found = self._corporate().get_corporate_actions(asked)
            return answers.merged_actions(_cash(found), _ratios(found), task)

    def _asset(self, symbol: str) -> Listing:
        """Return what is known of a symbol without bars. Raises ``NotFound`` for a stranger."""
        try:
            with self._asking(symbol):
                return _listing(self._trading().get_asset(symbol))
        except Denied:
            # A key of a live account lists no assets at the paper address.
            return Listing(symbol)

    def _stocks(self) -> Any:
        from alpaca.data.historical import StockHistoricalDataClient

        return self._client(StockHistoricalDataClient, url_override=self.base_url)

    def _corporate(self) -> Any:
        from alpaca.data.historical.corporate_actions import CorporateActionsClient

        return self._client(CorporateActionsClient, url_override=self.base_url)

    def _trading(self) -> Any:
        from alpaca.trading.client import TradingClient

        return self._client(TradingClient, url_override=self.trading_url)

    def _client(self, kind: Callable[..., Any], **options: Any) -> Any:
        client = kind(
            self.key.get("api_key", "none"),
            self.key.get("secret_key", "none"),
            raw_data=True,
            **options,
        )
        transport = _transport(self.pacer, self.timeout)
        # The library takes no session of ours; its own accepts a transport.
        client._session.mount("http://", transport)
        client._session.mount("https://", transport)
        return client

    @contextlib.contextmanager
    def _asking(self, symbol: str | None) -> Iterator[None]:
        """Type what the library and the network raise."""
        import requests

        try:
            with answers.reading("alpaca"):
                yield
        except NotFound:
            raise (answers.unknown("alpaca", symbol or "") if symbol else _odd()) from None
        except requests.exceptions.Timeout:
            raise down("alpaca", f"did not answer within {self.timeout:g} s") from None
        except requests.exceptions.RequestException as error:
            raise down("alpaca", f"can't be reached ({type(error).__name__})") from None


class Telling:
    """Goes before the library's stream: tells what the vendor refuses, and when bars flow."""

    on_link: Callable[[bool], None]
    on_refusal: Callable[[str], None]
    _should_run: bool

    async def _auth(self) -> None:
        try:
            await super()._auth()  # type: ignore[misc]
        except ValueError as error:
            await self._refuse(str(error))

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("T") == "error":
            await self._refuse(f"{msg.get('msg')} ({msg.get('code')})")
        await super()._dispatch(msg)  # type: ignore[misc]
        if msg.get("T") == "subscription":
            self.on_link(True)  # noqa: FBT003 told by place

    async def _wait_before_reconnect(self, retries: int) -> None:
        if self._should_run:
            self.on_link(False)  # noqa: FBT003 told by place
        await super()._wait_before_reconnect(retries)  # type: ignore[misc]

    async def _refuse(self, said: str) -> None:
        self.on_refusal(said)
        await self.stop_ws()  # type: ignore[attr-defined]


def _stream_class() -> Any:
    from alpaca.data.live import StockDataStream

    return type("Stream", (Telling, StockDataStream), {})


def _transport(pacer: Pacer, timeout: float) -> Any:
    """Return a transport for the library's session: paced, bounded, its refusals typed."""
    import requests
    from requests.adapters import HTTPAdapter

    class Transport(HTTPAdapter):
        """Waits for a token before each request, pages included."""

        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]
            pacer.wait()
            options["timeout"] = timeout
            answer = super().send(request, **options)
            if answer.status_code >= 300:
                after = answer.headers.get("Retry-After")
                raise pacer.refusal(answer.status_code, _said(answer), after)
            try:
                answer.json()
            except requests.exceptions.JSONDecodeError:
                message = "alpaca sent something that is not JSON; try again later."
                raise Unavailable(message, code="provider.malformed") from None
            return answer

    return Transport()


def _said(answer: Any) -> str:
    try:
        return str(answer.json().get("message", ""))
    except (ValueError, AttributeError):
        return ""


def _odd() -> Invalid:
    return Invalid(
        "alpaca answered 404 to a request that names no symbol.", code="provider.answer"
    )


def _refused(said: str) -> LabError:
    """Return the error of a refusal, by the words of the vendor's page on its stream."""
    words = said.lower()
    if "insufficient subscription" in words or "symbol limit" in words:
        message = f"The plan behind the key of alpaca lacks this: {said}."
        return Invalid(message, code="provider.plan")
    if "connection limit" in words:
        message = f"alpaca refused the stream: {said}. The account has another one open."
        return Unavailable(message, code="provider.limited", retry_after=10.0)
    if "auth" in words and "timeout" not in words:
        message = f"alpaca does not take the key for its stream: {said}."
        return Denied(message, code="provider.auth")
    return down("alpaca", f"refused the stream: {said}")


def _listing(row: Mapping[str, Any]) -> Listing:
    return Listing(row["symbol"], row.get("name") or "", venue=row.get("exchange") or "")


def _moment(micros: int | None) -> datetime | None:
    if micros is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _sessions(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return midnights UTC of the days in New York on which bars of a day or longer begin."""
    days = [str(datetime.fromtimestamp(t / 1e6, NEW_YORK).date()) for t in ts.tolist()]
    return answers.days_of(days)


def _streamed(message: Mapping[str, Any]) -> Columns:
    """Return a streamed bar, which carries the time it opened at."""
    with answers.reading("alpaca"):
        at = message["t"]
        ts = np.array([at.seconds * 1_000_000 + at.nanoseconds // 1000], np.int64)
        return answers.columns_of([message], ts, BAR)


def _cash(found: Mapping[str, Any]) -> dict[int, float]:
    paid: dict[int, float] = {}
    for row in found.get("cash_dividends", []):
        day = _ex_day(row)
        paid[day] = paid.get(day, 0.0) + float(row["rate"])
    return paid


def _ratios(found: Mapping[str, Any]) -> dict[int, float]:
    ratios: dict[int, float] = {}
    for kind in ("forward_splits", "reverse_splits"):
        for row in found.get(kind, []):
            ratios[_ex_day(row)] = float(row["new_rate"]) / float(row["old_rate"])
    for row in found.get("stock_dividends", []):
        ratios[_ex_day(row)] = 1.0 + float(row["rate"])
    return ratios


def _ex_day(row: Mapping[str, Any]) -> int:
    return int(answers.days_of([row["ex_date"]])[0])
