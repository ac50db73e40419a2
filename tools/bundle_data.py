"""Make ``data/sample/`` from a folder of source files: pick, cut, write, note where from.

Only files whose licence allows redistribution are read (MIT, Apache-2.0, Unlicense). Nothing is
repaired: rows are picked, columns are kept, floats keep every digit. What is left out is said in
the manifest. Run once when the sample changes: ``python tools/bundle_data.py SOURCE_DIR``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

OUT = Path(__file__).resolve().parent.parent / "data" / "sample"
LIMIT_BYTES = 12 * 10**6
ALLOWED = ("MIT", "Apache-2.0", "Unlicense")
N_SYMBOLS = 140
PER_SECTOR = 6
ALWAYS = ("TRMB", "GNRC", "WDC", "ZBRA")
VENUES = ("binance", "bybit")
PAIRS = ("EURGBP", "EURUSD", "GBPUSD", "NZDUSD")
LONG_HISTORY = (
    "AAPL",
    "AIG",
    "BAC",
    "BNO",
    "EEM",
    "FB",
    "GOOG",
    "GOOGL",
    "IBM",
    "IWM",
    "QQQ",
    "SPY",
    "USO",
    "WM",
)
LAST_DAY = pd.Timestamp("2021-03-31", tz="UTC")

POOKSOFT = "github.com/Pooksoft/PooksoftSP500EquityPriceDataSet"
LEAN = "github.com/QuantConnect/Lean"
XVENUE = "github.com/0xknxwledge/group-m-finm33150-final"
FRENCH = "github.com/csciulla/portfolio-risk-simulator"


@dataclass
class Piece:
    """One file of the sample and what must be said about it."""

    name: str
    title: str
    origin: str
    commit: str
    paths: str
    licence: str
    upstream: str
    quirks: list[str] = field(default_factory=list)


PIECES = {
    "sp500_daily": Piece(
        name="sp500_daily",
        title="Daily bars of 140 members of the S&P 500 with dividends and splits",
        origin=POOKSOFT,
        commit="19a3f02fd075",
        paths="daily_adjusted/*.csv",
        licence="MIT",
        upstream="AlphaVantage",
        quirks=[
            "raw prices and raw volume; ts is the session date at 00:00 UTC, a label",
            "survivorship: members as of April 2021 only, picked by turnover since April 2019",
            (
                "adj_factor = adjusted close / close of the source, kept as the reference for "
                "adjustments; adj_factor[t]/adj_factor[t-1] = split[t]*(1+dividend[t]/close[t])"
            ),
            "TRMB: the split of 2007-02 is booked a day early (adjusted +100 %, then -51 %)",
            "GNRC 2010-02-12: a conversion of 0.3036 at the listing reads as -68 %",
            "WDC, ZBRA and TRMB have factor changes without a dividend or split row",
            "the source repository goes back to 1999-11; cut to 2007-01-03 and later",
        ],
    ),
    "sp500_constituents": Piece(
        name="sp500_constituents",
        title="Names and sectors of the members of the S&P 500",
        origin=POOKSOFT,
        commit="19a3f02fd075",
        paths="data/constituents.csv",
        licence="MIT",
        upstream="datasets/s-and-p-500-companies (PDDL)",
        quirks=["membership as of 2021"],
    ),
    "long_history_daily": Piece(
        name="long_history_daily",
        title="Daily bars 1998-2021 of SPY, QQQ, IWM, EEM and large names",
        origin=LEAN,
        commit="24863901deff",
        paths="Data/equity/usa/daily/*.zip",
        licence="Apache-2.0",
        upstream="AlgoSeek, QuantQuote",
        quirks=[
            "raw prices (source integers / 10000); ts is the session date at 00:00 UTC",
            (
                "changed here: tickers that named another company before are cut with the map "
                "files; one symbol follows one security through its tickers (WM from UW and WMI, "
                "GOOGL from GOOG before 2014-04-03)"
            ),
            "QQQ has no rows from 2004-12-01 to 2011-03-22, when its ticker was QQQQ: a real gap",
            "BAC starts on 1998-10-01: its earlier ticker NB is not in the source",
            "picked by hand: funds and large names that exist to this day",
        ],
    ),
    "long_history_factors": Piece(
        name="long_history_factors",
        title="Price and split factors of the long history",
        origin=LEAN,
        commit="24863901deff",
        paths="Data/equity/usa/factor_files/*.csv",
        licence="Apache-2.0",
        upstream="QuantConnect",
        quirks=[
            (
                "adjusted price on day d = raw * price_factor * split_factor of the first row "
                "with ts >= d; rows of 2050-12-31 are sentinels"
            ),
        ],
    ),
    "long_history_maps": Piece(
        name="long_history_maps",
        title="Ticker changes of the long history",
        origin=LEAN,
        commit="24863901deff",
        paths="Data/equity/usa/map_files/*.csv",
        licence="Apache-2.0",
        upstream="QuantConnect",
        quirks=["each row: the ticker was valid until that date"],
    ),
    "crypto_perp_hourly": Piece(
        name="crypto_perp_hourly",
        title="Hourly candles of five perpetuals on Binance and Bybit",
        origin=XVENUE,
        commit="64385d37d069",
        paths="data/candles.parquet",
        licence="Unlicense",
        upstream="public interfaces of Binance and Bybit",
        quirks=[
            "ts is the start of the bar, UTC; volume in base coin",
            (
                "changed here: the LAST bar of each Binance series was unfinished at download "
                "(5 rows) and is left out"
            ),
            "HYPE on Binance starts on 2025-05-30; five coins alive in 2026: survivorship",
        ],
    ),
    "crypto_perp_funding": Piece(
        name="crypto_perp_funding",
        title="Funding rates of the same perpetuals",
        origin=XVENUE,
        commit="64385d37d069",
        paths="data/funding_rates.parquet",
        licence="Unlicense",
        upstream="public interfaces of Binance and Bybit",
        quirks=[
            "rate per settlement (8 h; HYPE on Binance 4 h), not annualised",
            "settlement times carry some milliseconds of jitter, as in the source",
        ],
    ),
    "fx_daily": Piece(
        name="fx_daily",
        title="Daily rates of four currency pairs",
        origin=LEAN,
        commit="24863901deff",
        paths="Data/forex/oanda/daily/*.zip",
        licence="Apache-2.0",
        upstream="OANDA",
        quirks=[
            "open, high, low, close are the middle of bid and ask; spread_close is ask less bid",
            "no volume; ts is the date of the source, Sundays are short evening sessions",
        ],
    ),
    "fama_french_daily": Piece(
        name="fama_french_daily",
        title="Daily Fama-French five factors and momentum",
        origin=FRENCH,
        commit="047368b33343",
        paths="data/F-F_*_daily.csv",
        licence="MIT",
        upstream="Kenneth R. French data library (CRSP 202505); copyright 2025 Eugene F. Fama "
        "and Kenneth R. French",
        quirks=["percent per day, as in the library; rf has three decimals"],
    ),
}


def pick_sp500(bars: pd.DataFrame, members: pd.DataFrame) -> list[str]:
    """Return the symbols: a few per sector, the known defects, then by turnover."""
    recent = bars[bars["ts"] >= pd.Timestamp("2019-04-01", tz="UTC")]
    turnover = (recent["close"] * recent["volume"]).groupby(recent["symbol"]).mean()
    ranked = turnover.sort_values(ascending=False).index
    sector = members.set_index("symbol")["sector"]
    picked = list(ALWAYS)
    for name in sorted(sector.unique()):
        picked += [symbol for symbol in ranked if sector.get(symbol) == name][:PER_SECTOR]
    for symbol in ranked:
        if len(dict.fromkeys(picked)) >= N_SYMBOLS:
            break
        picked.append(symbol)
    return sorted(dict.fromkeys(picked))


def follow_tickers(bars: pd.DataFrame, maps: pd.DataFrame) -> pd.DataFrame:
    """Return bars by security instead of by ticker, using the map files."""
    maps = maps.assign(until=pd.to_datetime(maps["date"], format="%Y%m%d", utc=True))
    parts = []
    for security in LONG_HISTORY:
        start = pd.Timestamp("1900-01-01", tz="UTC")
        rows = maps[maps["permtick"] == security].sort_values("until")
        listed = rows["until"].iloc[0]
        for _, row in rows.iterrows():
            mine = bars[bars["symbol"] == row["ticker"].upper()]
            low = max(start, listed - pd.Timedelta(days=1))
            part = mine[(mine["ts"] > low) & (mine["ts"] <= row["until"])]
            parts.append(part.assign(symbol=security))
            start = row["until"]
    found = pd.concat(parts).drop_duplicates(["symbol", "ts"]).sort_values(["symbol", "ts"])
    return found[found["ts"] <= LAST_DAY]


def tables(source: Path) -> dict[str, pd.DataFrame]:
    """Read the sources and cut each table of the sample."""

    def read(name: str) -> pd.DataFrame:
        return pd.read_parquet(source / f"{name}.parquet")

    bars, members = read("equity_us_sp500_daily"), read("sp500_constituents_2021")
    candles, funding = read("xvenue_perp_candles"), read("xvenue_perp_funding")
    maps, factors = read("lean_map_files"), read("lean_factor_files")
    rates = read("lean_fx_daily")
    symbols = pick_sp500(bars, members)
    candles = candles[candles["venue"].isin(VENUES)]
    last = candles.groupby(["venue", "symbol"])["ts"].transform("max")
    unfinished = (candles["venue"] == "binance") & (candles["ts"] == last)
    return {
        "sp500_daily": bars[bars["symbol"].isin(symbols)],
        "sp500_constituents": members,
        "long_history_daily": follow_tickers(read("lean_equity_us_daily"), maps),
        "long_history_factors": factors[factors["symbol"].isin(LONG_HISTORY)],
        "long_history_maps": maps[maps["permtick"].isin(LONG_HISTORY)],
        "crypto_perp_hourly": candles[~unfinished],
        "crypto_perp_funding": funding[funding["venue"].isin(VENUES)],
        "fx_daily": rates[rates["symbol"].isin(PAIRS)],
        "fama_french_daily": read("fama_french_5f_mom_daily"),
    }


def write(name: str, frame: pd.DataFrame) -> dict[str, object]:
    """Write one Parquet file; return its line of the manifest."""
    piece = PIECES[name]
    if piece.licence not in ALLOWED:
        message = f"{name} is under {piece.licence}, which the project may not redistribute."
        raise SystemExit(message)
    path = OUT / f"{name}.parquet"
    table = pa.Table.from_pandas(frame.reset_index(drop=True), preserve_index=False)
    table = table.replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", compression_level=19)
    back = pq.read_table(path)
    if not back.equals(table):
        message = f"{path} did not read back as written."
        raise SystemExit(message)
    facts: dict[str, object] = {
        "file": path.name,
        "title": piece.title,
        "licence": piece.licence,
        "origin": piece.origin,
        "commit": piece.commit,
        "paths": piece.paths,
        "upstream": piece.upstream,
        "rows": len(frame),
        "columns": list(frame.columns),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "quirks": piece.quirks,
    }
    if "ts" in frame:
        facts["first"] = frame["ts"].min().isoformat()
        facts["last"] = frame["ts"].max().isoformat()
    if "symbol" in frame:
        facts["symbols"] = sorted(frame["symbol"].unique())
        if name == "sp500_constituents":
            facts["symbols"] = int(frame["symbol"].nunique())
    return facts


def write_notes(lines: list[dict[str, object]]) -> None:
    """Write ``manifest.json`` and the same for people in ``SOURCE.md``."""
    manifest = {"files": lines}
    (OUT / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    text = [
        "# Where the sample data comes from",
        "",
        "Real market data. Made by `tools/bundle_data.py`; nothing was repaired, what was cut or",
        "left out is said below. A repository's licence covers what its author could license;",
        "the terms of the upstream sources are not restated here. Licence texts: `LICENSES/`.",
        "",
    ]
    for line in lines:
        text += [f"## `{line['file']}`", "", f"{line['title']}.", ""]
        text += [
            f"- origin: {line['origin']} `{line['paths']}` @ {line['commit']}",
            f"- licence: {line['licence']}; upstream {line['upstream']}",
            (
                f"- rows {line['rows']:,}; {int(str(line['bytes'])) / 1e6:.2f} MB; "
                f"{line.get('first', 'no dates')} .. {line.get('last', '')}"
            ),
            f"- sha256 `{line['sha256']}`",
        ]
        text += [f"- quirk: {quirk}" for quirk in line["quirks"]]  # type: ignore[attr-defined]
        text.append("")
    (OUT / "SOURCE.md").write_text("\n".join(text), encoding="utf-8")


def main() -> None:
    """Write every file of the sample and check the size of the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder with the source Parquet files")
    source = parser.parse_args().source
    OUT.mkdir(parents=True, exist_ok=True)
    lines = [write(name, frame) for name, frame in tables(source).items()]
    write_notes(lines)
    total = sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file())
    print(f"{len(lines)} files, {total / 1e6:.2f} MB")
    if total > LIMIT_BYTES or not np.isfinite(total):
        message = f"The sample has {total:,} bytes; at most {LIMIT_BYTES:,} are allowed."
        raise SystemExit(message)


if __name__ == "__main__":
    main()
