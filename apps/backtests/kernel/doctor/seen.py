"""A run beside its bars: each fill with the bar it happened in, and what was held by bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.bars import Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Table = Mapping[str, NDArray[Any]]
TO_DEVIATION = 1.4826
FAR = 10.0
REVERTED = 0.2


@dataclass(frozen=True)
class Seen:
    """Fills whose bar is known: row of the table, bar and column of the panel, and its prices."""

    n: Ints
    bar: Ints
    asset: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quantity: Floats
    price: Floats
    value: Floats
    moment: NDArray[Any]

    def base(self) -> Floats:
        """Return the bar's price that a fill was made at: open or close; NaN within the bar."""
        price = np.where(self.moment == "open", self.open, np.nan)
        return np.where(self.moment == "close", self.close, price)

    def share(self, which: Flags) -> float:
        """Return the share of the value traded that some fills make up."""
        total = float(np.nansum(self.value))
        return float(np.nansum(self.value[which])) / total if total > 0.0 else 0.0


def seen_of(panel: Panel, fills: Table) -> Seen:
    """Return the fills whose instrument and time the panel has."""
    columns = {symbol: at for at, symbol in enumerate(panel.symbols)}
    symbols, ts = fills.get("symbol", np.empty(0)), fills.get("ts", np.empty(0, np.int64))
    asset = np.array([columns.get(symbol, -1) for symbol in symbols], dtype=np.int64)
    at = np.searchsorted(panel.ts, ts)
    there = np.minimum(at, max(panel.n_bars - 1, 0))
    known = (asset >= 0) & (at < panel.n_bars)
    known &= (panel.ts[there] == ts) if panel.n_bars else False
    n = np.flatnonzero(known)
    bar, asset = at[n].astype(np.int64), asset[n]
    if not len(n):
        none, words = np.empty(0), np.empty(0, dtype=object)
        return Seen(n, bar, asset, none, none, none, none, none, none, none, none, words)
    return Seen(
        n=n,
        bar=bar,
        asset=asset,
        open=panel.open[bar, asset],
        high=panel.high[bar, asset],
        low=panel.low[bar, asset],
        close=panel.close[bar, asset],
        volume=panel.volume[bar, asset],
        quantity=np.asarray(fills["quantity"], dtype=np.float64)[n],
        price=np.asarray(fills["price"], dtype=np.float64)[n],
        value=np.asarray(fills["value"], dtype=np.float64)[n],
        moment=np.asarray(fills["moment"])[n],
    )


@dataclass(frozen=True)
class Held:
    """What was held by bar and instrument, ``(n_bars, n_assets)``.

    Parameters
    ----------
    quantity
        After each close.
    moves
        Simple returns from the last known close to this one; NaN where there is no close.
    gains
        What the quantity held before each close made on the way to it, in the base currency.
    missing
        Held, but without a bar where most others have one.
    after_gap
        The first bar after missing ones.
    """

    quantity: Floats
    moves: Floats
    gains: Floats
    missing: Flags
    after_gap: Flags
    deviation: Floats

    @property
    def far(self) -> Flags:
        """Moves of more than ten robust deviations."""
        with np.errstate(invalid="ignore"):
            far: Flags = np.abs(self.moves) > FAR * self.deviation
        return far & (self.deviation > 0.0)

    def spikes(self, close: Floats) -> Flags:
        """Return far moves of which at most a fifth was left one bar later: bad prints."""
        found = self.far
        if len(close) < 3:
            return np.zeros(close.shape, np.bool_)
        out = np.zeros(close.shape, np.bool_)
        with np.errstate(invalid="ignore", divide="ignore"):
            left = np.abs(close[2:] / close[:-2] - 1.0)
            out[1:-1] = found[1:-1] & (left <= REVERTED * np.abs(self.moves[1:-1]))
        return out


def held_of(panel: Panel, positions: Table) -> Held:
    """Return what was held and what it made, from the table of positions."""
    close = panel.close
    quantity = _quantities(panel, positions)
    last = last_known(close)
    before = np.vstack((np.full((1, panel.n_assets), np.nan), last[:-1]))
    moves = np.full(close.shape, np.nan)
    np.divide(close, before, out=moves, where=before > 0.0)
    moves -= 1.0
    kept = np.vstack((np.zeros((1, panel.n_assets)), quantity[:-1]))
    rates = panel.extras.get("fx")
    fx = 1.0 if rates is None else np.nan_to_num(last_known(rates))
    gains = np.nan_to_num(kept * (close - before) * fx)
    there = np.isfinite(close)
    most = there.mean(axis=1, keepdims=True) >= 0.5 if panel.n_assets else there
    missing = ~there & most & np.isfinite(last) & (quantity != 0.0)
    gone = np.vstack((np.zeros((1, panel.n_assets), np.bool_), missing[:-1]))
    return Held(quantity, moves, gains, missing, gone & there, _deviation(moves))


def _quantities(panel: Panel, positions: Table) -> Floats:
    held = np.full((panel.n_bars, panel.n_assets), np.nan)
    columns = {symbol: at for at, symbol in enumerate(panel.symbols)}
    symbols, ts = positions.get("symbol", np.empty(0)), positions.get("ts", np.empty(0))
    asset = np.array([columns.get(symbol, -1) for symbol in symbols], dtype=np.int64)
    at = np.searchsorted(panel.ts, ts)
    known = (asset >= 0) & (at < panel.n_bars)
    if known.any():
        held[at[known], asset[known]] = np.asarray(positions["quantity"], np.float64)[known]
    return np.nan_to_num(last_known(held))


def _deviation(moves: Floats) -> Floats:
    """Return 1.4826 times the median of absolute moves other than 0, by instrument."""
    size = np.abs(moves)
    out = np.zeros(moves.shape[1])
    for at in range(moves.shape[1]):
        known = size[:, at][np.isfinite(size[:, at]) & (size[:, at] > 0.0)]
        out[at] = TO_DEVIATION * float(np.median(known)) if len(known) else 0.0
    return out


def last_known(values: Floats) -> Floats:
    """Return each cell, or where it is NaN the last one above it that is not."""
    there = np.isfinite(values)
    row = np.where(there, np.arange(len(values))[:, None], 0)
    at = np.maximum.accumulate(row, axis=0) if len(values) else row
    return np.asarray(np.take_along_axis(values, at, axis=0))
