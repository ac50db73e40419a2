"""A deployment's book between bars: put away as JSON, taken out again, its wishes as orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.engine import Book
from apps.market.kernel.bars import FIELDS, Panel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs on an account, and in which units it trades."""

    fee_bps: float
    slippage_bps: float
    units: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A wish for one asset: its target weight, and the trade it would be at the last close."""

    symbol: str
    weight: float
    quantity: float
    price: float


def new_book(n_assets: int, cash: float, costs: Costs) -> Book:
    """Return an empty book with cash."""
    return Book(n_assets, cash, costs.fee_bps, costs.slippage_bps, costs.units)


def pack_book(book: Book) -> dict[str, Any]:
    """Return what has to be kept of a book as JSON; the wishes live in orders."""
    return {
        "cash": book.cash,
        "equity": book.equity,
        "gross": book.gross,
        "net": book.net,
        "positions": book.positions.tolist(),
        "marks": [mark if mark == mark else None for mark in book.marks.tolist()],
    }


def unpack_book(state: Mapping[str, Any], costs: Costs, wanted: Floats) -> Book:
    """Return the book as it was, with ``wanted`` (NaN: nothing) waiting for the next open."""
    positions = np.array(state["positions"], dtype=np.float64)
    # A book is begun with positive cash; what it holds by now may be anything.
    book = new_book(len(positions), 1.0, costs)
    book.cash, book.equity = float(state["cash"]), float(state["equity"])
    book.gross, book.net = float(state["gross"]), float(state["net"])
    book.positions = positions
    book.marks = np.array(state["marks"], dtype=np.float64)
    book.set_targets(wanted)
    return book


def intents_of(book: Book, symbols: Sequence[str]) -> list[Intent]:
    """Return what the book waits for, the reducing trades first.

    A wish of nothing where nothing is held is left out; it can lead to no trade.
    """
    found = []
    for a in np.flatnonzero(np.isfinite(book.wanted)).tolist():
        held, weight, price = book.positions[a], float(book.wanted[a]), float(book.marks[a])
        if (weight == 0.0 and held == 0.0) or not np.isfinite(price):
            continue
        goal = weight * max(book.equity, 0.0) / price
        found.append((abs(goal) - abs(held), Intent(symbols[a], weight, goal - held, price)))
    return [intent for _, intent in sorted(found, key=lambda pair: pair[0])]


def part_of(panel: Panel, symbols: Sequence[str], first_ts: int) -> Panel:
    """Return the columns of ``symbols`` from ``first_ts`` on, where at least one trades."""
    columns = np.array([panel.symbols.index(symbol) for symbol in symbols], dtype=np.int64)
    rows = np.flatnonzero(panel.ts >= first_ts)
    there = np.isfinite(panel.close[np.ix_(rows, columns)]).any(axis=1)
    grid = np.ix_(rows[there], columns)
    fields: dict[str, Any] = {
        name: np.ascontiguousarray(getattr(panel, name)[grid]) for name in FIELDS
    }
    return Panel(
        symbols=tuple(symbols),
        ts=panel.ts[rows[there]],
        **fields,
        timeframe=panel.timeframe,
        price_mode=panel.price_mode,
        continuous=panel.continuous,
        survivorship=panel.survivorship,
        extras={name: np.ascontiguousarray(array[grid]) for name, array in panel.extras.items()},
    )


def plain_memory(memory: Mapping[str, Any]) -> dict[str, Any]:
    """Return a strategy's memory with numpy scalars as Python's, so that it can be stored."""
    return {str(key): _plain(value) for key, value in memory.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return plain_memory(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
