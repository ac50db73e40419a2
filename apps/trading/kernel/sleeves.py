"""A deployment's session between bars: the panel it is stepped on, its wishes as orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.feeding import inputs_of
from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.kernel.kept import KeptSession, take_out
from apps.backtests.kernel.requests import read_request
from apps.market.kernel.bars import FIELDS, Panel

Floats = NDArray[np.float64]
FILL = "next_open"


@dataclass(frozen=True, slots=True)
class Terms:
    """What trading costs on an account, how it executes, and in which units it trades."""

    costs: Costs
    execution: Execution
    units: str

    def inputs(self, price_mode: str) -> tuple[str, ...]:
        """Return what the account needs to know beside prices, as a backtest does."""
        return inputs_of(price_mode, funding=self.costs.funding)

    def calm(self) -> Terms:
        """Return the terms without anything that trades by itself: for what is halted."""
        still = replace(
            self.execution, stop_loss=None, take_profit=None, trailing_stop=None, maintenance=None
        )
        return replace(self, execution=still)


@dataclass(frozen=True, slots=True)
class Intent:
    """A wish for one asset: its target weight, and the trade it would be at the last close."""

    symbol: str
    weight: float
    quantity: float
    price: float


def terms_from(
    *,
    fee_bps: float,
    slippage_bps: float,
    units: str,
    more_costs: Mapping[str, Any],
    execution: Mapping[str, Any],
) -> Terms:
    """Return checked terms, as a backtest's request reads them. Raises ``Invalid``."""
    costs = {**more_costs, "fee_bps": fee_bps, "slippage_bps": slippage_bps}
    body = {"strategy": "paper", "costs": costs, "execution": execution, "units": units}
    request = read_request(body, panel_given=True)
    return Terms(request.costs, Execution(**request.execution), request.units)


def begin(kept: Mapping[str, Any], panel: Panel, terms: Terms) -> KeptSession:
    """Return a session as it was put away, ready for the last bar of ``panel``."""
    session = KeptSession(
        panel,
        cash=float(kept["cash"]),
        costs=terms.costs,
        execution=terms.execution,
        rule=get_fill_rule(FILL),
        units=terms.units,
    )
    take_out(session, kept)
    return session


def bars_for(
    symbols: Sequence[str],
    ts: int,
    rows: Mapping[str, Floats],
    *,
    before: int | None,
    timeframe: str,
    price_mode: str,
) -> Panel:
    """Return one bar as a panel, after an empty one at ``before``, the bar played last."""
    times = [ts] if before is None else [before, ts]
    empty = np.full(len(symbols), np.nan)
    laid: dict[str, Any] = {
        name: np.array([row] if before is None else [empty, row]) for name, row in rows.items()
    }
    return Panel(
        tuple(symbols),
        np.array(times, dtype=np.int64),
        **{name: laid.pop(name) for name in FIELDS},
        timeframe=timeframe,
        price_mode=price_mode,
        extras=laid,
    )


def intents_of(session: KeptSession, symbols: Sequence[str]) -> list[Intent]:
    """Return what the session waits for, the reducing trades first.

    A wish of nothing where nothing is held is left out; it can lead to no trade.
    """
    found, wanted, held, marks = [], session.wanted, session.positions, session.marks
    for a in np.flatnonzero(np.isfinite(wanted)).tolist():
        weight, price = float(wanted[a]), float(marks[a])
        if (weight == 0.0 and held[a] == 0.0) or not np.isfinite(price):
            continue
        goal = weight * max(session.equity, 0.0) / price
        trade = float(goal - held[a])
        found.append((abs(goal) - abs(held[a]), Intent(symbols[a], weight, trade, price)))
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
