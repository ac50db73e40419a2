"""The bundled sample: real bars in Parquet files, always there."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid, NotFound, Unavailable
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.columns import PRICES, Actions, Columns, no_actions
from apps.market.kernel.resample import MICROS, check_coarser, resample
from apps.market.providers.base import (
    Capabilities,
    Fetched,
    Figures,
    Listing,
    Request,
    Section,
    Task,
)

Table = dict[str, NDArray[Any]]
DAY = 86_400 * MICROS
MINUTE = 60 * MICROS

SP500 = "sp500"
LONG_HISTORY = "long-history"
PERPS = {"crypto-binance": "binance", "crypto-bybit": "bybit"}
FACTORS = "fama-french"
FX = "fx"
FUNDS = frozenset({"SPY", "QQQ", "IWM", "EEM", "USO", "BNO"})

FILES = {
    SP500: "sp500_daily",
    LONG_HISTORY: "long_history_daily",
    "crypto-binance": "crypto_perp_hourly",
    "crypto-bybit": "crypto_perp_hourly",
    FX: "fx_daily",
    FACTORS: "fama_french_daily",
}
SURVIVORSHIP = {
    SP500: (
        "Only companies that were members of the S&P 500 in April 2021, picked by turnover: "
        "those that failed, were bought or left before are missing, which flatters results."
    ),
    LONG_HISTORY: (
        "Funds and large companies picked by hand that exist to this day: those that failed "
        "are missing, which flatters results. Earlier owners of a ticker are cut off."
    ),
    "crypto-binance": (
        "Five coins that were large in 2026, on Binance: coins that failed are missing."
    ),
    "crypto-bybit": (
        "Five coins that were large in 2026, on Bybit: coins that failed are missing."
    ),
    FX: "Four currency pairs picked by hand: all of them trade to this day.",
    FACTORS: "Factor returns of all CRSP common stocks: no survivorship by construction.",
}
UNIVERSES = {
    SP500: "sp500-sample",
    LONG_HISTORY: "long-history",
    "crypto-binance": "crypto-perps",
    "crypto-bybit": "crypto-perps-bybit",
    FX: "fx-majors",
    FACTORS: "",
}
TITLES = {
    SP500: "S&P 500 sample, daily 2007-2021",
    LONG_HISTORY: "Long history, daily 1998-2021",
    "crypto-binance": "Perpetuals on Binance, hourly",
    "crypto-bybit": "Perpetuals on Bybit, hourly",
    FX: "Currency pairs, daily 2007-2018",
    FACTORS: "Fama-French factors, daily",
}
CALENDARS = {"crypto-binance": "24/7", "crypto-bybit": "24/7", FX: "24/5"}


class SampleProvider:
    """The files of ``data/sample``.

    Parameters
    ----------
    folder
        Where the Parquet files and ``manifest.json`` are.
    """

    capabilities = Capabilities(
        name="sample",
        title="Bundled sample",
        sections=tuple(FILES),
        actions=True,
        figures=("funding", "return"),
    )

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def section(self, name: str) -> Section:
        """Describe a section from the manifest. Raises ``NotFound``."""
        self._check_section(name)
        line = _manifest(self.folder)[f"{FILES[name]}.parquet"]
        crypto = name in PERPS
        return Section(
            name=name,
            title=TITLES[name],
            timeframe="1h" if crypto else "1d",
            calendar=CALENDARS.get(name, "XNYS"),
            source=f"{line['origin']} @ {line['commit']} ({line['upstream']})",
            licence=line["licence"],
            universe=UNIVERSES[name],
            survivorship=SURVIVORSHIP[name],
            sha256=line["sha256"],
            note="\n".join(line["quirks"]),
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List the instruments of a section."""
        self._check_section(section)
        if section == FACTORS:
            names = [name for name in _table(self.folder, FILES[section]) if name != "ts"]
            return [Listing(symbol=name.upper(), kind="factor", venue="CRSP") for name in names]
        symbols = sorted(_rows_by_symbol(self.folder, section))
        if section in PERPS:
            return [_perpetual(symbol, PERPS[section]) for symbol in symbols]
        if section == FX:
            return [_pair(symbol) for symbol in symbols]
        known = _constituents(self.folder)
        return [_equity(symbol, known) for symbol in symbols]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per symbol. Raises ``NotFound`` for an unknown symbol."""
        known = [listing.symbol for listing in self.listings(request.section)]
        for symbol in request.symbols:
            if symbol not in known:
                raise _unknown(symbol, known, request.section)
        self._check_timeframe(request)
        return [
            Task(request.section, symbol, request.timeframe, request.since, request.until)
            for symbol in (request.symbols or known)
        ]

    def fetch(self, task: Task) -> Fetched:
        """Return the bars of one symbol, resampled when the file has shorter ones."""
        listings = {listing.symbol: listing for listing in self.listings(task.section)}
        if task.symbol not in listings:
            raise _unknown(task.symbol, list(listings), task.section)
        if task.section == FACTORS:
            return self._factor(listings[task.symbol])
        rows = _rows_by_symbol(self.folder, task.section)[task.symbol]
        table = _table(self.folder, FILES[task.section])
        part = {name: column[rows] for name, column in table.items()}
        section = self.section(task.section)
        bars = resample(
            _columns(part),
            task.timeframe,
            source=section.timeframe,
            complete=section.calendar == "24/7",
        )
        return Fetched(
            listing=listings[task.symbol],
            bars=_between(bars, task),
            actions=self._actions(task, part),
            figures=self._figures(task),
        )

    def renames(self, section: str) -> list[tuple[str, str, date]]:
        """Return tickers that became others: before, after, the first day of the new one."""
        if section != LONG_HISTORY:
            return []
        table = _table(self.folder, "long_history_maps")
        found: list[tuple[str, str, date]] = []
        for security in np.unique(table["permtick"].astype(str)):
            mine = table["permtick"] == security
            days = [date.fromisoformat(str(day)) for day in table["date"][mine]]
            tickers = [str(ticker).upper() for ticker in table["ticker"][mine]]
            steps = sorted(zip(days, tickers, strict=True))
            found += [
                (a[1], b[1], a[0] + timedelta(days=1)) for a, b in pairwise(steps) if a[1] != b[1]
            ]
        return found

    def _actions(self, task: Task, part: Table) -> Actions:
        if task.section == SP500:
            happened = (part["dividend"] > 0) | (part["split"] != 1)
            return Actions(
                part["ts"][happened], part["dividend"][happened], part["split"][happened]
            )
        if task.section == LONG_HISTORY:
            return _actions_from_factors(self.folder, task.symbol, part["ts"])
        return no_actions()

    def _figures(self, task: Task) -> Figures:
        if task.section not in PERPS:
            return {}
        table = _table(self.folder, "crypto_perp_funding")
        mine = (table["venue"] == PERPS[task.section]) & (table["symbol"] == task.symbol)
        # Settlements carry some milliseconds of jitter: the minute is the settlement.
        ts = (table["ts"][mine] + MINUTE // 2) // MINUTE * MINUTE
        return {"funding": (ts, table["funding_rate"][mine])}

    def _factor(self, listing: Listing) -> Fetched:
        table = _table(self.folder, FILES[FACTORS])
        fractions = table[listing.symbol.lower()] / 100.0
        none = _columns({name: np.empty(0) for name in ("ts", *PRICES, "volume")})
        return Fetched(listing, none, figures={"return": (table["ts"], fractions)})

    def _check_timeframe(self, request: Request) -> None:
        stored = self.section(request.section).timeframe
        if request.timeframe == stored:
            return
        if request.section not in PERPS:
            # Raw bars on both sides of a split can't be joined into one.
            message = f"{request.section} has bars of {stored} only, not {request.timeframe}."
            raise Invalid(message, code="provider.timeframe", details={"field": "timeframe"})
        check_coarser(request.timeframe, stored)

    def _check_section(self, name: str) -> None:
        if name not in FILES:
            message = f"The sample has no section {name!r}; it has {', '.join(FILES)}."
            raise NotFound(message, code="provider.section_unknown")


def _unknown(symbol: str, known: Sequence[str], section: str) -> NotFound:
    close = difflib.get_close_matches(symbol, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    message = f"There is no {symbol!r} in {section}{hint}"
    return NotFound(message, code="symbol.unknown", details={"symbol": symbol, "close": close})


def _perpetual(symbol: str, venue: str) -> Listing:
    name = f"{symbol} perpetual on {venue.capitalize()}"
    return Listing(symbol, name, "perpetual", "Crypto", venue, "USDT")


def _pair(symbol: str) -> Listing:
    return Listing(symbol, f"{symbol[:3]} in {symbol[3:]}", "fx", "", "OANDA", symbol[3:])


def _equity(symbol: str, known: dict[str, tuple[str, str]]) -> Listing:
    name, sector = known.get(symbol, ("", ""))
    if symbol in FUNDS:
        return Listing(symbol, symbol, "fund", "", "US")
    return Listing(symbol, name, "equity", sector, "US")


def _between(bars: Columns, task: Task) -> Columns:
    """Return the bars of the task's stretch: opened at or after since, closed by until."""
    keep = np.ones(len(bars), bool)
    if task.since is not None:
        keep &= bars.ts >= task.since
    if task.until is not None:
        keep &= bars.ts + seconds_of(task.timeframe) * MICROS <= task.until
    return bars if keep.all() else bars.take(keep)


