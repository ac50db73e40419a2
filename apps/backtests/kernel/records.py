"""The tables of a run as columns: orders, fills, round trips, positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.given import Row
from apps.backtests.kernel.results import Result
from apps.market.kernel.bars import Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = dict[str, Any]
MOMENTS = ("open", "within", "close")


def trades_table(result: Result, panel: Panel) -> Columns:
    """Return round trips with their excursions (MAE, MFE: fractions of the entry price)."""
    trades = result.trades
    return {
        "symbol": [panel.symbols[a] for a in trades.asset],
        "entry_bar": trades.entry_bar,
        "exit_bar": trades.exit_bar,
        "entry_ts": panel.ts[trades.entry_bar],
        "exit_ts": panel.ts[trades.exit_bar],
        "bars_held": trades.exit_bar - trades.entry_bar,
        "size": trades.size,
        "entry_price": trades.entry_price,
        "exit_price": trades.exit_price,
        "fees": trades.fees,
        "pnl": trades.pnl,
        "return": trades.returns,
        "mae": result.excursions[:, 0],
        "mfe": result.excursions[:, 1],
        "is_open": trades.is_open,
    }


def positions_table(result: Result, panel: Panel) -> Columns:
    """Return what was held after each bar in which a quantity changed, valued at the close.

    Splits change quantities too. ``value`` and ``weight`` are in the base currency.
    """
    held = result.positions
    before = np.vstack((np.zeros((1, held.shape[1])), held[:-1]))
    bar, asset = np.nonzero(held != before)
    quantity = held[bar, asset]
    close = _last_known(result.close)[bar, asset]
    rates = panel.extras.get("fx")
    fx = 1.0 if rates is None else _last_known(rates)[bar, asset]
    value = np.where(quantity == 0.0, 0.0, quantity * close * fx)
    equity = result.equity[bar]
    weight = np.full(len(bar), np.nan)
    np.divide(value, equity, out=weight, where=equity > 0.0)
    return {
        "bar": bar,
        "ts": panel.ts[bar],
        "symbol": [panel.symbols[a] for a in asset],
        "quantity": quantity,
        "change": quantity - before[bar, asset],
        "close": close,
        "value": value,
        "weight": weight,
    }


def _last_known(values: Floats) -> Floats:
    there = np.isfinite(values)
    row = np.where(there, np.arange(len(values))[:, None], 0)
    at = np.maximum.accumulate(row, axis=0) if len(values) else row
    return np.asarray(np.take_along_axis(values, at, axis=0))


def fills_table(result: Result, panel: Panel, number: Ints) -> Columns:
    """Return fills, each with the number of its order and the moment in its bar."""
    fills = result.fills
    return {
        "bar": fills.bar,
        "ts": panel.ts[fills.bar],
        "symbol": [panel.symbols[a] for a in fills.asset],
        "quantity": fills.quantity,
        "price": fills.price,
        "fee": fills.fee,
        "value": np.abs(fills.quantity * fills.price * fills.fx),
        "moment": [MOMENTS[m] for m in result.moments[: len(fills)]],
        "order": number,
    }


def given_table(rows: Sequence[Row]) -> Columns:
    """Return rows of a request as columns, None where a row does not say."""
    names = {name: None for row in rows for name in row}
    return {name: [row.get(name) for row in rows] for name in names}


def given_rows(table: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Return the rows that ``given_table`` made columns of."""
    lines = zip(*table.values(), strict=True)
    return [
        {name: cell for name, cell in zip(table, line, strict=True) if cell is not None}
        for line in lines
    ]
