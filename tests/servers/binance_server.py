"""Binance spot and USD-M as documented: oldest first, times in milliseconds, prices as text."""

from typing import ClassVar

from tests.servers.crypto import COINS, DAY, LISTED, NOW, VenueServer, bound, number

INTERVALS = {"1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1M"}
PERIODS = {"5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14400, "1d": 86400}
PERPETUAL = 4_133_404_800_000  # the delivery date of what is never delivered


class BinanceServer(VenueServer):
    """Two hosts of Binance in one: ``api.binance.com`` and ``fapi.binance.com``."""

    routes: ClassVar[dict] = {
        "GET /api/v3/exchangeInfo": "spot_info",
        "GET /api/v3/klines": "spot_klines",
        "GET /fapi/v1/exchangeInfo": "info",
        "GET /fapi/v1/klines": "klines",
        "GET /fapi/v1/fundingRate": "funding_rate",
        "GET /futures/data/openInterestHist": "interest_history",
    }
    data_routes = ("spot_klines", "klines", "funding_rate", "interest_history")
    has_interest = True
    interest_days = 30

    def refusal(self, status):
        """https://developers.binance.com/docs/binance-spot-api-docs/errors"""
        codes = {
            400: (-1100, "Illegal characters found in a parameter."),
            404: (-1000, "Path not found."),
            429: (-1003, "Too many requests; current limit is 6000 request weight per 1 MINUTE."),
            500: (-1001, "Internal error; unable to process your request. Please try again."),
        }
        code, words = codes.get(status, (-1000, "An unknown error occurred."))
        return {"code": code, "msg": words}

    def spot_info(self, call):  # noqa: ARG002
        """https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints#exchange-information"""
        symbols = [
            {
                "symbol": f"{coin}USDT",
                "status": "TRADING",
                "baseAsset": coin,
                "baseAssetPrecision": 8,
                "quoteAsset": "USDT",
                "quotePrecision": 8,
                "quoteAssetPrecision": 8,
                "isSpotTradingAllowed": True,
                "isMarginTradingAllowed": True,
                "filters": [
                    {
                        "filterType": "PRICE_FILTER",
                        "minPrice": "0.01000000",
                        "maxPrice": "1000000.00000000",
                        "tickSize": "0.01000000",
                    }
                ],
                "permissions": [],
                "permissionSets": [["SPOT", "MARGIN"]],
            }
            for coin in COINS
        ]
        return {"timezone": "UTC", "serverTime": NOW, "rateLimits": [], "symbols": symbols}

    def info(self, call):  # noqa: ARG002
        """https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information"""
        symbols = [
            {
                "symbol": f"{coin}USDT",
                "pair": f"{coin}USDT",
                "contractType": "PERPETUAL",
                "deliveryDate": PERPETUAL,
                "onboardDate": LISTED,
                "status": "TRADING",
                "baseAsset": coin,
                "quoteAsset": "USDT",
                "marginAsset": "USDT",
                "pricePrecision": 2,
                "quantityPrecision": 3,
                "baseAssetPrecision": 8,
                "quotePrecision": 8,
                "filters": [{"filterType": "LOT_SIZE", "minQty": "0.001", "stepSize": "0.001"}],
            }
            for coin in COINS
        ]
        return {"timezone": "UTC", "serverTime": NOW, "rateLimits": [], "symbols": symbols}

    def spot_klines(self, call):
        """https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#klinecandlestick-data

        At most 1000, 500 unless told; both bounds inclusive, over the opens of the bars.
        """
        return self._klines(call.query, 1000)

    def klines(self, call):
        """https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Kline-Candlestick-Data

        At most 1500, 500 unless told.
        """
        return self._klines(call.query, 1500)

    def _klines(self, query, most):
        coin = query["symbol"].removesuffix("USDT")
        if coin not in COINS:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        if query["interval"] not in INTERVALS:
            return 400, {"code": -1120, "msg": "Invalid interval."}
        timeframe = {"1M": "1mo"}.get(query["interval"], query["interval"])
        ts, bars = self.told_bars(coin, timeframe)
        limit = min(bound(query, "limit", 500), most)
        newest = "startTime" not in query
        rows = self.pick(
            ts, bound(query, "startTime", 0), bound(query, "endTime", NOW), limit, newest=newest
        )
        return [
            [
                int(ts[i]),
                *(number(getattr(bars, name)[i]) for name in ("open", "high", "low", "close")),
                number(bars.volume[i]),
                int(ts[i]) + 3_599_999,
                number(bars.volume[i] * bars.close[i]),
                41_000,
                number(bars.volume[i] / 2),
                number(bars.volume[i] * bars.close[i] / 2),
                "0",
            ]
            for i in rows
        ]

    def funding_rate(self, call):
        """https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Get-Funding-Rate-History

        From ``startTime`` on in ascending order, 100 unless told, at most 1000.
        """
        coin = call.query["symbol"].removesuffix("USDT")
        ts, rate = self.told_funding(coin)
        limit = min(bound(call.query, "limit", 100), 1000)
        low, high = bound(call.query, "startTime", 0), bound(call.query, "endTime", NOW + DAY)
        rows = self.pick(ts, low, high, limit, newest="startTime" not in call.query)
        return [
            {
                "symbol": f"{coin}USDT",
                "fundingTime": int(ts[i]),
                "fundingRate": number(rate[i]),
                "markPrice": "93000.00000000",
            }
            for i in rows
        ]

    def interest_history(self, call):
        """https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Open-Interest-Statistics

        30 unless told, at most 500; only the last 30 days, an earlier start is refused.
        """
        query = call.query
        coin = query["symbol"].removesuffix("USDT")
        low = bound(query, "startTime", 0)
        if low and low < NOW - 30 * DAY:
            return 400, {"code": -1130, "msg": "parameter 'startTime' is invalid."}
        ts, value = self.told_interest(coin, PERIODS[query["period"]] * 1000)
        limit = min(bound(query, "limit", 30), 500)
        rows = self.pick(ts, low, bound(query, "endTime", NOW), limit, newest=True)
        return [
            {
                "symbol": f"{coin}USDT",
                "sumOpenInterest": number(value[i]),
                "sumOpenInterestValue": number(value[i] * 93_000),
                "CMCCirculatingSupply": "19900000.00000000",
                "timestamp": int(ts[i]),
            }
            for i in rows
        ]
