"""Coinalyze as documented: seconds, rows of letters, one object per symbol; the key in a header.

The page of all endpoints is https://api.coinalyze.net/v1/doc/.
"""

from typing import ClassVar

import numpy as np

from tests.servers.crypto import DAY, HOUR, NOW, hours, joined, settlements
from tests.servers.vendor import Truth, VendorServer

STEPS = {"1hour": HOUR, "4hour": 4 * HOUR, "daily": DAY}
NAMES = {"1hour": "1h", "4hour": "4h", "daily": "1d"}
INTERVALS = {*STEPS, "1min", "5min", "15min", "30min", "2hour", "6hour", "12hour"}
MARKETS = {"BTCUSDT_PERP.A": "BTC", "ETHUSDT_PERP.A": "ETH"}
KEPT = 2000


class CoinalyzeServer(VendorServer):
    """``api.coinalyze.net``: bars and figures of the sample's coins, some made up from volume."""

    key: ClassVar[dict] = {"api_key": "coinalyze-key-0123456789abcdef"}
    routes: ClassVar[dict] = {
        "GET /v1/exchanges": "exchanges",
        "GET /v1/future-markets": "future_markets",
        "GET /v1/ohlcv-history": "ohlcv",
        "GET /v1/open-interest-history": "open_interest",
        "GET /v1/funding-rate-history": "funding_rate",
        "GET /v1/predicted-funding-rate-history": "predicted",
        "GET /v1/liquidation-history": "liquidations",
        "GET /v1/long-short-ratio-history": "long_short",
    }
    data_routes = (
        "ohlcv",
        "open_interest",
        "funding_rate",
        "predicted",
        "liquidations",
        "long_short",
    )
    page = KEPT

    def __init__(self, twin=""):
        super().__init__(twin)
        self.now = NOW * 1000
        for symbol, coin in MARKETS.items():
            for interval, name in NAMES.items():
                self.truth[symbol, name] = self.true(coin, interval)

    def allowed(self, call):
        """https://api.coinalyze.net/v1/doc/#section/Authentication: header or parameter."""
        return self.key["api_key"] in {call.headers.get("api_key"), call.query.get("api_key")}

    def refusal(self, status):
        """https://api.coinalyze.net/v1/doc/#section/Errors"""
        words = {400: "Bad parameter", 401: "Invalid/Missing API key", 429: "Too many requests"}
        return {"message": words.get(status, "Server error")}

    # What it has: everything in house units.

    def bars(self, coin, interval):
        """Bars, the one that is not over included; the newest 2000 of those below a day."""
        if interval not in STEPS:
            return hours("crypto-binance", coin, 2400).take(slice(0, 0))
        found = joined(hours("crypto-binance", coin, 2400), NAMES[interval])
        if interval == "daily":
            return found
        return found.take(found.ts // 1000 > NOW - KEPT * STEPS[interval])

    def figures(self, coin, interval):
        """Figures of each bar by name."""
        bars = self.bars(coin, interval)
        n = np.arange(len(bars))
        booked, rates = settlements("crypto-binance", coin, 0, hourly=False)
        at = np.searchsorted(booked, bars.ts // 1000 + STEPS.get(interval, 0), side="right") - 1
        wave = np.sin(n / 50)
        return {
            "open_interest": np.round(80_000 + 2_000 * wave, 3),
            "funding_rate": np.round(rates[at] * 100, 6),
            "predicted_funding": np.round(rates[np.minimum(at + 1, len(rates) - 1)] * 100, 6),
            "liquidations_long": np.round(bars.volume * 0.002, 3),
            "liquidations_short": np.round(bars.volume * 0.001, 3),
            "long_short_ratio": np.round(1.5 + 0.4 * wave, 4),
        }

    def told(self, coin, call):
        """Figures as this server has them, their times aside."""
        figures = self.figures(coin, call.query["interval"])
        if ":unit" not in self.twin and ":sign" not in self.twin:
            return figures
        return {name: self.wrong_part(name, 0, one, 0)[1] for name, one in figures.items()}

    def true(self, coin, interval):
        """Rates come as percent and become fractions; figures are stamped by the bar's end."""
        bars = self.bars(coin, interval)
        ends = bars.ts + STEPS[interval] * 1000
        over = ends <= self.now
        figures = {}
        for name, values in self.figures(coin, interval).items():
            unit = 0.01 if "funding" in name else 1.0
            figures[name] = (ends[over], values[over] * unit)
        return Truth(bars.take(over), figures=figures)

    # What it tells.

    def exchanges(self, call):  # noqa: ARG002
        """https://api.coinalyze.net/v1/doc/#tag/Exchanges"""
        return [{"name": "Binance", "code": "A"}, {"name": "Bybit", "code": "6"}]

    def future_markets(self, call):  # noqa: ARG002
        """https://api.coinalyze.net/v1/doc/#tag/Future-Markets"""
        rows = [
            {
                "symbol": symbol,
                "exchange": "A",
                "symbol_on_exchange": symbol.removesuffix("_PERP.A"),
                "base_asset": coin,
                "quote_asset": "USDT",
                "expire_at": None,
                "has_buy_sell_data": True,
                "is_perpetual": True,
                "margined": "STABLE",
                "oi_lq_vol_denominated_in": "BASE_ASSET",
                "has_long_short_ratio_data": True,
                "has_ohlcv_data": True,
            }
            for symbol, coin in MARKETS.items()
        ]
        inverse = {**rows[0], "symbol": "BTCUSD_PERP.A", "quote_asset": "USD"}
        inverse |= {"margined": "COIN", "oi_lq_vol_denominated_in": "QUOTE_ASSET"}
        dated = {**rows[0], "symbol": "BTCUSDT.6", "is_perpetual": False, "expire_at": NOW}
        return [*rows, inverse, dated]

    def _answer(self, call, row, *names):
        """Rows from ``from`` to ``to``, both in seconds and inclusive, oldest first.

        A wrong paging answers only the newer half.
        """
        query = call.query
        if query.get("interval") not in INTERVALS or not query.get("from", "").isdigit():
            return 400, self.refusal(400)
        coin = MARKETS.get(query["symbols"])
        if not coin:
            return []
        bars = self.bars(coin, query["interval"])
        ts = self.wrong_bars(bars, STEPS.get(query["interval"], HOUR) * 1000).ts // 1_000_000
        step = STEPS.get(query["interval"], HOUR) // 1000
        rows = np.flatnonzero((ts >= int(query["from"])) & (ts <= int(query["to"])))
        for name in names:
            ts, _ = self.wrong_part(name, ts, ts, step) if ":paging" not in self.twin else (ts, 0)
            rows, _ = self.wrong_part(name, rows, rows, 0) if ":paging" in self.twin else (rows, 0)
        if self.twin == "paging":
            rows = rows[len(rows) // 2 :]
        if not len(rows):
            return []
        found = [{"t": int(ts[i]), **row(int(i))} for i in rows]
        return [{"symbol": query["symbols"], "history": found}]

    def _candles(self, call, name):
        coin = MARKETS.get(call.query["symbols"], "BTC")
        values = self.told(coin, call)[name]
        if self.twin == "sign" and "funding" in name:
            values = -values
        if self.twin == "unit" and "funding" in name:
            values = values / 100

        def row(i):
            value, before = float(values[i]), float(values[max(i - 1, 0)])
            return {"o": before, "h": max(before, value), "l": min(before, value), "c": value}

        return self._answer(call, row, name)

    def ohlcv(self, call):
        """https://api.coinalyze.net/v1/doc/#tag/OHLCV-History

        Volume in coins, that of buyers, and how many trades.
        """
        coin = MARKETS.get(call.query["symbols"], "BTC")
        bars = self.bars(coin, call.query["interval"])

        def row(i):
            volume = float(bars.volume[i]) * (100 if self.twin == "unit" else 1)
            return {
                "o": float(bars.open[i]),
                "h": float(bars.high[i]),
                "l": float(bars.low[i]),
                "c": float(bars.close[i]),
                "v": volume,
                "bv": volume / 2,
                "tx": 41_000,
                "btx": 20_500,
            }

        return self._answer(call, row)

    def open_interest(self, call):
        """https://api.coinalyze.net/v1/doc/#tag/Open-Interest-History"""
        return self._candles(call, "open_interest")

    def funding_rate(self, call):
        """https://api.coinalyze.net/v1/doc/#tag/Funding-Rate-History: in percent."""
        return self._candles(call, "funding_rate")

    def predicted(self, call):
        """https://api.coinalyze.net/v1/doc/#tag/Predicted-Funding-Rate-History: in percent."""
        return self._candles(call, "predicted_funding")

    def liquidations(self, call):
        """https://api.coinalyze.net/v1/doc/#tag/Liquidation-History: of longs and of shorts."""
        coin = MARKETS.get(call.query["symbols"], "BTC")
        values = self.told(coin, call)
        longs, shorts = values["liquidations_long"], values["liquidations_short"]
        names = ("liquidations_long", "liquidations_short")
        return self._answer(call, lambda i: {"l": float(longs[i]), "s": float(shorts[i])}, *names)

    def long_short(self, call):
        """https://api.coinalyze.net/v1/doc/#tag/Long-Short-Ratio-History: ratio and percents."""
        coin = MARKETS.get(call.query["symbols"], "BTC")
        ratio = self.told(coin, call)["long_short_ratio"]

        def row(i):
            r = float(ratio[i])
            return {"r": r, "l": round(100 * r / (1 + r), 2), "s": round(100 / (1 + r), 2)}

        return self._answer(call, row, "long_short_ratio")
