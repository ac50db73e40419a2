"""Panels of the bundled real bars, read straight from the files."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from apps.market.kernel.bars import FIELDS, Panel

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
DATA = Path(__file__).parents[2] / "data"


@cache
def sp500(symbols: int = 30, start: str = "2007-01-01", end: str = "2011-01-01") -> Panel:
    """Return raw daily bars of the first ``symbols`` S&P names."""
    bars = pd.read_parquet(SAMPLE / "sp500_daily.parquet")
    names = sorted(bars["symbol"].unique())[:symbols]
    span = (bars["ts"] >= start) & (bars["ts"] < end) & bars["symbol"].isin(names)
    return panel_of(bars[span], "1d")


@cache
def crypto(bars: int = 1500) -> Panel:
    """Return hourly bars of Binance perpetuals."""
    found = pd.read_parquet(SAMPLE / "crypto_perp_hourly.parquet")
    found = found[found["venue"] == "binance"]
    return panel_of(found, "1h").rows(0, bars)


def panel_of(bars: pd.DataFrame, timeframe: str) -> Panel:
    """Return tidy bars as a panel."""
    tidy = bars.set_index(["ts", "symbol"])
    wide = {f: tidy[f].unstack("symbol").astype(float) for f in FIELDS}  # noqa: PD010
    ts = wide["close"].index.as_unit("us").asi8
    arrays = {f: np.ascontiguousarray(frame.to_numpy()) for f, frame in wide.items()}
    return Panel(tuple(wide["close"].columns), ts, timeframe=timeframe, **arrays)


@cache
def crowded() -> Panel:
    """Return hourly perpetuals with funding and open interest; the long/short ratio is missing."""
    symbols, start = ("BTC", "ETH", "SOL"), "2025-12-07 11:00"
    bars = pd.read_parquet(SAMPLE / "crypto_perp_hourly.parquet")
    found = bars[(bars["venue"] == "binance") & bars["symbol"].isin(symbols)]
    panel = panel_of(found[found["ts"] >= start], "1h")
    rates = pd.read_parquet(SAMPLE / "crypto_perp_funding.parquet")
    rates = rates[(rates["venue"] == "binance") & rates["symbol"].isin(symbols)]
    interest = pd.read_parquet(DATA / "strategies" / "perp_open_interest.parquet")
    at = pd.DatetimeIndex(panel.ts.astype("datetime64[us]")).tz_localize("UTC")
    funding = rates.assign(ts=rates["ts"].dt.floor("h")).pivot_table(
        index="ts", columns="symbol", values="funding_rate", aggfunc="sum"
    )
    amounts = interest.assign(ts=interest["ts"].dt.floor("h")).pivot_table(
        index="ts", columns="symbol", values="oi_usd", aggfunc="last"
    )
    extras = {
        "funding": funding.reindex(at).fillna(0.0).to_numpy(),
        "open_interest": amounts.reindex(at).to_numpy(),
    }
    whole = int(np.isfinite(panel.close).all(axis=1).nonzero()[0][-1]) + 1
    return replace(panel, continuous=True, extras=extras).rows(0, whole)
