"""A deployment at one bar: its session is played first, then the strategy decides."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import structlog
from django.db.models import QuerySet
from numpy.typing import NDArray

from apps.backtests.kernel.kept import KeptSession, put_away
from apps.core.errors import LabError
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import micros
from apps.strategies import selectors as strategies
from apps.strategies.kernel.interface import Strategy
from apps.strategies.kernel.orders import Intents, as_intents
from apps.trading import selectors, store
from apps.trading.brokers.base import Broker
from apps.trading.kernel import order_states
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.kernel.sleeves import Terms, bars_for, begin, part_of, plain_memory
from apps.trading.models import Account, Deployment, Order
from apps.trading.selectors.accounts import terms_of
from apps.trading.services import working
from apps.trading.services.bars import FILLABLE, Bar, Sleeve
from apps.trading.services.changes import change

log = structlog.get_logger(__name__)

Floats = NDArray[np.float64]
# A feature of that name, (n_bars, n_assets) from 0 to 1, tells how sure a strategy is.
CONFIDENCE = "confidence"


@dataclass(frozen=True, slots=True)
class Readied:
    """What a strategy sees at this bar, computed before the transaction; or why it can't."""

    features: dict[str, Floats] = field(default_factory=dict)
    i: int = -1
    error: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a strategy wants, and remembers; no memory when it had nothing to decide on.

    ``confidence`` is the row of its feature of that name, by asset, where it has one.
    """

    intents: Intents = field(default_factory=Intents)
    memory: dict[str, Any] | None = None
    error: str = ""
    confidence: Floats | None = None


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
        features = _strategy(row).prepare(seen, row.params)
    except Exception as error:
        log.exception("deployment.prepare_failed", deployment_id=row.pk)
        return Readied(error=words_of(error))
    return Readied(features, seen.n_bars - 1)


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
    """Play the bar with what was accepted of ``waiting``, in memory.

    A bar without any of the deployment's instruments is none for it.
    """
    at = {symbol: column for column, symbol in enumerate(bar.symbols)}
    columns = np.array([at[symbol] for symbol in row.symbols], dtype=np.int64)
    targets = [o for o in waiting if o.kind == Order.Kind.TARGET and o.state in FILLABLE]
    orders, replaced = _newest(targets, now)
    tickets = {o.number: o for o in waiting if o.number is not None}
    terms = terms_of(account)
    session = _session(row, bar, columns, terms.calm() if halted else terms)
    sleeve = Sleeve(row, session, columns, orders, tickets)
    sleeve.changed.extend(replaced)
    working.match(sleeve, halted=halted)
    if halted:
        session.calm_down()
    else:
        session.want(_wanted(sleeve))
    if np.isfinite(bar.close[columns]).any():
        working.take_fills(sleeve, broker.play(session), bar, now)
        working.note_ends(sleeve, bar, now)
        if not halted:
            _expire_met(sleeve, now)
    return sleeve


def _session(row: Deployment, bar: Bar, columns: NDArray[np.int64], terms: Terms) -> KeptSession:
    kept = row.state["book"]
    panel = bars_for(
        row.symbols,
        micros(bar.opened_at),
        bar.rows(columns),
        before=kept.get("ts") if "ts" in kept else None,
        timeframe=bar.timeframe,
        price_mode=bar.price_mode,
    )
    return begin(kept, panel, terms)


def _wanted(sleeve: Sleeve) -> Floats:
    weights = [
        sleeve.orders[s].target_weight if s in sleeve.orders else None for s in sleeve.row.symbols
    ]
    return np.array(weights, dtype=np.float64)


def open_orders(rows: Sequence[Deployment]) -> QuerySet[Order]:
    """Return the orders of deployments that have not ended, the oldest first."""
    found = Order.objects.filter(deployment__in=rows, finished_at=None)
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


def _expire_met(sleeve: Sleeve, now: datetime) -> None:
    """End orders whose asset traded but that asked for nothing beyond what is held."""
    if sleeve.session.is_called:
        return
    wanted = sleeve.session.wanted
    for a, symbol in enumerate(sleeve.row.symbols):
        if symbol in sleeve.orders and not np.isfinite(wanted[a]):
            order = sleeve.orders.pop(symbol)
            words = "At the open the target was met already, or less than a unit away."
            event = "expire" if order.state != order_states.PART_FILLED else "cancel"
            change(order, event, now, [("order.nothing_to_trade", words)])
            sleeve.changed.append(order)


def decide(sleeve: Sleeve, readied: Readied) -> Decision:
    """Let the strategy decide on what it holds; nothing of the sleeve is changed."""
    row = sleeve.row
    if readied.error or readied.i < 0:
        return Decision(error=readied.error)
    memory: dict[str, Any] = deepcopy(row.state["memory"])
    view = sleeve.session.view(readied.features, memory, readied.i)
    try:
        intents = as_intents(_strategy(row).decide(view, row.params))
        found = plain_memory(memory)
    except Exception as error:
        log.exception("deployment.decide_failed", deployment_id=row.pk)
        return Decision(error=words_of(error))
    return Decision(intents, found, confidence=_confidence(readied, len(row.symbols)))


def _confidence(readied: Readied, n_assets: int) -> Floats | None:
    feature = readied.features.get(CONFIDENCE)
    if feature is None or np.ndim(feature) != 2 or feature.shape[1] != n_assets:
        return None
    return np.array(feature[readied.i], dtype=np.float64)


def _strategy(row: Deployment) -> Strategy:
    """Return what decides for a deployment; a user's text keeps its process between bars."""
    return strategies.get_strategy(row.strategy, row.team_id, keep=f"deployment:{row.pk}")


