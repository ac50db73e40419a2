"""Weights for an account: the optimiser asked, its answer as trades and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import UUID

import numpy as np

from apps.core.errors import Invalid, NotFound
from apps.risk.kernel import balance as optimiser
from apps.risk.kernel.expected_shortfall import expected_shortfall
from apps.risk.kernel.value_at_risk import value_at_risk
from apps.trading.kernel.balancing import Policy, Trade, terms_of, trades_towards, turnover_of
from apps.trading.kernel.money import to_quantity
from apps.trading.models import Account
from apps.trading.selectors.balancers import BalancerView, client_id_of
from apps.trading.selectors.balancing import Inputs, last_prices, read_inputs
from apps.trading.selectors.snapshots import find_feed
from apps.trading.selectors.trades import cash_factor

LEVEL = 0.99


@dataclass(slots=True)
class Found:
    """What a run came to, before anything is done about it."""

    inputs: Inputs | None = None
    result: optimiser.Balance | None = None
    code: str = ""
    words: str = ""
    conflicts: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def compute_balance(account: Account, view: BalancerView) -> Found:
    """Return what the optimiser comes to, or in words why it comes to nothing."""
    found = Found()
    costs = cash_factor(account) - 1.0
    try:
        found.inputs = read_inputs(account, view.policy, view.version)
        found.left_out = dict(found.inputs.left_out)
        found.result = optimiser.balance(
            found.inputs.returns,
            found.inputs.symbols,
            terms_of(view.policy, costs),
            found.inputs.weights,
        )
    except (Invalid, NotFound) as error:
        found.code, found.words = error.code, error.message
        told: dict[str, Any] = dict(error.details)
        found.conflicts = list(told.get("conflicts", []))
        found.left_out |= told.get("left_out", {})
    return found


def trades_of(account: Account, policy: Policy, found: Found) -> list[Trade]:
    """Return the trades at the last prices there are; weights may be of a bar before."""
    inputs, result = found.inputs, found.result
    feed = find_feed(account.feed)
    if inputs is None or result is None or feed is None:
        return []
    newest = last_prices(account, feed, inputs.symbols)
    prices = {**inputs.prices, **newest}
    cash = float(account.cash)
    base = cash + sum(inputs.held[symbol] * prices[symbol] for symbol in inputs.symbols)
    return trades_towards(
        result.weights,
        inputs.held,
        prices,
        base,
        whole=account.units == "whole",
        min_trade=policy.min_trade,
    )


def trade_json(balance_id: UUID, trade: Trade, exact: Mapping[str, Decimal]) -> dict[str, Any]:
    """Return a trade as it is kept, with the client id under which it may be sent once."""
    quantity = Decimal(f"{trade.quantity:.8f}")
    if trade.after == 0.0:
        quantity = _all_of(abs(exact[trade.symbol]))
    shown = asdict(trade) | {"quantity": str(quantity), "value": trade.value}
    return {**shown, "client_id": client_id_of(balance_id, trade.symbol)}


def _all_of(held: Decimal) -> Decimal:
    """Return a whole position as an order can name it: never more than is held."""
    named = to_quantity(float(held))
    return named if named == held else held.quantize(Decimal("1e-8"), ROUND_DOWN)


def body_of(found: Found, trades: Sequence[Trade]) -> dict[str, Any]:
    """Return what a run keeps of its answer: a line per instrument, figures, what was left out."""
    inputs, result = found.inputs, found.result
    if inputs is None or result is None:
        return {}
    held = inputs.weights
    return {
        "instruments": [
            {
                "symbol": symbol,
                "price": inputs.prices[symbol],
                "held": held[symbol],
                "target": result.target[symbol],
                "weight": result.weights[symbol],
            }
            for symbol in inputs.symbols
        ],
        "left_out": left_out(found),
        "figures": _figures(inputs, result, trades),
        "conflicts": [],
    }


def left_out(found: Found) -> list[dict[str, str]]:
    """Return what was left out, with the reason in words."""
    dropped = found.result.dropped if found.result else ()
    told = {one.symbol: one.why for one in dropped} | found.left_out
    return [{"symbol": symbol, "why": why} for symbol, why in sorted(told.items())]


def _figures(
    inputs: Inputs, result: optimiser.Balance, trades: Sequence[Trade]
) -> dict[str, float | None]:
    """Return what a proposal and the page tell of the book before and after."""
    known = inputs.returns[np.isfinite(inputs.returns).all(axis=1)]
    before = np.array([inputs.weights[symbol] for symbol in inputs.symbols])
    after = np.array([result.weights[symbol] for symbol in inputs.symbols])
    turnover = turnover_of(trades, inputs.base)
    cost = turnover * result.cost / result.turnover if result.turnover > 0.0 else 0.0
    return {
        "turnover": turnover,
        "cost": cost,
        "volatility_before": result.volatility_before,
        "volatility_after": result.volatility,
        "var_before": value_at_risk(known @ before, LEVEL),
        "var_after": value_at_risk(known @ after, LEVEL),
        "es_before": expected_shortfall(known @ before, LEVEL),
        "es_after": expected_shortfall(known @ after, LEVEL),
        "gross_before": float(np.abs(before).sum()),
        "gross_after": float(np.abs(after).sum()),
        "observations": float(result.observations),
    }
