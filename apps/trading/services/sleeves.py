"""A deployment at one bar: fills and marks first, then decisions."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import structlog
from django.db.models import QuerySet
from numpy.typing import NDArray

from apps.backtests.kernel.engine import Book, Fills
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import micros
from apps.strategies import selectors as strategies
from apps.strategies.kernel.interface import View
from apps.trading import selectors, store
from apps.trading.brokers.base import Broker
from apps.trading.kernel import order_states
from apps.trading.kernel.averages import average_after
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.kernel.sleeves import Costs, pack_book, part_of, plain_memory, unpack_book
from apps.trading.models import Account, Deployment, Fill, Order
from apps.trading.services.changes import book_fill, change

log = structlog.get_logger(__name__)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a feed: prices by symbol, NaN where there is none; row ``i`` of its panel."""

    feed: str
    epoch: int
    i: int
    opened_at: datetime
    closed_at: datetime
    symbols: tuple[str, ...]
    open: Floats
    close: Floats
    seconds_per_bar: float


@dataclass(frozen=True, slots=True)
class Readied:
    """What a strategy sees at this bar, computed before the transaction; or why it can't."""

    features: dict[str, Floats] = field(default_factory=dict)
    i: int = -1
    ts: int = 0
    tradable: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    error: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a strategy wants, and remembers; no memory when it had nothing to decide on."""

    weights: Floats | None = None
    memory: dict[str, Any] | None = None
    error: str = ""


@dataclass(slots=True)
class Sleeve:
    """A deployment with its book, its working orders and what was filled at this bar."""

    row: Deployment
    book: Book
    columns: NDArray[np.int64]
    orders: dict[str, Order]
    fills: list[Fill] = field(default_factory=list)
    changed: list[Order] = field(default_factory=list)


def ready_decisions(account_id: int, panel: Panel, bar: Bar) -> dict[int, Readied]:
    """Return the features of every running deployment of the account at this bar."""
    found = {}
    for row in selectors.open_deployments(account_id):
        if row.status == Deployment.Status.RUNNING and row.epoch == bar.epoch:
            found[row.pk] = _ready(row, panel, bar)
    return found


def _ready(row: Deployment, panel: Panel, bar: Bar) -> Readied:
    seen = part_of(panel.rows(0, bar.i + 1), row.symbols, micros(row.history_from))
    last = int(panel.ts[bar.i])
    if not seen.n_bars or int(seen.ts[-1]) != last:
        return Readied()
    try:
        features = strategies.get_strategy(row.strategy).prepare(seen, row.params)
    except Exception as error:
        log.exception("deployment.prepare_failed", deployment_id=row.pk)
        return Readied(error=f"{type(error).__name__}: {error}")
    return Readied(features, seen.n_bars - 1, last, np.isfinite(seen.close[-1]))


def settle(
    account: Account,
    row: Deployment,
    bar: Bar,
    broker: Broker,
    waiting: Sequence[Order],
    *,
    halted: bool,
    now: datetime,
) -> Sleeve:
    """Fill what was accepted (``waiting``) at the bar's open and mark at its close, in memory."""
    at = {symbol: column for column, symbol in enumerate(bar.symbols)}
    columns = np.array([at[symbol] for symbol in row.symbols], dtype=np.int64)
    orders, replaced = _newest(waiting, now)
    wanted = np.full(len(columns), np.nan)
    if not halted:
        for a, symbol in enumerate(row.symbols):
            if symbol in orders:
                wanted[a] = orders[symbol].target_weight
    costs = Costs(account.fee_bps, account.slippage_bps, account.units)
    sleeve = Sleeve(row, unpack_book(row.state["book"], costs, wanted), columns, orders)
    sleeve.changed.extend(replaced)
    before = sleeve.book.positions.copy()
    fills = broker.fill_targets(sleeve.book, np.ascontiguousarray(bar.open[columns]))
    _take_fills(sleeve, fills, before, bar, now)
    if not halted:
        _expire_met(sleeve, bar, now)
    sleeve.book.mark(np.ascontiguousarray(bar.close[columns]))
    return sleeve


def accepted_orders(rows: Sequence[Deployment]) -> QuerySet[Order]:
    """Return the orders that wait for the next open, the oldest first."""
    found = Order.objects.filter(
        deployment__in=rows, state=order_states.ACCEPTED, kind=Order.Kind.TARGET
    )
    return found.order_by("bar_at", "created_at", "id")


def _newest(waiting: Sequence[Order], now: datetime) -> tuple[dict[str, Order], list[Order]]:
    """Return the order that waits for each symbol, and older ones that it replaces.

    There are two when a sender died half-way and its order was sent again after a later decision.
    """
    newest: dict[str, Order] = {}
    replaced = []
    for order in waiting:
        if (before := newest.get(order.symbol)) is not None:
            change(before, "cancel", now, [("order.replaced", "A later decision replaced it.")])
            replaced.append(before)
        newest[order.symbol] = order
    return newest, replaced


