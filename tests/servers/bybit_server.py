"""Bybit V5 as documented: newest first, everything as text, times in milliseconds."""

from typing import ClassVar

from tests.servers.crypto import COINS, LISTED, NOW, VenueServer, bound, number

INTERVALS = {
    "1": "1m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "240": "4h",
    "D": "1d",
    "W": "1w",
    "M": "1mo",
}
PERIODS = {"5min": 300, "15min": 900, "30min": 1800, "1h": 3600, "4h": 14400, "1d": 86400}
ERRORS = {
    400: (10001, "params error: Invalid period!"),
    422: (10001, "params error: Invalid symbol"),
    404: (10001, "Path not found"),
    429: (10006, "Too many visits. Exceeded the API Rate Limit."),
    500: (10016, "Server error."),
}


def enveloped(result, code=0, message="OK"):
    """An answer as all of V5 has it."""
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": NOW}


class BybitServer(VenueServer):
    """``api.bybit.com``: spot and linear perpetuals."""

    source = "crypto-bybit"
    routes: ClassVar[dict] = {
        "GET /v5/market/instruments-info": "instruments",
        "GET /v5/market/kline": "kline",
        "GET /v5/market/funding/history": "funding_history",
        "GET /v5/market/open-interest": "open_interest",
    }
    data_routes = ("kline", "funding_history", "open_interest")
    has_interest = True

    def refusal(self, status):
        """https://bybit-exchange.github.io/docs/v5/error"""
        code, words = ERRORS.get(status, (10002, "refused"))
        return enveloped({}, code, words)

    def empty(self, call):
        """What a stretch without rows is answered with."""
        return enveloped({"category": call.query.get("category"), "list": []})

    def instruments(self, call):
        """https://bybit-exchange.github.io/docs/v5/market/instrument

        Spot comes whole, others in pages with a cursor.
        """
        category = call.query["category"]
        if category == "spot":
            rows = [
                {
                    "symbol": f"{coin}USDT",
                    "baseCoin": coin,
                    "quoteCoin": "USDT",
                    "innovation": "0",
                    "status": "Trading",
                    "marginTrading": "utaOnly",
                    "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.0000001"},
                    "priceFilter": {"tickSize": "0.01"},
                }
                for coin in COINS
            ]
            return enveloped({"category": category, "list": rows})
        at = 0 if "cursor" not in call.query else int(call.query["cursor"].removeprefix("page="))
        found = [] if call.query.get("status") == "PreLaunch" else [*COINS][at : at + 1]
        more = "" if at + 1 >= len(COINS) or not found else f"page={at + 1}"
        rows = [
            {
                "symbol": f"{coin}USDT",
                "contractType": "LinearPerpetual",
                "status": "Trading",
                "baseCoin": coin,
                "quoteCoin": "USDT",
                "launchTime": str(LISTED),
                "deliveryTime": "0",
                "deliveryFeeRate": "",
                "priceScale": "2",
                "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00"},
                "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
                "lotSizeFilter": {"minOrderQty": "0.001", "qtyStep": "0.001"},
                "unifiedMarginTrade": True,
                "fundingInterval": 480,
                "settleCoin": "USDT",
            }
            for coin in found
        ]
        return enveloped({"category": category, "list": rows, "nextPageCursor": more})

    def _coin(self, query):
        coin = query["symbol"].removesuffix("USDT")
        return coin if coin in COINS else ""

    def kline(self, call):
        """https://bybit-exchange.github.io/docs/v5/market/kline

        Sorted in reverse by start time; ``start`` and ``end`` inclusive; 200 unless told, at most
        1000; volume of linear contracts and of spot in the base coin.
        """
        query = call.query
        coin = self._coin(query)
        if not coin or query["category"] not in {"spot", "linear"}:
            return enveloped({}, 10001, "params error: Symbol Is Invalid")
        if query["interval"] not in INTERVALS:
            return self.refusal(400)
        ts, bars = self.told_bars(coin, INTERVALS[query["interval"]])
        limit = min(bound(query, "limit", 200), 1000)
        newest = "end" in query or "start" not in query
        low, high = bound(query, "start", 0), bound(query, "end", NOW)
        rows = self.pick(ts, low, high, limit, newest=newest)[::-1]
        found = [
            [
                str(ts[i]),
                *(number(getattr(bars, name)[i]) for name in ("open", "high", "low", "close")),
                number(bars.volume[i]),
                number(bars.volume[i] * bars.close[i]),
            ]
            for i in rows
        ]
        about = {"category": query["category"], "symbol": query["symbol"]}
        return enveloped({**about, "list": found})

    def funding_history(self, call):
        """https://bybit-exchange.github.io/docs/v5/market/history-fund-rate

        Newest first, 200 at most; a start without an end is refused.
        """
        query = call.query
        if "startTime" in query and "endTime" not in query:
            return enveloped({}, 10001, "params error: endTime is required")
        coin = self._coin(query)
        ts, rate = self.told_funding(coin)
        limit = min(bound(query, "limit", 200), 200)
        low, high = bound(query, "startTime", 0), bound(query, "endTime", NOW)
        rows = self.pick(ts, low, high, limit, newest=True)[::-1]
        found = [
            {
                "symbol": f"{coin}USDT",
                "fundingRate": number(rate[i]),
                "fundingRateTimestamp": str(ts[i]),
            }
            for i in rows
        ]
        return enveloped({"category": "linear", "list": found})

    def open_interest(self, call):
        """https://bybit-exchange.github.io/docs/v5/market/open-interest

        Newest first; 50 unless told, at most 200; of linear contracts in the base coin.
        """
        query = call.query
        ts, value = self.told_interest(self._coin(query), PERIODS[query["intervalTime"]] * 1000)
        limit = min(bound(query, "limit", 50), 200)
        low, high = bound(query, "startTime", 0), bound(query, "endTime", NOW)
        rows = self.pick(ts, low, high, limit, newest=True)[::-1]
        found = [{"openInterest": number(value[i]), "timestamp": str(ts[i])} for i in rows]
        about = {"symbol": query["symbol"], "category": "linear"}
        return enveloped({**about, "list": found, "nextPageCursor": ""})
