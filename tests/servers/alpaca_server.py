"""A local server that speaks Alpaca's market data: REST, and the live stream in msgpack.

Pages below https://docs.alpaca.markets. The key comes in the headers ``APCA-API-KEY-ID`` and
``APCA-API-SECRET-KEY`` (…/docs/authentication-1); refusals are ``{"message": …}``.
"""

import asyncio
import base64
import contextlib
import threading
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import msgpack
import numpy as np
from websockets.asyncio.server import serve

from apps.market.kernel.columns import Actions
from tests.servers.vendor import DAY, Truth, VendorServer, bars_at

SESSIONS = 130
NEW_YORK = ZoneInfo("America/New_York")
STEPS = {"1Day": "1d", "15Min": "15m", "1Min": "1m"}
KEY = {"api_key": "PKTEST0123456789", "secret_key": "alpaca-secret-0123456789"}


def midnights():
    days = np.busday_offset(np.datetime64("2024-01-02"), np.arange(SESSIONS + 1), roll="forward")
    return days.astype("datetime64[us]").astype(np.int64)


def quarter_hours():
    first = datetime(2024, 3, 7, 14, 30, tzinfo=UTC)
    return [first + timedelta(minutes=15 * i) for i in range(26)] + [
        first + timedelta(days=4, minutes=15 * i - 60) for i in range(106)
    ]


def iso(ts, *, daily):
    """Return a time as the vendor writes it; days begin at midnight in New York."""
    moment = datetime.fromtimestamp(ts / 1e6, UTC)
    if daily:
        local = datetime(moment.year, moment.month, moment.day, tzinfo=NEW_YORK)
        moment = local.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class AlpacaServer(VendorServer):
    key: ClassVar = KEY
    page = 50
    data_routes = ("bars",)
    routes: ClassVar = {
        "GET /v2/stocks/bars": "bars",
        "GET /v2/stocks/bars/latest": "latest",
        "GET /v1/corporate-actions": "corporate_actions",
        "GET /v2/assets": "assets",
        "GET /v2/assets/*": "asset",
    }

    def __init__(self, twin="", intraday=False):
        super().__init__(twin)
        self.stored = {}
        for symbol in ("AAPL", "MSFT"):
            days = midnights()
            times = [int(moment.timestamp()) * 1_000_000 for moment in quarter_hours()]
            self.stored[symbol, "1d"] = bars_at(symbol, days)
            self.stored[symbol, "15m"] = bars_at(f"{symbol} 15", times)
            dividend, split = np.zeros(len(days)), np.ones(len(days))
            dividend[[20, 85]], split[60], split[100] = 0.24, 4.0, 1.05
            happened = (dividend > 0) | (split != 1)
            self.paid = Actions(days[happened], dividend[happened], split[happened])
            over = slice(0, -1)
            daily = self.stored[symbol, "1d"].take(over)
            self.truth[symbol, "1d"] = Truth(daily, self.paid)
            self.truth[symbol, "15m"] = Truth(self.stored[symbol, "15m"].take(over))
        last = self.stored["AAPL", "15m" if intraday else "1d"].ts[-1]
        self.now = int(last) + 60_000_000

    def allowed(self, call):
        told = (call.headers.get("apca-api-key-id"), call.headers.get("apca-api-secret-key"))
        return told == (self.key["api_key"], self.key["secret_key"])

    def refusal(self, status):
        words = {401: "unauthorized.", 403: "forbidden.", 429: "too many requests."}
        return {"message": words.get(status, "internal error")}

    def empty(self, call):  # noqa: ARG002
        return {"bars": {}, "next_page_token": None}

    def bars(self, call):
        """…/reference/stockbars: pages by ``next_page_token``, the oldest first, end included."""
        symbol, frame = call.query["symbols"], STEPS[call.query["timeframe"]]
        assert call.query["adjustment"] == "raw"
        if (symbol, frame) not in self.stored:
            return self.empty(call)
        bars, daily = self.stored[symbol, frame], frame == "1d"
        told = self.wrong_bars(bars, DAY if daily else 900_000_000)
        stamps = [iso(ts, daily=daily) for ts in told.ts.tolist()]
        first, last = call.query.get("start", ""), call.query.get("end", "9")
        rows = [i for i, stamp in enumerate(stamps) if first <= stamp <= last]
        token = call.query.get("page_token")
        at = int(base64.b64decode(token)) if token else 0
        upto = at + min(self.page, int(call.query.get("limit", 1000)))
        more = base64.b64encode(str(upto).encode()).decode() if upto < len(rows) else None
        if self.twin == "paging":
            at += 1
        found = [
            {
                "t": stamps[i],
                "o": told.open[i],
                "h": told.high[i],
                "l": told.low[i],
                "c": told.close[i],
                "v": int(told.volume[i]),
                "n": 7,
                "vw": told.close[i],
            }
            for i in rows[at:upto]
        ]
        return {"bars": {symbol: found} if found else {}, "next_page_token": more}

    def latest(self, call):
        """…/reference/stocklatestbars."""
        symbol = call.query["symbols"]
        bars = self.stored[symbol, "1d"]
        bar = {"t": iso(bars.ts[-1], daily=True), "o": 1, "h": 1, "l": 1, "v": 1}
        return {"bars": {symbol: {**bar, "c": bars.close[-1]}}}

    def corporate_actions(self, call):
        """…/reference/corporateactions-1: by ex-date from ``start`` to ``end``.

        Fields as alpaca-py's own models have them (``data/models/corporate_actions.py``).
        """
        found = {"cash_dividends": [], "forward_splits": [], "stock_dividends": []}
        for facts, dividend in self.happened(call, "dividend"):
            found["cash_dividends"].append({**facts, "rate": dividend, "special": False})
        for facts, split in self.happened(call, "split"):
            if split == 1.05:
                found["stock_dividends"].append({**facts, "rate": 0.05})
            else:
                found["forward_splits"].append({**facts, "new_rate": split, "old_rate": 1})
        return {"corporate_actions": found, "next_page_token": None}

    def happened(self, call, kind):
        """Give the facts of each action of a kind, and its value."""
        if call.query["symbols"] not in {"AAPL", "MSFT"}:
            return
        values = getattr(self.paid, kind)
        rows = np.flatnonzero(values > 0 if kind == "dividend" else values != 1)
        for ts, value in zip(
            *self.wrong_part(kind, self.paid.ts[rows], values[rows], DAY), strict=True
        ):
            day = str(date(1970, 1, 1) + timedelta(microseconds=int(ts)))
            if call.query["start"] <= day <= call.query["end"]:
                facts = {"symbol": "AAPL", "cusip": "", "ex_date": day, "process_date": day}
                yield facts, float(value)

    def assets(self, call):  # noqa: ARG002
        """…/reference/get-v2-assets-1."""
        return [self.asset_named(symbol) for symbol in ("AAPL", "MSFT")]

    def asset(self, call):
        """…/reference/get-v2-assets-symbol_or_asset_id: 404 for a stranger."""
        if call.rest not in {"AAPL", "MSFT"}:
            return 404, {"message": f"asset not found for {call.rest}"}
        return self.asset_named(call.rest)

    def asset_named(self, symbol):
        facts = {"class": "us_equity", "exchange": "NASDAQ", "status": "active"}
        return {
            "id": symbol,
            "symbol": symbol,
            "name": f"{symbol} Inc.",
            "tradable": True,
            **facts,
        }


