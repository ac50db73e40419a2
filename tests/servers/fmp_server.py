"""A local server that speaks the stable API of Financial Modeling Prep.

Each endpoint names the page it follows, below https://site.financialmodelingprep.com/developer/docs.
The key comes in the header ``apikey`` (…/docs#authorization); refusals are
``{"Error Message": …}``. Field names were compared with stored copies of those pages (unadjusted
prices, splits, historical constituents) and with others' clients and their recorded answers.
"""

from datetime import date, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import numpy as np

from apps.market.kernel.columns import Actions, Columns
from tests.servers.vendor import DAY, Truth, VendorServer, bars_at

SESSIONS = 130
SPLIT_AT, DIVIDENDS_AT = 60, (20, 85)
FIRST = date(2024, 1, 2)
MINUTES = 15
NEW_YORK = ZoneInfo("America/New_York")
SYMBOLS = {"AAPL": "Apple Inc.", "MSFT": "Microsoft Corporation"}


def micros(moment):
    return int(moment.timestamp()) * 1_000_000


def midnights(count=SESSIONS):
    days = np.busday_offset(np.datetime64(FIRST), np.arange(count + 1), roll="forward")
    return days.astype("datetime64[us]").astype(np.int64)


def opens():
    """Bars of 15 minutes over two weeks with the change to daylight saving time in them."""
    found = []
    for day in range(14):
        when = date(2024, 3, 4) + timedelta(days=day)
        if when.weekday() < 5:
            first = datetime(when.year, when.month, when.day, 9, 30, tzinfo=NEW_YORK)
            found += [first + timedelta(minutes=MINUTES * i) for i in range(26)]
    return np.array([micros(moment) for moment in found], np.int64)


def day_of(ts):
    return str(np.datetime64(int(ts), "us").astype("datetime64[D]"))


def wall_clock(ts):
    return str(datetime.fromtimestamp(ts / 1e6, NEW_YORK).replace(tzinfo=None))