def _take_fills(sleeve: Sleeve, fills: Fills, before: Floats, bar: Bar, now: datetime) -> None:
    averages = sleeve.row.state["average"]
    held = before.copy()
    for f in range(len(fills)):
        a = int(fills.asset[f])
        quantity, price = float(fills.quantity[f]), float(fills.price[f])
        order = sleeve.orders.pop(sleeve.row.symbols[a])
        fee = float(fills.fee[f])
        sleeve.fills.append(
            book_fill(
                order, quantity=quantity, price=price, fee=fee, bar_at=bar.opened_at, now=now
            )
        )
        sleeve.changed.append(order)
        averages[a] = average_after(held[a], averages[a], quantity, price)
        held[a] += quantity


def _expire_met(sleeve: Sleeve, bar: Bar, now: datetime) -> None:
    """End orders whose asset traded but that asked for nothing beyond what is held."""
    for a, symbol in enumerate(sleeve.row.symbols):
        if symbol in sleeve.orders and np.isfinite(bar.open[sleeve.columns[a]]):
            order = sleeve.orders.pop(symbol)
            words = "At the open the target was met already, or less than a unit away."
            change(order, "expire", now, [("order.nothing_to_trade", words)])
            sleeve.changed.append(order)


def decide(sleeve: Sleeve, readied: Readied) -> Decision:
    """Let the strategy decide on its book; nothing of the sleeve is changed."""
    row = sleeve.row
    if readied.error or readied.i < 0:
        return Decision(error=readied.error)
    memory: dict[str, Any] = deepcopy(row.state["memory"])
    view = View(
        readied.i,
        readied.ts,
        readied.features,
        sleeve.book.weights,
        readied.tradable,
        memory,
    )
    try:
        weights = strategies.get_strategy(row.strategy).decide(view, row.params)
        found = plain_memory(memory)
    except Exception as error:
        log.exception("deployment.decide_failed", deployment_id=row.pk)
        return Decision(error=f"{type(error).__name__}: {error}")
    return Decision(weights=weights, memory=found)


def follow(sleeve: Sleeve, decision: Decision) -> str:
    """Give the sleeve the targets decided on; return an error's words, or nothing."""
    row, weights = sleeve.row, decision.weights
    if decision.error or decision.memory is None:
        return decision.error
    try:
        if weights is None and row.state.get("restate"):
            # A halt cancelled what was under way: take the last targets up again.
            weights = np.array(row.state["targets"], dtype=np.float64)
        if weights is not None:
            sleeve.book.set_targets(weights)
            row.state["targets"] = _merged(row.state.get("targets"), weights)
    except Exception as error:
        log.exception("deployment.targets_failed", deployment_id=row.pk)
        return f"{type(error).__name__}: {error}"
    row.state["memory"] = decision.memory
    row.state["restate"] = False
    return ""


def _merged(before: list[float | None] | None, weights: Floats) -> list[float | None]:
    """Return the targets in force: a NaN leaves the one before as it was; None is none."""
    found: list[float | None] = [w if w == w else None for w in np.asarray(weights).tolist()]
    if before is None:
        return found
    return [old if new is None else new for old, new in zip(before, found, strict=True)]


def save(sleeve: Sleeve, bar: Bar, now: datetime) -> store.EquityPoint:
    """Store the deployment as it stands after the bar; return its equity point."""
    row, book = sleeve.row, sleeve.book
    row.state = {**row.state, "book": pack_book(book)}
    row.equity, row.last_bar_at = float(book.equity), bar.opened_at
    row.bars_done += 1
    row.save(update_fields=["state", "equity", "last_bar_at", "bars_done", "status", "note"])
    _save_positions(sleeve, bar, now)
    return store.EquityPoint(
        row.account_id,
        row.pk,
        bar.epoch,
        bar.closed_at,
        float(book.equity),
        float(book.cash),
        float(book.gross),
        float(book.net),
    )


def _save_positions(sleeve: Sleeve, bar: Bar, now: datetime) -> None:
    row, book = sleeve.row, sleeve.book
    rows = [
        (
            row.symbols[a],
            to_quantity(float(book.positions[a])),
            to_money(float(row.state["average"][a])),
            to_money(float(book.marks[a])),
        )
        for a in np.flatnonzero(book.positions).tolist()
    ]
    # Dust below the stored decimals is no position.
    held = [entry for entry in rows if entry[1] != 0]
    store.put_positions(row.account_id, row.pk, held, price_at=bar.closed_at, now=now)