class Stream:
    """The live stream of …/docs/real-time-stock-pricing-data and …/docs/streaming-market-data.

    Every connection is greeted, signed in and subscribed as documented, then gets the messages
    that none had before; more may be appended to ``messages`` meanwhile. A connection is dropped
    after ``cuts`` messages, as often as there are such numbers. ``refusal`` is when, and with
    which code and words of the page, a connection is refused.
    """

    def __init__(self, messages, cuts, refusal):
        self.messages, self.cuts, self.refusal = messages, set(cuts), refusal
        self.sent = self.connections = 0
        self.ready, self.stopped, self.address = threading.Event(), asyncio.Event(), ""

    async def talk(self, socket):
        self.connections += 1
        await self.send(socket, {"T": "success", "msg": "connected"})
        told = msgpack.unpackb(await socket.recv())
        if (told["key"], told["secret"]) != (KEY["api_key"], KEY["secret_key"]):
            return await self.send(socket, {"T": "error", "code": 402, "msg": "auth failed"})
        if await self.refused(socket, "sign-in"):
            return None
        await self.send(socket, {"T": "success", "msg": "authenticated"})
        wanted = msgpack.unpackb(await socket.recv())
        if await self.refused(socket, "subscription"):
            return None
        await self.send(socket, {"T": "subscription", **wanted})
        return await self.tell(socket)

    async def tell(self, socket):
        gone = asyncio.create_task(socket.wait_closed())
        while not gone.done():
            if self.sent < len(self.messages):
                await self.send(socket, self.messages[self.sent])
                self.sent += 1
                if self.sent in self.cuts:
                    self.cuts.remove(self.sent)
                    return await socket.close()
            else:
                await asyncio.wait({gone}, timeout=0.02)
        return None

    async def refused(self, socket, when):
        if not self.refusal or self.refusal[0] != when:
            return False
        await self.send(socket, {"T": "error", "code": self.refusal[1], "msg": self.refusal[2]})
        await socket.wait_closed()
        return True

    async def send(self, socket, message):
        await socket.send(msgpack.packb([message]))

    async def serve(self):
        async with serve(self.talk, "127.0.0.1", 0) as server:
            self.address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self.ready.set()
            await self.stopped.wait()


@contextlib.contextmanager
def serving(messages, cuts=(), refusal=None):
    """Serve the stream on a thread of its own; yield it."""
    stream, loop = Stream(messages, cuts, refusal), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(stream.serve(),), daemon=True)
    thread.start()
    assert stream.ready.wait(30)
    try:
        yield stream
    finally:
        loop.call_soon_threadsafe(stream.stopped.set)
        thread.join(30)


@contextlib.contextmanager
def streaming(messages, cuts=(), refusal=None):
    """Serve the stream; yield its address."""
    with serving(messages, cuts, refusal) as stream:
        yield stream.address


def minute_bar(symbol, ts, price, kind="b"):
    """Return a bar as the stream words it."""
    at = msgpack.Timestamp(ts // 1_000_000, 0)
    facts = {"T": kind, "S": symbol, "o": price, "h": price + 0.5, "l": price - 0.5, "c": price}
    return {**facts, "v": 1200, "n": 9, "vw": price, "t": at}
