"""Dynamic stop loss and take profit of deployments, where the limit set says so.

Beside what its strategy decides, every position gets a stop and a limit order that can only close
it. Their levels are computed at each close; they work from the next bar on, like all orders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.bars import Panel
from apps.risk.kernel.protection import (
    MAX_RETURNS,
    NEUTRAL,
    Levels,
    Policy,
    has_moved,
    levels,
    volatility,
)
from apps.strategies.kernel.orders import Intents, OrderStatus
from apps.strategies.kernel.orders import Order as Asked
from apps.trading.services.bars import Bar, Sleeve
from apps.trading.services.sleeves import Decision

Floats = NDArray[np.float64]
TAG, OUT = "protection", "stood_down"
STOP, TAKE = "stop", "limit"


def protect(
    sleeve: Sleeve, decision: Decision, policy: Policy | None, panel: Panel, bar: Bar
) -> Decision:
    """Return the decision with the orders that protect what is held, old ones taken back.

    What protection has closed stays closed until the strategy wants something else of it than it
    held, so that a stop is not undone at the next bar.
    """
    if decision.error or decision.memory is None:
        return decision
    if policy is None:
        return _without(sleeve, decision)
    intents = _kept_out(sleeve, decision.intents)
    placed, dropped = _orders(sleeve, intents, policy, panel, bar, decision.confidence)
    made = replace(
        intents,
        orders=(*intents.orders, *placed),
        cancel=(*intents.cancel, *dropped),
    )
    return replace(decision, intents=made)


def _without(sleeve: Sleeve, decision: Decision) -> Decision:
    """Take protection back that a set asked for before it was changed."""
    sleeve.row.state.pop(OUT, None)
    mine = tuple(status.number for status in _working(sleeve, decision.intents))
    if not mine:
        return decision
    return replace(
        decision, intents=replace(decision.intents, cancel=(*decision.intents.cancel, *mine))
    )


def _working(sleeve: Sleeve, intents: Intents) -> list[OrderStatus]:
    found = sleeve.session.list_orders()
    return [s for s in found if s.tag == TAG and s.is_open and s.number not in intents.cancel]


def _kept_out(sleeve: Sleeve, intents: Intents) -> Intents:
    """Leave out targets that would only open again what protection has closed."""
    out: dict[str, float] = dict(sleeve.row.state.get(OUT, {}))
    for fill in sleeve.fills:
        if fill.order.terms.get("tag") == TAG:
            out[fill.symbol] = math.copysign(1.0, -float(fill.quantity))
    if intents.weights is not None:
        weights = np.array(intents.weights, dtype=np.float64)
        for a, symbol in enumerate(sleeve.row.symbols):
            if symbol not in out or not np.isfinite(weights[a]):
                continue
            if weights[a] * out[symbol] > 0.0:
                weights[a] = np.nan
            else:
                del out[symbol]
        intents = replace(intents, weights=weights)
    sleeve.row.state[OUT] = out
    return intents


def _orders(
    sleeve: Sleeve,
    intents: Intents,
    policy: Policy,
    panel: Panel,
    bar: Bar,
    confidence: Floats | None,
) -> tuple[list[Asked], list[int]]:
    """Return the orders to place, and the numbers of those they replace."""
    working: dict[int, dict[str, OrderStatus]] = {}
    for status in _working(sleeve, intents):
        working.setdefault(status.asset, {})[status.kind] = status
    placed: list[Asked] = []
    held = sleeve.session.positions
    dropped = [s.number for a, found in working.items() if not held[a] for s in found.values()]
    for a in np.flatnonzero(sleeve.session.positions).tolist():
        mine = working.get(a, {})
        wanted = _levels(sleeve, a, mine, policy, panel, bar, confidence)
        if wanted is None or _stands(mine, wanted, float(sleeve.session.marks[a])):
            continue
        dropped += [status.number for status in mine.values()]
        away = -math.copysign(math.inf, float(sleeve.session.positions[a]))
        for kind, price in ((STOP, wanted.stop), (TAKE, wanted.take)):
            placed.append(Asked(a, away, kind, price=price, reduce_only=True, tag=TAG))
    return placed, dropped


def _levels(
    sleeve: Sleeve,
    a: int,
    mine: Mapping[str, OrderStatus],
    policy: Policy,
    panel: Panel,
    bar: Bar,
    confidence: Floats | None,
) -> Levels | None:
    quantity, close = float(sleeve.session.positions[a]), float(sleeve.session.marks[a])
    entry: Any = sleeve.row.state["average"][a]
    if not close > 0.0 or not entry:
        return None
    side = -math.copysign(1.0, quantity)
    same = len(mine) == 2 and all(status.size * side > 0.0 for status in mine.values())
    column = int(sleeve.columns[a])
    first = max(0, bar.i - MAX_RETURNS)
    return levels(
        quantity=quantity,
        entry=float(entry),
        close=close,
        sigma=volatility(panel.close[first : bar.i + 1, column]),
        policy=policy,
        confidence=_confidence(confidence, a),
        before=Levels(mine[STOP].price, mine[TAKE].price) if same else None,
    )


def _confidence(confidence: Floats | None, a: int) -> float:
    """Return the strategy's confidence in an asset; neutral where it names none."""
    found = math.nan if confidence is None else float(confidence[a])
    return min(max(found, 0.0), 1.0) if found == found else NEUTRAL


def _stands(mine: Mapping[str, OrderStatus], wanted: Levels, close: float) -> bool:
    if len(mine) < 2:
        return False
    return not has_moved(Levels(mine[STOP].price, mine[TAKE].price), wanted, close)