def _columns(part: Table) -> Columns:
    open_, high, low, close = (part[name].astype(np.float64) for name in PRICES)
    # Currency pairs come without volume.
    volume = part.get("volume", np.zeros(len(part["ts"]))).astype(np.float64)
    return Columns(part["ts"].astype(np.int64), open_, high, low, close, volume)


def _actions_from_factors(folder: Path, symbol: str, sessions: NDArray[np.int64]) -> Actions:
    """Return the actions that a factor file stands for.

    A row holds until its date, so the action takes effect on the next session. The price factor
    of the file falls by ``1 - dividend / close before``: the cash is taken from that.
    """
    table = _table(folder, "long_history_factors")
    mine = table["symbol"] == symbol
    ts, price, split = (table[k][mine] for k in ("ts", "price_factor", "split_factor"))
    reference = table["reference_price"][mine]
    if len(ts) < 2:
        return no_actions()
    at = np.searchsorted(sessions, ts[:-1], side="right")
    ratio = np.round(split[1:] / split[:-1], 6)
    cash = np.round(reference[:-1] * (1.0 - price[:-1] / price[1:]), 4)
    happened = (at < len(sessions)) & (at > 0) & ((ratio != 1.0) | (cash > 0))
    if not happened.any():
        return no_actions()
    # Actions inside a gap of the bars (QQQ) take effect together on the next session.
    at, cash, ratio = at[happened], np.maximum(cash[happened], 0.0), ratio[happened]
    first = np.flatnonzero(np.append(True, at[1:] != at[:-1]))
    return Actions(
        sessions[at[first]], np.add.reduceat(cash, first), np.multiply.reduceat(ratio, first)
    )


