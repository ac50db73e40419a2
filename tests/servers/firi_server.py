"""A local server that speaks the Firi Trading API (https://developers.firi.com, "Markets").

Market data are public; refusals are ``{"name": …, "message": …}``. Amounts and prices are text.
Seen in others' programs and recorded answers: ``id``, ``last`` and the other fields of a market as
text, markets against DKK among them, and of a trade its price and its time with a zone. Assumed:
a trade's ``amount`` and ``type`` by name, that the newest come first, and what ``count`` may be.
"""

import zlib
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np

from apps.market.kernel.columns import Columns
from tests.servers.vendor import Truth, VendorServer

HOUR = 3_600_000_000
FIRST = 1_714_521_600_000_000  # 2024-05-01
HOURS = 130
PER_HOUR = 5


def trades_of(symbol):
    """Return trades of some hours, the oldest first; the ninth hour has none."""
    rng = np.random.default_rng(zlib.crc32(symbol.encode()))
    found = []
    price = 700_000.0
    for hour in range(HOURS + 1):
        moments = np.sort(rng.integers(0, HOUR // 1000, PER_HOUR)) * 1000
        for moment in moments:
            price = round(price * float(np.exp(rng.normal(0, 0.002))), 2)
            amount = int(rng.integers(1, 400)) / 1024
            if hour != 8:
                found.append((FIRST + hour * HOUR + int(moment), price, amount))
    return found


def bars_of(trades):
    """Return the bars of trades, hour by hour and trade by trade."""
    hours = {}
    for ts, price, amount in trades:
        hours.setdefault(ts // HOUR * HOUR, []).append((price, amount))
    rows = []
    for at, inside in sorted(hours.items()):
        prices = [price for price, _ in inside]
        volume = sum(amount for _, amount in inside)
        rows.append((at, prices[0], max(prices), min(prices), prices[-1], volume))
    columns = list(zip(*rows, strict=True))
    return Columns(np.array(columns[0], np.int64), *(np.array(c, float) for c in columns[1:]))


class FiriServer(VendorServer):
    page = 50
    data_routes = ("history",)
    routes: ClassVar = {"GET /v2/markets": "markets", "GET /v2/markets/*": "history"}

    def __init__(self, twin=""):
        super().__init__(twin)
        self.trades = {symbol: trades_of(symbol) for symbol in ("BTCNOK", "ETHNOK")}
        for symbol, trades in self.trades.items():
            # The first hour may have begun before the first trade told, the last is not over.
            self.truth[symbol, "1h"] = Truth(bars_of(trades).take(slice(1, -1)))
        self.now = self.trades["BTCNOK"][-1][0] + 1000

    def allowed(self, call):  # noqa: ARG002
        return True

    def refusal(self, status):
        return {"name": "Error", "message": f"refused with {status}"}

    def markets(self, call):  # noqa: ARG002
        """GET /v2/markets: all markets with their last prices, those against DKK among them."""
        facts = {"last": "1.00", "high": "1.00", "low": "1.00", "change": "0", "volume": "1.0"}
        return [{"id": name, **facts} for name in (*self.trades, "BTCDKK")]

    def history(self, call):
        """GET /v2/markets/{market}/history: the newest ``count`` trades, the newest first."""
        symbol, _, what = call.rest.partition("/")
        if symbol not in self.trades or what != "history":
            return 404, {"name": "MarketNotFound", "message": f"no market {symbol}"}
        newest = self.trades[symbol][::-1][: int(call.query.get("count", 100))]
        if self.twin == "paging":
            newest = newest[:-20]
        shift = HOUR if self.twin == "timestamp" else 0
        sign = -1 if self.twin == "sign" else 1
        many = 100 if self.twin == "unit" else 1
        return [
            {
                "type": "bid" if i % 2 else "ask",
                "amount": repr(amount * many),
                "price": repr(price * sign),
                "created_at": stamp(ts + shift),
                "total": repr(price * amount),
            }
            for i, (ts, price, amount) in enumerate(newest)
        ]


def stamp(ts):
    moment = datetime.fromtimestamp(ts // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ts // 1000 % 1000:03d}Z"