def words_of(error: Exception) -> str:
    """Return what stopped a strategy, with its stable code where there is one."""
    if isinstance(error, LabError):
        return f"{error.code}: {error.message}"
    return f"{type(error).__name__}: {error}"


def follow(sleeve: Sleeve, decision: Decision) -> str:
    """Give the sleeve what was decided; return an error's words, or nothing."""
    row, intents = sleeve.row, decision.intents
    if decision.error or decision.memory is None:
        return decision.error
    try:
        if intents.weights is None and row.state.get("restate"):
            # A halt cancelled what was under way: take the last targets up again.
            intents = replace(intents, weights=np.array(row.state["targets"], dtype=np.float64))
        numbers = sleeve.session.follow(intents)
        sleeve.asked = list(zip(numbers, intents.orders, strict=True))
        if intents.weights is not None:
            row.state["targets"] = _merged(row.state.get("targets"), intents.weights)
    except Exception as error:
        log.exception("deployment.targets_failed", deployment_id=row.pk)
        return words_of(error)
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
    row, session = sleeve.row, sleeve.session
    accrued = dict(row.state.get("accrued", {}))
    for kind, amount in session.flows_by_kind().items():
        accrued[kind] = accrued.get(kind, 0.0) + amount
    row.state = {**row.state, "book": put_away(session), "accrued": accrued}
    row.equity, row.last_bar_at = session.equity, bar.opened_at
    row.bars_done += 1
    row.save(update_fields=["state", "equity", "last_bar_at", "bars_done", "status", "note"])
    _save_positions(sleeve, bar, now)
    cash, gross, net = session.money
    return store.EquityPoint(
        row.account_id, row.pk, bar.epoch, bar.closed_at, session.equity, cash, gross, net
    )


def _save_positions(sleeve: Sleeve, bar: Bar, now: datetime) -> None:
    row, session = sleeve.row, sleeve.session
    rows = [
        (
            row.symbols[a],
            to_quantity(float(session.positions[a])),
            to_money(float(row.state["average"][a])),
            to_money(float(session.marks[a])),
        )
        for a in np.flatnonzero(session.positions).tolist()
    ]
    # Dust below the stored decimals is no position.
    held = [entry for entry in rows if entry[1] != 0]
    store.put_positions(row.account_id, row.pk, held, price_at=bar.closed_at, now=now)
