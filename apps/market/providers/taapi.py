"""TAAPI.IO, version 2: indicators computed by the vendor, kept as figures beside bars.

The key travels in a header. One request tells all indicators of a market for a page of candles,
counted back from the newest; a candle that begins meanwhile makes pages overlap, never part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from apps.core.errors import Denied, Invalid, LabError, Unavailable
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.columns import empty_columns
from apps.market.providers import answers
from apps.market.providers.base import (
    Capabilities,
    Fetched,
    Figures,
    Limit,
    Listing,
    Request,
    Section,
    Task,
)
from apps.market.providers.pacing import Pacer, Timing
from apps.market.providers.wire import Wire

EXCHANGES = {"binance": "binance", "binance-futures": "binancefutures"}
TIMEFRAMES = ("1m", "5m", "15m", "1h", "4h", "1d", "1w")
INDICATORS: dict[str, dict[str, Any]] = {
    "rsi_14": {"indicator": "rsi", "period": 14},
    "ema_20": {"indicator": "ema", "period": 20},
    "sma_50": {"indicator": "sma", "period": 50},
    "atr_14": {"indicator": "atr", "period": 14},
    "macd": {"indicator": "macd"},
}
# Where a figure stands in an answer: the indicator, and its field.
FIGURES = {
    "rsi_14": ("rsi_14", "value"),
    "ema_20": ("ema_20", "value"),
    "sma_50": ("sma_50", "value"),
    "atr_14": ("atr_14", "value"),
    "macd": ("macd", "valueMACD"),
    "macd_signal": ("macd", "valueMACDSignal"),
    "macd_hist": ("macd", "valueMACDHist"),
}
PRICE = "quote currency of the market, mostly USDT"
CONSTRUCT = "lab"
# What the plans are said to take at once; the vendor's pages name no number.
PLAN_PAGES = (300, 50)
TRIES = 4
# Candles by which the vendor's clock and ours may differ.
SLACK = 2

Series = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class TaapiProvider:
    """Asks TAAPI.IO with a team's key.

    Parameters
    ----------
    page
        Values per indicator and request.
    """

    capabilities = Capabilities(
        name="taapi",
        title="TAAPI.IO",
        sections=tuple(EXCHANGES),
        needs_key=True,
        bars=False,
        figures=tuple(FIGURES),
        key_fields=("api_key",),
        timeframes=TIMEFRAMES,
        window=5000,
        history="Indicators of as many candles as the vendor keeps; one page without a start.",
        units={name: "0 to 100" if name == "rsi_14" else PRICE for name in FIGURES},
        price_mode="raw",
        limits=(Limit(1, 15.0),),
    )

    base_url: str = "https://v2.taapi.io"
    timeout: float = 30.0
    key: Mapping[str, str] = field(default_factory=dict, repr=False)
    timing: Timing = field(default_factory=Timing)
    page: int = 500

    def with_key(self, key: Mapping[str, str]) -> TaapiProvider:
        """Return the provider with a key."""
        return replace(self, key=dict(key))

    def with_timing(self, timing: Timing) -> TaapiProvider:
        """Return the provider with another gate for its limits."""
        return replace(self, timing=timing)

    @property
    def wire(self) -> Wire:
        """The connection; the key stands in a header."""
        pacer = Pacer("taapi", self.capabilities.limits, self.key, self.timing)
        headers = {"Authorization": f"Bearer {self.key.get('api_key', '')}"}
        return Wire(self.base_url, pacer, self.timeout, headers)

    def section(self, name: str) -> Section:
        """Describe a section. Raises ``NotFound``."""
        answers.check_section(self.capabilities, name)
        return Section(
            name=name,
            title=f"Indicators of TAAPI.IO on {EXCHANGES[name]}",
            timeframe="1h",
            calendar="24/7",
            source="TAAPI.IO API v2 (docs.taapi.io)",
            licence="the vendor's terms; not for redistribution",
            universe="",
            survivorship="Markets that trade today: those delisted are missing.",
            note="Figures only, no bars: "
            + ", ".join(f"{name} in {unit}" for name, unit in self.capabilities.units.items()),
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List the markets of the exchange."""
        answers.check_section(self.capabilities, section)
        found = self.wire.get(f"/exchanges/{EXCHANGES[section]}/symbols")
        with answers.reading("taapi"):
            names = found["symbols"] if isinstance(found, dict) else found
            return [_listing(_text(name), section) for name in names]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per market; one the vendor lacks is told when it is fetched."""
        answers.check_request(self.capabilities, request, TIMEFRAMES)
        symbols = request.symbols or [item.symbol for item in self.listings(request.section)]
        return answers.tasks_of(request, symbols)

    def fetch(self, task: Task) -> Fetched:
        """Return the indicators of candles that were over by ``until``, by the time they ended."""
        return Fetched(
            _listing(task.symbol, task.section), empty_columns(), figures=self._figures(task)
        )

    def check_key(self) -> str:
        """Ask for one value with the key."""
        self._ask("binance", "BTCUSDT", "1h", results=1, backtrack=0)
        return "The key is good: the vendor computed indicators of BTCUSDT with it."

    def _figures(self, task: Task) -> Figures:
        length = seconds_of(task.timeframe)
        now = self.timing.now().timestamp()
        until = now if task.until is None else task.until / answers.MICROS
        back = max(int((now - until) // length) - SLACK, 0)
        pages: list[Series] = []
        while True:
            page = self._page(task, back)
            pages.append(page)
            with answers.reading("taapi"):
                stamps = [stamp for series in page.values() for stamp in series["timestamp"]]
                fewest = min(len(series["timestamp"]) for series in page.values())
            # The vendor may answer fewer values than asked for: go on from those that came.
            if task.since is None or not fewest or min(stamps) * answers.MICROS <= task.since:
                break
            back += fewest
        return _joined(pages, task)

    def _page(self, task: Task, back: int) -> Series:
        """Return a page that ends ``back`` candles ago: the most that the plan takes at once."""
        for results in (self.page, *(size for size in PLAN_PAGES if size < self.page)):
            try:
                return self._ask(
                    EXCHANGES[task.section], task.symbol, task.timeframe, results, backtrack=back
                )
            except Invalid as error:
                if error.code not in {"provider.refused", "provider.plan"} or (
                    "result" not in error.message.lower()
                ):
                    raise
                refused = error
        raise refused

    def _ask(
        self, exchange: str, symbol: str, timeframe: str, results: int, backtrack: int
    ) -> Series:
        asked = [
            {"id": name, **facts, "results": results, "backtrack": backtrack}
            for name, facts in INDICATORS.items()
        ]
        construct = {
            "id": CONSTRUCT,
            "exchange": exchange,
            "symbol": symbol,
            "timeframe": timeframe,
            "indicators": asked,
        }
        for _ in range(TRIES):
            found = self.wire.post("/bulk", {"constructs": [construct]})
            if not (isinstance(found, dict) and found.get("pending")):
                return _read(found, symbol)
        message = f"taapi is still fetching the candles of {symbol}; try again later."
        raise Unavailable(message, code="provider.pending", retry_after=30.0)


def _read(found: Any, symbol: str) -> Series:
    """Return the series of an answer by indicator. Raises what the vendor says of the market."""
    if isinstance(found, dict) and isinstance(found.get("error"), str):
        raise _rejected(found["error"])
    with answers.reading("taapi"):
        told = found[CONSTRUCT]
        if said := told.get("_error"):
            raise _refused(symbol, str(said))
        return {name: told[name] for name in INDICATORS}


def _rejected(said: str) -> LabError:
    """Return the error of an answer that says 200 and yet refuses: seen with keys put to rest."""
    words = said.lower()
    if any(word in words for word in ("key", "token", "inactive", "unauthor", "subscription")):
        message = f"taapi does not take the key: {said[:200]}"
        return Denied(message, code="provider.auth")
    return Invalid(f"taapi refused the request: {said[:200]}", code="provider.refused")


def _refused(symbol: str, said: str) -> LabError:
    if "404" in said or "symbol" in said.lower():
        return answers.unknown("taapi", symbol)
    message = f"taapi could not compute indicators of {symbol}; try again later."
    return Unavailable(message, code="provider.down")


def _joined(pages: Sequence[Series], task: Task) -> Figures:
    figures: Figures = {}
    with answers.reading("taapi"):
        for name, (indicator, part) in FIGURES.items():
            stamps = [stamp for page in pages for stamp in page[indicator]["timestamp"]]
            values = [value for page in pages for value in page[indicator][part]]
            ts = np.array(stamps, np.float64).astype(np.int64) * answers.MICROS
            if len(ts) != len(values):
                raise ValueError(name)
            opens, known = answers.figure_between(ts, np.array(values, np.float64), task)
            # Known when the candle is over, not when it begins.
            figures[name] = (opens + seconds_of(task.timeframe) * answers.MICROS, known)
    return figures


def _text(name: Any) -> str:
    return str(name["symbol"]) if isinstance(name, dict) else str(name)


def _listing(symbol: str, section: str) -> Listing:
    kind = "perpetual" if section == "binance-futures" else "spot"
    return Listing(symbol, f"{symbol} on {EXCHANGES[section]}", kind, "Crypto", "TAAPI.IO", "USDT")
