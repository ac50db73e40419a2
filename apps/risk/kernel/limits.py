"""The pre-trade guard's door: limit sets, orders, the check, and how much of a set is used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from apps.risk.kernel.guard import DEFAULT_STOP, SLACK, check_order
from apps.risk.kernel.guard_book import BUY, SELL, Holdings, Refusal, Sent, Ticket, projected
from apps.risk.kernel.policies import (
    DEFAULT,
    NAMED,
    OFF,
    WIDE,
    Limits,
    as_values,
    limits_from,
    loosened,
    stored_limits,
    strictest,
)

__all__ = [
    "BUY",
    "DEFAULT",
    "DEFAULT_STOP",
    "NAMED",
    "OFF",
    "SELL",
    "WIDE",
    "Holdings",
    "Limits",
    "Refusal",
    "Sent",
    "Ticket",
    "as_values",
    "check_order",
    "limits_from",
    "loosened",
    "projected",
    "stored_limits",
    "strictest",
    "utilisation",
]


def utilisation(book: Holdings, limits: Limits) -> list[dict[str, Any]]:
    """Return how much of each limit on size is used: used, limit, and their ratio (None: off).

    A position without a price leaves what rests on values unknown, never smaller.
    """
    equity = book.equity if math.isfinite(book.equity) and book.equity > 0.0 else 0.0
    values = {s: q * book.prices.get(s, math.nan) for s, q in book.positions.items() if q}
    known = all(math.isfinite(value) for value in values.values())
    sizes = [abs(value) for value in values.values()]
    largest = max(sizes, default=0.0) if known else None
    gross = sum(sizes) if known else None
    perpetual = sum(abs(v) for s, v in values.items() if s in book.perpetuals) if known else None
    began = book.day_start_equity
    used: dict[str, float | None] = {
        "max_position_value": largest,
        "max_position_share": _over(largest, equity),
        "max_group_share": _over(_largest_group(book, values) if known else None, equity),
        "max_exposure": _over(gross, equity),
        "max_net_exposure": _over(abs(sum(values.values())) if known else None, equity),
        "max_leverage": _over(_less(gross, perpetual), equity),
        "max_leverage_perpetual": _over(perpetual, equity),
        "max_positions": float(len(values)),
        "max_daily_loss": max(0.0, 1.0 - book.equity / began) if began > 0.0 else None,
        "max_orders_per_minute": float(book.orders_last_minute),
        "max_messages_per_minute": float(book.messages_last_minute),
    }
    return [_used(name, value, getattr(limits, name)) for name, value in used.items()]


def _largest_group(book: Holdings, values: Mapping[str, float]) -> float:
    sums: dict[str, float] = {}
    for symbol, value in values.items():
        if group := book.groups.get(symbol):
            sums[group] = sums.get(group, 0.0) + abs(value)
    return max(sums.values(), default=0.0)


def _over(value: float | None, equity: float) -> float | None:
    return value / equity if value is not None and equity else None


def _less(value: float | None, part: float | None) -> float | None:
    return None if value is None or part is None else value - part


def _used(name: str, value: float | None, limit: float | None) -> dict[str, Any]:
    ratio = None if limit is None or value is None or value != value else value / limit
    return {
        "limit": name,
        "used": value,
        "allowed": limit,
        "ratio": ratio,
        "breached": ratio is not None and ratio > 1.0 + SLACK,
    }
