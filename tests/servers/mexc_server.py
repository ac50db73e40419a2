"""MEXC as documented: spot in rows of text, contracts in columns of numbers and seconds."""

from typing import ClassVar

from tests.servers.crypto import COINS, NOW, VenueServer, bound, number

SPOT = {
    "1m": "1m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "60m": "1h",
    "4h": "4h",
    "1d": "1d",
    "1W": "1w",
    "1M": "1mo",
}
CONTRACT = {
    "Min1": "1m",
    "Min5": "5m",
    "Min15": "15m",
    "Min30": "30m",
    "Min60": "1h",
    "Hour4": "4h",
    "Day1": "1d",
    "Week1": "1w",
    "Month1": "1mo",
}


class MexcServer(VenueServer):
    """``api.mexc.com``: spot and contracts."""

    routes: ClassVar[dict] = {
        "GET /api/v3/exchangeInfo": "spot_info",
        "GET /api/v3/klines": "spot_klines",
        "GET /api/v1/contract/detail": "detail",
        "GET /api/v1/contract/kline/*": "kline",
        "GET /api/v1/contract/funding_rate/history": "funding_history",
    }
    data_routes = ("spot_klines", "kline", "funding_history")
    sizes: ClassVar[dict] = {"BTC": 0.0001, "ETH": 0.01}
    page = 499

    def refusal(self, status):
        """https://www.mexc.com/api-docs/spot-v3/general-info#error-code"""
        codes = {429: (429, "Too Many Requests"), 404: (404, "Not Found")}
        code, words = codes.get(status, (500, "Internal error"))
        return {"code": code, "msg": words}

    def empty(self, call):
        """What a stretch without rows is answered with."""
        if call.route == "spot_klines":
            return []
        if call.route == "kline":
            return self._columns([], None)
        return self._enveloped({"pageSize": 100, "totalCount": 0, "resultList": []})

    def _enveloped(self, data):
        return {"success": True, "code": 0, "data": data}

    def spot_info(self, call):  # noqa: ARG002
        """https://www.mexc.com/api-docs/spot-v3/market-data-endpoints#exchange-information"""
        return {
            "timezone": "CST",
            "serverTime": NOW,
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [
                {
                    "symbol": f"{coin}USDT",
                    "status": "1",
                    "baseAsset": coin,
                    "baseAssetPrecision": 6,
                    "quoteAsset": "USDT",
                    "quotePrecision": 2,
                    "quoteAssetPrecision": 2,
                    "isSpotTradingAllowed": True,
                    "isMarginTradingAllowed": False,
                    "quoteAmountPrecision": "1",
                    "baseSizePrecision": "0.000001",
                    "permissions": ["SPOT"],
                    "makerCommission": "0",
                    "takerCommission": "0.0005",
                }
                for coin in COINS
            ],
        }

    def spot_klines(self, call):
        """https://www.mexc.com/api-docs/spot-v3/market-data-endpoints#klinecandlestick-data

        Oldest first; 500 at most in practice; open time, prices, volume, close time, turnover;
        ``endTime`` is left out.
        """
        query = call.query
        coin = query["symbol"].removesuffix("USDT")
        if coin not in COINS:
            return 400, {"code": -1121, "msg": "Invalid symbol.", "_extend": None}
        if query["interval"] not in SPOT:
            return 400, {"code": -1121, "msg": "Invalid interval.", "_extend": None}
        ts, bars = self.told_bars(coin, SPOT[query["interval"]])
        limit = min(bound(query, "limit", 500), 500)
        low, high = bound(query, "startTime", 0), bound(query, "endTime", NOW + 1)
        rows = self.pick(ts, low, high, limit, newest="startTime" not in query, before=True)
        return [
            [
                int(ts[i]),
                *(number(getattr(bars, name)[i]) for name in ("open", "high", "low", "close")),
                number(bars.volume[i]),
                int(ts[i]) + 3_600_000,
                number(bars.volume[i] * bars.close[i]),
            ]
            for i in rows
        ]

    def detail(self, call):  # noqa: ARG002
        """https://www.mexc.com/api-docs/futures/market-endpoints#get-contract-info"""
        return self._enveloped(
            [
                {
                    "symbol": f"{coin}_USDT",
                    "displayNameEn": f"{coin}_USDT PERPETUAL",
                    "positionOpenType": 3,
                    "baseCoin": coin,
                    "quoteCoin": "USDT",
                    "settleCoin": "USDT",
                    "contractSize": self.sizes[coin],
                    "minLeverage": 1,
                    "maxLeverage": 500,
                    "priceScale": 1,
                    "volScale": 0,
                    "priceUnit": 0.1,
                    "volUnit": 1,
                    "minVol": 1,
                    "state": 0,
                    "apiAllowed": False,
                }
                for coin in COINS
            ]
        )

    def kline(self, call):
        """https://www.mexc.com/api-docs/futures/market-endpoints#get-candlestick-data

        Columns; ``start`` and ``end`` in seconds, inclusive; at most 2000; ``vol`` counts
        contracts. A wrong unit tells coins.
        """
        query = call.query
        coin = call.rest.removesuffix("_USDT")
        if coin not in COINS or query["interval"] not in CONTRACT:
            return {"success": False, "code": 1001, "message": "Contract does not exist!"}
        ts, bars = self.told_bars(coin, CONTRACT[query["interval"]])
        low = bound(query, "start", 0) * 1000
        high = bound(query, "end", NOW // 1000) * 1000
        rows = self.pick(ts, low, high, 2000, newest=True)
        size = self.sizes[coin] if self.twin != "unit" else 1.0
        return self._columns(ts[rows] // 1000, bars.take(rows), size)

    def _columns(self, seconds, bars, size=1.0):
        data = {
            "time": [int(second) for second in seconds],
            **{
                name: getattr(bars, name).tolist() if bars else []
                for name in ("open", "close", "high", "low")
            },
            "vol": (bars.volume / size).round(6).tolist() if bars else [],
            "amount": (bars.volume * bars.close).tolist() if bars else [],
        }
        return self._enveloped(data)

    def funding_history(self, call):
        """https://www.mexc.com/api-docs/futures/market-endpoints#get-funding-rate-history

        Numbered pages, newest first, 20 rows unless told, at most 100 here. A wrong paging
        leaves out the last row of every page.
        """
        query = call.query
        coin = query["symbol"].removesuffix("_USDT")
        ts, rate = self.told_funding(coin)
        size = min(bound(query, "page_size", 20), 100)
        number_ = bound(query, "page_num", 1)
        rows = [*range(len(ts))][::-1][(number_ - 1) * size : number_ * size]
        if self.twin == "paging":
            rows = rows[:-1]
        found = [
            {
                "symbol": query["symbol"],
                "fundingRate": float(rate[i]),
                "settleTime": int(ts[i]),
                "collectCycle": 8,
            }
            for i in rows
        ]
        return self._enveloped(
            {
                "pageSize": size,
                "totalCount": len(ts),
                "totalPage": -(-len(ts) // size),
                "currentPage": number_,
                "resultList": found,
            }
        )