@lru_cache(maxsize=2)
def _manifest(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "manifest.json"
    if not path.is_file():
        message = f"The sample data is not at {folder}; restore data/sample from the repository."
        raise Unavailable(message, code="sample.missing")
    lines = json.loads(path.read_text(encoding="utf-8"))["files"]
    return {line["file"]: line for line in lines}


@lru_cache(maxsize=3)
def _table(folder: Path, name: str) -> Table:
    """Return a file as arrays, times in microseconds, after comparing its digest."""
    import pyarrow.parquet as pq

    path = folder / f"{name}.parquet"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = _manifest(folder)[path.name]["sha256"]
    if found != expected:
        message = (
            f"{path} has sha-256 {found[:12]}…, the manifest says {expected[:12]}…; "
            "restore data/sample from the repository."
        )
        raise Unavailable(message, code="sample.damaged")
    table = pq.read_table(path)
    arrays: Table = {}
    for field in table.schema:
        array = table[field.name].to_numpy()
        if field.name == "ts":
            array = array.astype("M8[us]").astype(np.int64)
        arrays[field.name] = array
    return arrays


@lru_cache(maxsize=8)
def _rows_by_symbol(folder: Path, section: str) -> dict[str, slice]:
    """Return where each symbol's rows are; the files keep them together, in time order."""
    table = _table(folder, FILES[section])
    symbols = table["symbol"].astype(str)
    keys = symbols
    if section in PERPS:
        keys = np.char.add(np.char.add(table["venue"].astype(str), "/"), symbols)
    edges = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    stops = np.append(edges[1:], len(keys))
    found = {str(keys[a]): slice(int(a), int(b)) for a, b in zip(edges, stops, strict=True)}
    if section not in PERPS:
        return found
    prefix = f"{PERPS[section]}/"
    return {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}


@lru_cache(maxsize=2)
def _constituents(folder: Path) -> dict[str, tuple[str, str]]:
    table = _table(folder, "sp500_constituents")
    rows = zip(table["symbol"], table["name"], table["sector"], strict=True)
    return {str(symbol): (str(name), str(sector)) for symbol, name, sector in rows}