class FmpServer(VendorServer):
    key: ClassVar = {"api_key": "fmp-key-0123456789abcdef"}
    page = 50
    data_routes = ("eod_raw", "eod_full", "chart")
    routes: ClassVar = {
        "GET /stable/historical-price-eod/non-split-adjusted": "eod_raw",
        "GET /stable/historical-price-eod/full": "eod_full",
        "GET /stable/historical-chart/*": "chart",
        "GET /stable/profile": "profile",
        "GET /stable/splits": "splits",
        "GET /stable/dividends": "dividends",
        "GET /stable/stock-list": "stock_list",
        "GET /stable/sp500-constituent": "constituents",
        "GET /stable/historical-sp500-constituent": "changes",
    }

    def __init__(self, twin="", intraday=False):
        super().__init__(twin)
        self.raw, self.chart_bars, self.actions = {}, {}, {}
        for symbol in SYMBOLS:
            days = midnights()
            self.raw[symbol] = bars_at(symbol, days)
            self.chart_bars[symbol] = bars_at(f"{symbol} chart", opens())
            dividend, split = np.zeros(len(days)), np.ones(len(days))
            dividend[list(DIVIDENDS_AT)], split[SPLIT_AT] = 0.24, 4.0
            happened = (dividend > 0) | (split != 1)
            self.actions[symbol] = Actions(days[happened], dividend[happened], split[happened])
            # The last of each is not over: the vendor sends it all the same.
            over = slice(0, -1)
            self.truth[symbol, "1d"] = Truth(self.raw[symbol].take(over), self.actions[symbol])
            self.truth[symbol, "15m"] = Truth(self.chart_bars[symbol].take(over))
        last = self.chart_bars["AAPL"].ts[-1] if intraday else self.raw["AAPL"].ts[-1]
        self.now = int(last) + 60_000_000

    def allowed(self, call):
        return call.headers.get("apikey") == self.key["api_key"]

    def refusal(self, status):
        words = {401: "Invalid API KEY. Feel free to create a Free API Key.", 429: "Limit Reach."}
        return {"Error Message": words.get(status, "Something went wrong.")}

    def cut(self, bars, call, text_of):
        """Return the rows asked for, the newest first, a page at most."""
        step = DAY if text_of is day_of else MINUTES * 60_000_000
        told = self.wrong_bars(bars, step)
        first, last = call.query.get("from", "1900-01-01"), call.query.get("to", "2999-01-01")
        rows = [i for i in range(len(told)) if first <= text_of(told.ts[i])[:10] <= last]
        rows = rows[::-1][: self.page if text_of is day_of else 26 * 14]
        if self.twin == "paging":
            rows = rows[1:-1]
        return told, rows

    def eod_raw(self, call):
        """…/stable/historical-price-eod-non-split-adjusted: raw, named adjOpen and so on."""
        symbol = call.query["symbol"]
        if symbol not in self.raw:
            return []
        told, rows = self.cut(self.raw[symbol], call, day_of)
        return [
            {
                "symbol": symbol,
                "date": day_of(told.ts[i]),
                "adjOpen": told.open[i],
                "adjHigh": told.high[i],
                "adjLow": told.low[i],
                "adjClose": told.close[i],
                "volume": int(told.volume[i]),
            }
            for i in rows
        ]

    def adjusted(self, symbol):
        """Return bars in today's shares."""
        bars = self.raw[symbol]
        before = np.arange(len(bars)) < SPLIT_AT
        ratio = np.where(before, 4.0, 1.0)
        prices = [column / ratio for column in (bars.open, bars.high, bars.low, bars.close)]
        return Columns(bars.ts, *prices, bars.volume * ratio)

    def eod_full(self, call):
        """…/stable/historical-price-eod-full: adjusted for splits."""
        symbol = call.query["symbol"]
        if symbol not in self.raw:
            return []
        told, rows = self.cut(self.adjusted(symbol), call, day_of)
        return [
            {
                "symbol": symbol,
                "date": day_of(told.ts[i]),
                **{name: getattr(told, name)[i] for name in ("open", "high", "low", "close")},
                "volume": int(told.volume[i]),
                "change": told.close[i] - told.open[i],
                "changePercent": 0.1,
                "vwap": told.close[i],
            }
            for i in rows
        ]

    def chart(self, call):
        """…/stable/intraday-15-min: times on New York's clock, a month at most, newest first."""
        symbol = call.query["symbol"]
        if call.rest != "15min" or symbol not in self.chart_bars:
            return []
        told, rows = self.cut(self.chart_bars[symbol], call, wall_clock)
        return [
            {
                "date": wall_clock(told.ts[i]),
                **{name: getattr(told, name)[i] for name in ("open", "low", "high", "close")},
                "volume": int(told.volume[i]),
            }
            for i in rows
        ]

    def profile(self, call):
        """…/stable/profile-symbol: one row, or none for a symbol that isn't there."""
        symbol = call.query["symbol"]
        if symbol not in SYMBOLS:
            return []
        facts = {"sector": "Technology", "exchange": "NASDAQ", "currency": "USD", "isEtf": False}
        return [{"symbol": symbol, "companyName": SYMBOLS[symbol], **facts, "isFund": False}]

    def splits(self, call):
        """…/stable/splits-company: the newest first, at most 1000.

        How many come unless ``limit`` is told is not documented; here it is one.
        """
        found = self.actions[call.query["symbol"]]
        rows = np.flatnonzero(found.split != 1)
        ts, ratio = self.wrong_part("split", found.ts[rows], found.split[rows], DAY)
        return [
            {
                "symbol": call.query["symbol"],
                "date": day_of(ts[i]),
                "numerator": int(ratio[i]),
                "denominator": 1,
                "splitType": "stock-split",
            }
            for i in range(len(ts))
        ][::-1][: self.limit(call)]

    def dividends(self, call):
        """…/stable/dividends-company: ``adjDividend`` in today's shares."""
        found = self.actions[call.query["symbol"]]
        rows = np.flatnonzero(found.dividend > 0)
        ts, cash = self.wrong_part("dividend", found.ts[rows], found.dividend[rows], DAY)
        return [
            {
                "symbol": call.query["symbol"],
                "date": day_of(ts[i]),
                "recordDate": "",
                "paymentDate": "",
                "declarationDate": "",
                "adjDividend": cash[i] / (4 if ts[i] < midnights()[60] else 1),
                "dividend": cash[i],
                "yield": 0.5,
                "frequency": "Quarterly",
            }
            for i in range(len(ts))
        ][::-1][: self.limit(call)]

    def limit(self, call):
        return min(int(call.query.get("limit", 1)), 1000)

    def stock_list(self, call):  # noqa: ARG002
        """…/stable/company-symbols-list."""
        return [{"symbol": symbol, "companyName": name} for symbol, name in SYMBOLS.items()]

    def constituents(self, call):  # noqa: ARG002
        """…/stable/sp-500: today's members."""
        facts = {"sector": "Technology", "subSector": "", "headQuarter": "", "cik": "0"}
        joined = {"AAPL": "1982-11-30", "MSFT": "1994-06-01"}
        return [
            {"symbol": symbol, "name": name, "dateFirstAdded": joined[symbol], **facts}
            for symbol, name in SYMBOLS.items()
        ]

    def changes(self, call):  # noqa: ARG002
        """…/stable/historical-sp-500: one row per change, the newest first."""
        told = [
            ("2020-06-22", "MSFT", "Microsoft Corporation", "OLDCO", "Old Company"),
            ("2015-03-23", "OLDCO", "Old Company", "GONE", "Gone Inc."),
            ("2010-01-04", "OLDCO", "", "OLDCO", "Old Company"),
        ]
        names = ("date", "symbol", "addedSecurity", "removedTicker", "removedSecurity")
        return [
            {**dict(zip(names, row, strict=True)), "dateAdded": "June 22, 2020", "reason": "Size."}
            for row in told
        ]
