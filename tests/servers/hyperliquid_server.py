"""Hyperliquid as documented: all questions are POSTs to ``/info``, told apart by their type."""

from typing import ClassVar

from tests.servers.crypto import COINS, NOW, STEPS, VenueServer, number

INTERVALS = {"1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1M"}
PAIRS = {"@142": "BTC", "@151": "ETH"}


class HyperliquidServer(VenueServer):
    """``api.hyperliquid.xyz``: perpetuals and spot, settled in USDC."""

    routes: ClassVar[dict] = {"POST /info": "info"}
    data_routes = ("info",)
    quote = "USDC"
    hourly = True
    count = 6000
    page = 4999

    def refusal(self, status):
        """https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits"""
        return None if status == 429 else "Failed to deserialize the JSON body"

    def empty(self, call):
        """What a stretch without rows is answered with; the lists of markets stay."""
        if call.body["type"] in {"candleSnapshot", "fundingHistory"}:
            return []
        return self.info(call)

    def true(self, coin, timeframe):
        """Only the newest 5000 bars can be had, one of them not over."""
        found = super().true(coin, timeframe)
        if len(self.bars(coin, timeframe)) > 5000:
            found.bars = found.bars.take(slice(-4999, None))
        return found

    def info(self, call):
        """https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint"""
        asked = {
            "metaAndAssetCtxs": self.perpetuals,
            "spotMetaAndAssetCtxs": self.spot,
            "candleSnapshot": self.candles,
            "fundingHistory": self.funding_history,
        }.get(call.body.get("type"))
        if not asked:
            return 422, "Failed to deserialize the JSON body into the target type"
        return asked(call.body)

    def perpetuals(self, body):  # noqa: ARG002
        """https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals#retrieve-perpetuals-asset-contexts"""
        universe = [{"name": coin, "szDecimals": 5, "maxLeverage": 40} for coin in COINS]
        contexts = [
            {
                "funding": "0.0000125",
                "openInterest": "30000.0",
                "prevDayPx": "91000.0",
                "dayNtlVlm": "2000000000.0",
                "premium": "0.0001",
                "oraclePx": "93000.0",
                "markPx": "93010.0",
                "midPx": "93010.5",
                "impactPxs": ["93010.0", "93011.0"],
            }
            for _ in COINS
        ]
        return [{"universe": universe, "marginTables": [], "collateralToken": 0}, contexts]

    def spot(self, body):  # noqa: ARG002
        """https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/spot#retrieve-spot-asset-contexts"""
        names = ["USDC", "UBTC", "UETH"]
        tokens = [
            {"name": name, "szDecimals": 5, "weiDecimals": 8, "index": i, "isCanonical": i == 0}
            for i, name in enumerate(names)
        ]
        universe = [
            {"tokens": [i + 1, 0], "name": name, "index": i, "isCanonical": False}
            for i, name in enumerate(PAIRS)
        ]
        contexts = [
            {
                "prevDayPx": "91000.0",
                "dayNtlVlm": "40000000.0",
                "markPx": "93000.0",
                "midPx": "93000.5",
                "circulatingSupply": "100.0",
                "coin": name,
            }
            for name in PAIRS
        ]
        return [{"tokens": tokens, "universe": universe}, contexts]

    def candles(self, body):
        """https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint#candle-snapshot

        Only the newest 5000 are kept; both bounds inclusive; oldest first; prices and volume (in
        coins) as text, ``t`` the open and ``T`` the close.
        """
        asked = body["req"]
        coin = PAIRS.get(asked["coin"], asked["coin"])
        if coin not in COINS or asked["interval"] not in INTERVALS:
            return 500, None
        timeframe = {"1M": "1mo"}.get(asked["interval"], asked["interval"])
        ts, bars = self.told_bars(coin, timeframe)
        kept = ts[-5000:][0] if len(ts) else 0
        rows = self.pick(ts, max(asked["startTime"], kept), asked["endTime"], 5000)
        step = STEPS.get(timeframe, 30 * 86_400_000)
        return [
            {
                "t": int(ts[i]),
                "T": int(ts[i]) + step - 1,
                "s": asked["coin"],
                "i": asked["interval"],
                "o": number(bars.open[i]),
                "c": number(bars.close[i]),
                "h": number(bars.high[i]),
                "l": number(bars.low[i]),
                "v": number(bars.volume[i]),
                "n": 4_100,
            }
            for i in rows
        ]

    def funding_history(self, body):
        """https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals#retrieve-historical-funding-rates

        From ``startTime`` on, oldest first, at most 500, every hour.
        """
        ts, rate = self.told_funding(body["coin"])
        rows = self.pick(ts, body["startTime"], body.get("endTime", NOW), 500)
        return [
            {
                "coin": body["coin"],
                "fundingRate": number(rate[i]),
                "premium": number(rate[i] / 2),
                "time": int(ts[i]),
            }
            for i in rows
        ]
