"""What a text answered a close with, as intents: nothing is believed that was not checked."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.strategies.kernel.interface import Floats
from apps.strategies.kernel.orders import Intents, Order
from apps.strategies.sandbox.base import Stopped, stopped

MOST_ORDERS = 1000
NUMBERS = frozenset(
    {"size", "price", "trail", "stop_loss", "take_profit", "trailing_stop", "limit"}
)
KNOWN = frozenset(one.name for one in fields(Order))


def intents_of(head: dict[str, Any], weights: Floats, line: int | None = None) -> Intents:
    """Return the intents of an answer that was given at a line.

    Raises ``Stopped`` for what no order can be.
    """
    try:
        return _intents(head, weights)
    except Stopped as error:
        raise stopped(error.code, error.message.partition(": ")[2], line) from None


def _intents(head: dict[str, Any], weights: Floats) -> Intents:
    listed, cancel = head.get("orders") or [], head.get("cancel") or []
    if not isinstance(listed, list) or not isinstance(cancel, list):
        raise _bad("orders and cancel are lists")
    if len(listed) + len(cancel) > MOST_ORDERS:
        raise _bad(f"at most {MOST_ORDERS} orders are made or cancelled at a close")
    if any(isinstance(one, bool) or not isinstance(one, int) for one in cancel):
        raise _bad("cancel holds numbers of orders")
    return Intents(
        weights=None if np.isnan(weights).all() else weights,
        orders=tuple(order_of(one, len(weights)) for one in listed),
        cancel=tuple(cancel),
    )


def order_of(given: Any, n_assets: int) -> Order:
    """Return an order. Raises ``Stopped``: for an unknown key, a wrong kind of value, a level."""
    if not isinstance(given, dict) or not given.keys() <= KNOWN:
        found = min(given.keys() - KNOWN, key=str) if isinstance(given, dict) else given
        raise _bad(f"an order has {', '.join(sorted(KNOWN))}; not {str(found)[:40]!r}")
    asset = given.get("asset")
    if isinstance(asset, bool) or not isinstance(asset, int) or not 0 <= asset < n_assets:
        raise _bad(f"order.asset = {str(asset)[:40]!r}; a column or a symbol is expected")
    values = {name: _value(name, value) for name, value in given.items()}
    if "size" not in values:
        raise _bad("order.size is missing: units, negative to sell")
    try:
        return Order(**values)
    except Invalid as error:
        raise _bad(error.message) from None


def _value(name: str, value: Any) -> Any:
    if name == "size" and value in {"all", "-all"}:
        return math.inf if value == "all" else -math.inf
    kind: Any = (int, float) if name in NUMBERS else _kinds(name)
    if not isinstance(value, kind) or (isinstance(value, bool) != (name == "reduce_only")):
        raise _bad(f"order.{name} = {str(value)[:40]!r} can't be")
    return float(value) if name in NUMBERS else value


def _kinds(name: str) -> type:
    return {"kind": str, "tag": str, "reduce_only": bool}.get(name, int)


def _bad(words: str) -> Stopped:
    return stopped("strategy.bad_answer", words)
