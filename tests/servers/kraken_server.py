"""Kraken as documented: spot gives its newest 720 bars in seconds, futures have charts."""

from typing import ClassVar

import numpy as np

from tests.servers.crypto import COINS, HOUR, LISTED, NOW, VenueServer, bound, number

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
RESOLUTIONS = {"1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d", "1w"}
PAIRS = {"XXBTZUSD": ("BTC", "XXBT", "XBT"), "XETHZUSD": ("ETH", "XETH", "ETH")}
FUTURES = {"PF_XBTUSD": "BTC", "PF_ETHUSD": "ETH"}


def iso(ts):
    """A time as Kraken Futures writes it."""
    return f"{np.datetime64(int(ts), 'ms')}Z"


class KrakenServer(VenueServer):
    """``api.kraken.com`` and ``futures.kraken.com`` in one."""

    routes: ClassVar[dict] = {
        "GET /0/public/AssetPairs": "asset_pairs",
        "GET /0/public/OHLC": "ohlc",
        "GET /derivatives/api/v3/instruments": "instruments",
        "GET /api/charts/v1/trade/*": "chart",
        "GET /derivatives/api/v4/historicalfundingrates": "funding_rates",
    }
    data_routes = ("ohlc", "chart", "funding_rates")
    quote = "USD"
    hourly = True
    jitter = 1
    count = 2400
    page = 719

    def refusal(self, status):
        """https://docs.kraken.com/api/docs/guides/spot-errors"""
        errors = {
            400: "EGeneral:Invalid arguments",
            422: "EGeneral:Invalid arguments",
            404: "EGeneral:Unknown method",
            429: "EGeneral:Too many requests",
            503: "EService:Unavailable",
        }
        return {"error": [errors.get(status, "EGeneral:Internal error")]}

    def empty(self, call):
        """What a stretch without rows is answered with."""
        if call.route == "ohlc":
            return {"error": [], "result": {call.query["pair"]: [], "last": NOW // 1000}}
        if call.route == "chart":
            return {"candles": [], "more_candles": False}
        return {"result": "success", "rates": []}

    def true(self, coin, timeframe):
        """Of spot only the newest 720 can be had, one of them not over."""
        found = super().true(coin, timeframe)
        if self.section == "spot" and len(self.bars(coin, timeframe)) > 720:
            found.bars = found.bars.take(slice(-719, None))
        return found

    # Spot.

    def asset_pairs(self, call):  # noqa: ARG002
        """https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs"""
        return {
            "error": [],
            "result": {
                name: {
                    "altname": f"{short}USD",
                    "wsname": f"{short}/USD",
                    "aclass_base": "currency",
                    "base": base,
                    "aclass_quote": "currency",
                    "quote": "ZUSD",
                    "lot": "unit",
                    "pair_decimals": 1,
                    "lot_decimals": 8,
                    "lot_multiplier": 1,
                    "leverage_buy": [2, 3, 4, 5],
                    "leverage_sell": [2, 3, 4, 5],
                    "fees": [[0, 0.4], [10000, 0.35]],
                    "fees_maker": [[0, 0.25], [10000, 0.2]],
                    "fee_volume_currency": "ZUSD",
                    "ordermin": "0.00005",
                    "costmin": "0.5",
                    "tick_size": "0.1",
                    "status": "online",
                }
                for name, (_, base, short) in PAIRS.items()
            },
        }

    def ohlc(self, call):
        """https://docs.kraken.com/api/docs/rest-api/get-ohlc-data

        After ``since``, but never more than the newest 720, the last of them not over; seconds;
        time, open, high, low, close, vwap, volume, count. ``last`` is the one before the last.
        A wrong paging gives the oldest 720.
        """
        query = call.query
        if query["pair"] not in PAIRS:
            return {"error": ["EQuery:Unknown asset pair"]}
        if int(query["interval"]) not in MINUTES:
            return {"error": ["EGeneral:Invalid arguments"]}
        coin = PAIRS[query["pair"]][0]
        ts, bars = self.told_bars(coin, MINUTES[int(query["interval"])])
        rows = np.flatnonzero(ts > bound(query, "since", 0) * 1000)
        rows = rows[:720] if self.twin == "paging" else rows[-720:]
        found = [
            [
                int(ts[i]) // 1000,
                *(number(getattr(bars, name)[i]) for name in ("open", "high", "low", "close")),
                number(bars.close[i]),
                number(bars.volume[i]),
                4_100,
            ]
            for i in rows
        ]
        last = found[-2][0] if len(found) > 1 else NOW // 1000
        return {"error": [], "result": {query["pair"]: found, "last": last}}

    # Futures.

    def instruments(self, call):  # noqa: ARG002
        """https://docs.kraken.com/api/docs/futures-api/trading/get-instruments"""
        return {
            "result": "success",
            "instruments": [
                {
                    "symbol": name,
                    "type": "flexible_futures",
                    "pair": f"{coin}:USD",
                    "base": coin,
                    "quote": "USD",
                    "tradeable": True,
                    "tickSize": 1,
                    "contractSize": 1,
                    "contractValueTradePrecision": 4,
                    "openingDate": iso(LISTED),
                    "fundingRateCoefficient": 8,
                    "maxRelativeFundingRate": 0.0025,
                }
                for name, coin in FUTURES.items()
            ],
            "serverTime": iso(NOW),
        }

    def chart(self, call):
        """https://docs.kraken.com/api/docs/futures-api/charts/candles

        ``/trade/SYMBOL/RESOLUTION``; ``from`` and ``to`` in seconds, inclusive; 2000 at most;
        volume in coins.
        """
        name, _, resolution = call.rest.partition("/")
        if name not in FUTURES or resolution not in RESOLUTIONS:
            return 400, {"errors": [{"severity": "error", "message": "invalid symbol"}]}
        ts, bars = self.told_bars(FUTURES[name], resolution)
        low = bound(call.query, "from", 0) * 1000
        high = bound(call.query, "to", NOW // 1000) * 1000
        rows = self.pick(ts, low, high, 2000)
        found = [
            {
                "time": int(ts[i]),
                **{n: number(getattr(bars, n)[i]) for n in ("open", "high", "low", "close")},
                "volume": number(bars.volume[i]),
            }
            for i in rows
        ]
        return {"candles": found, "more_candles": bool(len(rows) and rows[-1] + 1 < len(ts))}

    def funding_rates(self, call):
        """https://docs.kraken.com/api/docs/futures-api/trading/historical-funding-rates

        All of it, hourly; ``fundingRate`` in USD per contract, ``relativeFundingRate`` a fraction.
        """
        coin = FUTURES.get(call.query["symbol"])
        if coin not in COINS:
            return 400, {"result": "error", "error": "invalidArgument: symbol"}
        ts, rate = self.told_funding(coin)
        rates = [
            {
                "timestamp": iso(ts[i]),
                "fundingRate": float(rate[i] * 93_000),
                "relativeFundingRate": float(rate[i]),
            }
            for i in range(len(ts))
        ]
        return {"result": "success", "serverTime": iso(NOW + HOUR), "rates": rates}
