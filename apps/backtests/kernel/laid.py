"""Rows of a request laid on the bars they name: orders by bar, weights as decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.given import LEVELS, Fault, Given, Row, refuse
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import micros, parse
from apps.strategies.kernel.decisions import Decisions
from apps.strategies.kernel.orders import Order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY = 86_400_000_000


class _Axis:
    """The bars of a panel by their time and symbol."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.is_daily = seconds_of(panel.timeframe) >= DAY // 1_000_000
        self.keys = panel.ts // DAY if self.is_daily else panel.ts
        self.columns = {symbol: a for a, symbol in enumerate(panel.symbols)}

    def key_of(self, text: str) -> int:
        """Return where a time falls: its day for daily bars and longer."""
        moment = parse(text, "ts")
        found = micros(moment) if moment is not None else -1
        return found // DAY if self.is_daily else found

    def names_bar(self, text: str, bar: int) -> bool:
        """Tell whether a time names a bar: its open, or for daily bars and longer its date."""
        moment = parse(text, "ts")
        if moment is None:
            return False
        is_date = self.is_daily and not isinstance(moment, datetime)
        return is_date or micros(moment) == int(self.panel.ts[bar])

    def place(self, number: int, row: Row) -> tuple[int, int] | Fault:
        """Return bar and column of a row, or what is wrong with it."""
        panel, symbol, ts = self.panel, row["symbol"], row["ts"]
        asset = self.columns.get(symbol)
        if asset is None:
            names = ", ".join(panel.symbols[:5]) + (" …" if panel.n_assets > 5 else "")
            words = f"{symbol} is none of the run's {panel.n_assets} instruments ({names})."
            return Fault(number, "symbol", "symbol.unknown", words)
        key = self.key_of(ts)
        bar = int(np.searchsorted(self.keys, key))
        if bar < panel.n_bars and self.keys[bar] == key and self.names_bar(ts, bar):
            if np.isfinite(panel.close[bar, asset]):
                return bar, asset
            words = f"{symbol} has no bar at {ts}; name one it has, such as the one before."
            return Fault(number, "ts", "ts.not_a_bar", words)
        first, last = (str(panel.ts[i].astype("datetime64[us]"))[:16] for i in (0, -1))
        if not self.keys[0] <= key <= self.keys[-1]:
            words = f"{ts} is outside the run's bars, {first} to {last}."
            return Fault(number, "ts", "ts.outside", words)
        words = f"there is no {panel.timeframe} bar at {ts}; a bar is named by its open, in UTC."
        return Fault(number, "ts", "ts.not_a_bar", words)


def lots_of(panel: Panel, execution: Mapping[str, Any], units: str) -> Floats:
    """Return the smallest unit of each asset, 0 for any fraction."""
    given = execution.get("lot", 0.0)
    by_symbol = given if isinstance(given, Mapping) else dict.fromkeys(panel.symbols, given)
    lots = np.array([float(by_symbol.get(symbol, 0.0)) for symbol in panel.symbols])
    return np.maximum(lots, 1.0) if units == "whole" else lots


def lay_orders(rows: Sequence[Row], panel: Panel, lots: Floats) -> list[tuple[int, Order]]:
    """Return each order with the bar at whose close it was made.

    Raises
    ------
    Invalid
        ``orders.rows``: a symbol or a time that is none of the panel's, less than a lot, a stop
        or a take profit on the wrong side of the entry.
    """
    axis, found, faults = _Axis(panel), [], []
    for number, row in enumerate(rows, start=1):
        place = axis.place(number, row)
        if isinstance(place, Fault):
            faults.append(place)
            continue
        bar, asset = place
        wrong = _wrong_side(row, float(panel.close[bar, asset]), number)
        if wrong is None and abs(row["size"]) * (1.0 + 1e-12) < lots[asset]:
            words = f"{abs(row['size']):g} units are less than one lot of {lots[asset]:g}."
            wrong = Fault(number, "size", "order.below_lot", words)
        life = _life(axis, row, bar)
        if wrong is None and life < 0:
            words = f"expires = {row['expires']}; it ends before its first bar."
            wrong = Fault(number, "expires", "row.life", words)
        if wrong is not None:
            faults.append(wrong)
            continue
        levels = {name: row[name] for name in LEVELS if name in row}
        kind, reduce = row.get("kind", "market"), row.get("reduce_only", False)
        order = Order(asset, row["size"], kind, bars=life, reduce_only=reduce, **levels)
        found.append((bar, order))
    refuse("orders", faults)
    return found


def _wrong_side(row: Row, close: float, number: int) -> Fault | None:
    """Tell whether a bracket closes at once: a stop beyond the entry, a profit before it."""
    entry = row.get("price", close)
    side = 1.0 if row["size"] > 0.0 else -1.0
    for name, sign in (("stop_loss", -1.0), ("take_profit", 1.0)):
        level = row.get(name)
        if level is not None and (level - entry) * side * sign <= 0.0:
            where = "below" if side * sign < 0.0 else "above"
            does = "buys" if side > 0.0 else "sells"
            words = (
                f"{name} = {level:g} of an order that {does} at about {entry:g}; it must lie "
                f"{where} that."
            )
            return Fault(number, name, "bracket.side", words)
    return None


def _life(axis: _Axis, row: Row, bar: int) -> int:
    """Return for how many bars an order may work, 0 for all; below 0 when it ends too early."""
    if "expires" in row:
        last = int(np.searchsorted(axis.keys, axis.key_of(row["expires"]), side="right")) - 1
        return last - bar if last > bar else -1
    if row.get("time_in_force") != "day":
        return int(row.get("bars", 0))
    if axis.is_daily:
        return 1
    days = axis.panel.ts // DAY
    first = min(bar + 1, len(days) - 1)
    return max(int(np.searchsorted(days, days[first], side="right")) - 1 - bar, 1)


def lay_weights(given: Given, panel: Panel) -> Decisions:
    """Return target weights, or signals as weights, by the bar at whose close they hold.

    Raises
    ------
    Invalid
        ``targets.rows`` or ``signals.rows``.
    """
    name = "signals" if given.signals else "targets"
    axis, faults = _Axis(panel), []
    share = given.signal_weight or 1.0 / max(panel.n_assets, 1)
    bars, columns, values = [], [], []
    for number, row in enumerate(given.signals or given.targets, start=1):
        place = axis.place(number, row)
        if isinstance(place, Fault):
            faults.append(place)
            continue
        bars.append(place[0])
        columns.append(place[1])
        values.append(row["signal"] * share if given.signals else row["weight"])
    refuse(name, faults)
    rows, at = np.unique(np.array(bars, np.int64), return_inverse=True)
    weights = np.full((len(rows), panel.n_assets), np.nan)
    weights[at, np.array(columns, np.int64)] = values
    return Decisions(rows, weights)
