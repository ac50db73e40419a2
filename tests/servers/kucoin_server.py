"""KuCoin as documented: spot in seconds and open-close-high-low, futures in milliseconds."""

from typing import ClassVar

from tests.servers.crypto import COINS, LISTED, NOW, VenueServer, bound, number

SPOT = {
    "1min": "1m",
    "5min": "5m",
    "15min": "15m",
    "30min": "30m",
    "1hour": "1h",
    "4hour": "4h",
    "1day": "1d",
    "1week": "1w",
}
MINUTES = {
    1: "1m",
    5: "5m",
    15: "15m",
    30: "30m",
    60: "1h",
    240: "4h",
    1440: "1d",
    10080: "1w",
}
PERIODS = {
    "5min": 300,
    "15min": 900,
    "30min": 1800,
    "1hour": 3600,
    "4hour": 14400,
    "1day": 86400,
}
ERRORS = {
    400: ("400100", "Incorrect request params"),
    404: ("404000", "Url Not Found"),
    429: ("429000", "Too Many Requests"),
    500: ("500000", "Internal Server Error"),
}
CONTRACTS = {"XBTUSDTM": "BTC", "ETHUSDTM": "ETH"}


def enveloped(data):
    """An answer as all of KuCoin has it."""
    return {"code": "200000", "data": data}


