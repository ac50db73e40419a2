"""OKX V5 as documented: newest first, everything as text, bounds that leave themselves out."""

from typing import ClassVar

from tests.servers.crypto import COINS, HOUR, LISTED, NOW, VenueServer, bound, number

BARS = {
    "1m": "1m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1H": "1h",
    "4H": "4h",
    "1Dutc": "1d",
    "1Wutc": "1w",
    "1Mutc": "1mo",
}
PERIODS = {"5m": 300, "15m": 900, "30m": 1800, "1H": 3600, "4H": 14400, "1Dutc": 86400}
ERRORS = {
    400: ("51000", "Parameter error"),
    404: ("50404", "Not found"),
    429: ("50011", "Too Many Requests"),
    500: ("50026", "System error. Try again later."),
    503: ("50001", "Service temporarily unavailable. Try again later"),
}


def enveloped(data, code="0", message=""):
    """An answer as all of V5 has it."""
    return {"code": code, "msg": message, "data": data}


class OkxServer(VenueServer):
    """``www.okx.com``: spot, and swaps whose volume comes in contracts and in coins."""

    routes: ClassVar[dict] = {
        "GET /api/v5/public/instruments": "instruments",
        "GET /api/v5/market/candles": "candles",
        "GET /api/v5/market/history-candles": "history_candles",
        "GET /api/v5/public/funding-rate-history": "funding_history",
        "GET /api/v5/rubik/stat/contracts/open-interest-history": "interest_history",
    }
    data_routes = ("candles", "history_candles", "funding_history", "interest_history")
    sizes: ClassVar[dict] = {"BTC": 0.01, "ETH": 0.1}
    page = 300
    funding_days = 90
    has_interest = True

    def refusal(self, status):
        """https://www.okx.com/docs-v5/en/#error-code-rest-api"""
        code, words = ERRORS.get(status, ("1", "Operation failed."))
        return enveloped([], code, words)

    def empty(self, call):  # noqa: ARG002
        """What a stretch without rows is answered with."""
        return enveloped([])

    def instruments(self, call):
        """https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments"""
        kind = call.query["instType"]
        common = {"instType": kind, "state": "live", "listTime": str(LISTED), "tickSz": "0.1"}
        if kind == "SPOT":
            return enveloped(
                [
                    {
                        **common,
                        "instId": f"{coin}-USDT",
                        "baseCcy": coin,
                        "quoteCcy": "USDT",
                        "settleCcy": "",
                        "ctVal": "",
                        "ctMult": "",
                        "ctType": "",
                        "uly": "",
                        "lotSz": "0.00000001",
                        "minSz": "0.00001",
                        "lever": "10",
                    }
                    for coin in COINS
                ]
            )
        return enveloped(
            [
                {
                    **common,
                    "instId": f"{coin}-USDT-SWAP",
                    "instFamily": f"{coin}-USDT",
                    "baseCcy": "",
                    "quoteCcy": "",
                    "settleCcy": "USDT",
                    "ctVal": number(self.sizes[coin]),
                    "ctMult": "1",
                    "ctValCcy": coin,
                    "ctType": "linear",
                    "uly": f"{coin}-USDT",
                    "lotSz": "0.01",
                    "minSz": "0.01",
                    "lever": "100",
                }
                for coin in COINS
            ]
        )

    def _coin(self, query):
        found = query["instId"].split("-")[0]
        return found if found in COINS else ""

    def candles(self, call):
        """https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks

        The newest 1440 of each length; 100 unless told, at most 300.
        """
        return self._candles(call.query, newest=1440)

    def history_candles(self, call):
        """https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks-history

        100 unless told, at most 300.
        """
        return self._candles(call.query, newest=0)

    def _candles(self, query, newest):
        """Rows newer than ``before`` and older than ``after``, both left out.

        ``vol`` counts contracts of a swap and coins of spot, ``volCcy`` coins of a swap and quote
        currency of spot; ``confirm`` is 0 for the bar that is not over. A wrong unit tells
        contracts for coins.
        """
        coin = self._coin(query)
        if not coin:
            return enveloped([], "51001", "Instrument ID or Spread ID doesn't exist.")
        if query["bar"] not in BARS:
            return enveloped([], "51000", "Parameter bar error")
        ts, bars = self.told_bars(coin, BARS[query["bar"]])
        limit = min(bound(query, "limit", 100), 300)
        low, high = bound(query, "before", -1), bound(query, "after", NOW + HOUR)
        kept = ts[-newest:][0] if newest and len(ts) else 0
        rows = self.pick(ts, low, high, limit, newest=True, after=True, before=True)[::-1]
        swap = query["instId"].endswith("-SWAP")
        size = self.sizes[coin]
        found = []
        for i in rows[ts[rows] >= kept]:
            quote = number(bars.volume[i] * bars.close[i])
            coins, contracts = number(bars.volume[i]), number(round(bars.volume[i] / size, 2))
            prices = [number(getattr(bars, name)[i]) for name in ("open", "high", "low", "close")]
            counts = [contracts, coins, quote] if swap else [coins, quote, quote]
            found.append([str(ts[i]), *prices, *counts, "0" if ts[i] + HOUR > NOW else "1"])
        return enveloped(found)

    def funding_history(self, call):
        """https://www.okx.com/docs-v5/en/#public-data-rest-api-get-funding-rate-history

        About three months, 100 at most; older than ``after``, newer than ``before``.
        """
        query = call.query
        ts, rate = self.told_funding(self._coin(query))
        limit = min(bound(query, "limit", 100), 100)
        low, high = bound(query, "before", -1), bound(query, "after", NOW + HOUR)
        rows = self.pick(ts, low, high, limit, newest=True, after=True, before=True)[::-1]
        return enveloped(
            [
                {
                    "instType": "SWAP",
                    "instId": query["instId"],
                    "formulaType": "withRate",
                    "fundingRate": number(rate[i]),
                    "realizedRate": number(rate[i]),
                    "fundingTime": str(ts[i]),
                    "method": "current_period",
                }
                for i in rows
            ]
        )

    def interest_history(self, call):
        """https://www.okx.com/docs-v5/en/#trading-statistics-rest-api-get-contract-open-interest-history

        Newest first: time, contracts, coins, USD; 100 at most, from ``begin`` to ``end``.
        """
        query = call.query
        coin = self._coin(query)
        ts, value = self.told_interest(coin, PERIODS[query["period"]] * 1000)
        limit = min(bound(query, "limit", 100), 100)
        low, high = bound(query, "begin", 0), bound(query, "end", NOW)
        rows = self.pick(ts, low, high, limit, newest=True)[::-1]
        size = self.sizes[coin]
        return enveloped(
            [
                [str(ts[i]), number(value[i] / size), number(value[i]), number(value[i] * 93_000)]
                for i in rows
            ]
        )
