"""A local server that speaks version 2 of TAAPI.IO (https://docs.taapi.io).

The key is a bearer token (…/pages/authentication.html); refusals are ``{"error": …}``
(…/pages/errors.html, read: statuses, 202 and ``pending``, ``_error`` in bulk, the address of the
list of symbols). …/pages/historical-values.html was read for ``results``, ``backtrack``, arrays of
values and of seconds; it leaves open which end is the newest and how many a plan takes.
"""

import zlib
from typing import ClassVar

import numpy as np

from tests.servers.vendor import Truth, VendorServer

HOUR = 3600
LAST = 1_767_614_400  # 2026-01-05 12:00, the hour that is not over
COUNT = 130
FIELDS = {
    "rsi_14": ("rsi_14", "value"),
    "ema_20": ("ema_20", "value"),
    "sma_50": ("sma_50", "value"),
    "atr_14": ("atr_14", "value"),
    "macd": ("macd", "valueMACD"),
    "macd_signal": ("macd", "valueMACDSignal"),
    "macd_hist": ("macd", "valueMACDHist"),
}
SYMBOLS = ("BTCUSDT", "ETHUSDT")


class TaapiServer(VendorServer):
    key: ClassVar = {"api_key": "taapi-key-0123456789abcdef"}
    page = 50
    data_routes = ("bulk",)
    routes: ClassVar = {
        "POST /bulk": "bulk",
        "GET /exchanges/binance/symbols": "symbols",
    }

    def __init__(self, twin=""):
        super().__init__(twin)
        self.pending = 0
        self.most = 10_000
        self.stamps = LAST - HOUR * np.arange(COUNT + 1, dtype=np.int64)[::-1]
        self.values = {}
        for symbol in SYMBOLS:
            rng = np.random.default_rng(zlib.crc32(symbol.encode()))
            values = {name: np.round(rng.uniform(1, 99, COUNT + 1), 6) for name in FIELDS}
            self.values[symbol] = values
            ends = (self.stamps[:-1] + HOUR) * 1_000_000
            figures = {name: (ends, column[:-1]) for name, column in values.items()}
            self.truth[symbol, "1h"] = Truth(figures=figures)
        self.now = LAST * 1_000_000 + 60_000_000

    def allowed(self, call):
        return call.headers.get("authorization") == f"Bearer {self.key['api_key']}"

    def refusal(self, status):
        words = {401: "Invalid or missing API key.", 429: "Rate limit exceeded."}
        return {"error": words.get(status, "Something went wrong.")}

    def empty(self, call):
        names = [item["id"] for item in call.body["constructs"][0]["indicators"]]
        parts = {part for _, part in FIELDS.values()}
        return {"lab": {name: {"timestamp": [], **{p: [] for p in parts}} for name in names}}

    def symbols(self, call):  # noqa: ARG002
        """GET /exchanges/{exchange}/symbols (…/pages/errors.html names it)."""
        return list(SYMBOLS)

    def bulk(self, call):
        """POST /bulk (…/pages/rest-bulk.html, …/pages/historical-values.html).

        While candles are fetched for the first time, 202 and ``pending``.
        """
        if self.pending:
            self.pending -= 1
            return 202, {"pending": True, "key": "ta:binance"}
        (construct,) = call.body["constructs"]
        if max(item["results"] for item in construct["indicators"]) > self.most:
            return 400, {"error": f"results exceeds your plan's limit of {self.most}"}
        symbol = construct["symbol"]
        if symbol not in self.values:
            said = "Failed to fetch candles: 404 Not Found"
            return {construct["id"]: {"_error": said, "rsi_14": None}}
        told = {item["id"]: self.series(symbol, item) for item in construct["indicators"]}
        return {construct["id"]: told}

    def series(self, symbol, asked):
        """Return ``results`` values that end ``backtrack`` candles ago."""
        upto = len(self.stamps) - asked["backtrack"]
        first = max(upto - asked["results"], 0)
        if self.twin == "paging" and asked["backtrack"]:
            upto -= 1
        rows = slice(first, max(upto, 0))
        shift = HOUR if self.twin == "timestamp" else 0
        scale = {"unit": 100, "sign": -1}.get(self.twin, 1)
        stamps, told = self.stamps[rows] + shift, {}
        for name, (indicator, part) in FIELDS.items():
            if indicator == asked["id"]:
                values = self.values[symbol][name][rows] * scale
                times, values = self.wrong_part(name, stamps, values, HOUR)
                stamps = times if self.twin == f"{name}:timestamp" else stamps
                told[part] = values.tolist()
        return {**told, "timestamp": stamps.tolist()}