class KucoinServer(VenueServer):
    """``api.kucoin.com`` and ``api-futures.kucoin.com`` in one."""

    routes: ClassVar[dict] = {
        "GET /api/v2/symbols": "symbols",
        "GET /api/v1/market/candles": "candles",
        "GET /api/v1/contracts/active": "contracts",
        "GET /api/v1/kline/query": "kline_query",
        "GET /api/v1/contract/funding-rates": "funding_rates",
        "GET /api/ua/v1/market/open-interest": "open_interest",
    }
    data_routes = ("candles", "kline_query", "funding_rates", "open_interest")
    sizes: ClassVar[dict] = {"BTC": 0.001, "ETH": 0.01}
    page = 199
    has_interest = True

    def refusal(self, status):
        """https://www.kucoin.com/docs-new/errors"""
        code, words = ERRORS.get(status, ("900001", "refused"))
        return {"code": code, "msg": words}

    def empty(self, call):  # noqa: ARG002
        """What a stretch without rows is answered with."""
        return enveloped([])

    def symbols(self, call):  # noqa: ARG002
        """https://www.kucoin.com/docs-new/rest/spot-trading/market-data/get-all-symbols"""
        return enveloped(
            [
                {
                    "symbol": f"{coin}-USDT",
                    "name": f"{coin}-USDT",
                    "baseCurrency": coin,
                    "quoteCurrency": "USDT",
                    "feeCurrency": "USDT",
                    "market": "USDS",
                    "baseMinSize": "0.00001",
                    "quoteMinSize": "0.1",
                    "baseIncrement": "0.00000001",
                    "quoteIncrement": "0.000001",
                    "priceIncrement": "0.1",
                    "isMarginEnabled": True,
                    "enableTrading": True,
                }
                for coin in COINS
            ]
        )

    def contracts(self, call):  # noqa: ARG002
        """https://www.kucoin.com/docs-new/rest/futures-trading/market-data/get-all-symbols

        ``multiplier`` is how many coins a contract (lot) is.
        """
        return enveloped(
            [
                {
                    "symbol": name,
                    "rootSymbol": "USDT",
                    "type": "FFWCSX",
                    "firstOpenDate": LISTED,
                    "expireDate": None,
                    "settleDate": None,
                    "baseCurrency": name.removesuffix("USDTM"),
                    "quoteCurrency": "USDT",
                    "settleCurrency": "USDT",
                    "lotSize": 1,
                    "tickSize": 0.1,
                    "multiplier": self.sizes[coin],
                    "isInverse": False,
                    "status": "Open",
                    "maxLeverage": 125,
                    "fundingRateGranularity": 28_800_000,
                    "nextFundingRateTime": 13_000_000,
                }
                for name, coin in CONTRACTS.items()
            ]
        )

    def candles(self, call):
        """https://www.kucoin.com/docs-new/rest/spot-trading/market-data/get-klines

        Seconds; newest first; at most 1500; each row is time, open, close, high, low, volume in
        coins, turnover.
        """
        query = call.query
        coin = query["symbol"].removesuffix("-USDT")
        if coin not in COINS or query["type"] not in SPOT:
            return 400, {"code": "400100", "msg": "This pair is not provided at present"}
        ts, bars = self.told_bars(coin, SPOT[query["type"]])
        low = bound(query, "startAt", 0) * 1000
        high = bound(query, "endAt", NOW // 1000) * 1000
        rows = self.pick(ts, low, high, 1500, newest=True, before=True)[::-1]
        return enveloped(
            [
                [
                    str(ts[i] // 1000),
                    *(number(getattr(bars, name)[i]) for name in ("open", "close", "high", "low")),
                    number(bars.volume[i]),
                    number(bars.volume[i] * bars.close[i]),
                ]
                for i in rows
            ]
        )

    def kline_query(self, call):
        """https://www.kucoin.com/docs-new/rest/futures-trading/market-data/get-klines

        Milliseconds; oldest first; numbers; time, open, high, low, close, volume in contracts.
        A wrong unit tells coins.
        """
        query = call.query
        coin = CONTRACTS.get(query["symbol"])
        minutes = int(query["granularity"])
        if not coin or minutes not in MINUTES:
            return 400, {"code": "400100", "msg": "Parameter error"}
        ts, bars = self.told_bars(coin, MINUTES[minutes])
        rows = self.pick(ts, bound(query, "from", 0), bound(query, "to", NOW), 200)
        size = self.sizes[coin] if self.twin != "unit" else 1.0
        return enveloped(
            [
                [
                    int(ts[i]),
                    *(float(getattr(bars, name)[i]) for name in ("open", "high", "low", "close")),
                    round(float(bars.volume[i] / size), 6),
                    float(bars.volume[i] * bars.close[i]),
                ]
                for i in rows
            ]
        )

    def funding_rates(self, call):
        """https://www.kucoin.com/docs-new/rest/futures-trading/funding-fees/get-public-funding-history

        Newest first, the newest 100 from ``from`` to ``to``.
        """
        query = call.query
        ts, rate = self.told_funding(CONTRACTS[query["symbol"]])
        low, high = bound(query, "from", 0), bound(query, "to", NOW)
        rows = self.pick(ts, low, high, 100, newest=True)[::-1]
        return enveloped(
            [
                {
                    "symbol": query["symbol"],
                    "fundingRate": float(rate[i]),
                    "timepoint": int(ts[i]),
                }
                for i in rows
            ]
        )

    def open_interest(self, call):
        """https://www.kucoin.com/docs-new/rest/ua/get-futures-open-interset

        Newest first; 30 unless told, at most 200; counted in contracts.
        """
        query = call.query
        coin = CONTRACTS[query["symbol"]]
        ts, value = self.told_interest(coin, PERIODS[query["interval"]] * 1000)
        limit = min(bound(query, "pageSize", 30), 200)
        low, high = bound(query, "startAt", 0), bound(query, "endAt", NOW)
        rows = self.pick(ts, low, high, limit, newest=True)[::-1]
        size = self.sizes[coin]
        return enveloped(
            [
                {
                    "symbol": query["symbol"],
                    "openInterest": number(round(value[i] / size)),
                    "ts": int(ts[i]),
                }
                for i in rows
            ]
        )

    def interest(self, coin, step=3_600_000):
        """Open interest in coins, in whole contracts."""
        ts, value = super().interest(coin, step)
        return ts, (value / self.sizes[coin]).round() * self.sizes[coin]
