"""What a balancer is set to, when that allows more than before, and the trades it comes to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, time, timedelta
from typing import Any

from apps.core.errors import Invalid
from apps.risk.kernel.balance import METHODS, Terms

PROPOSAL, ORDERS = "proposal", "orders"
OUTPUTS = {PROPOSAL: "A proposal", ORDERS: "Orders"}
LEAST_SECONDS, MOST_SECONDS = 60, 7 * 86_400
MOST_BARS, MOST_MINUTES = 5000, 1440
WHOLE = {"window": (61, MOST_BARS), "minutes": (1, MOST_MINUTES)}
KINDS = {
    "method": str,
    "universe": str,
    "universe_version": int,
    "daily_at": str,
    "output": str,
    "is_on": bool,
}
OPTIONAL = ("max_correlation", "max_turnover", "cost")
# Of these a smaller number, of the others any other value, allows no more than before.
NARROWS = ("budget", "max_weight", "max_turnover", "max_correlation")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the balancer of an account keeps to.

    Parameters
    ----------
    universe, universe_version
        Name of a universe, and its version when it was chosen; empty for what the account itself
        holds.
    budget, min_weight, max_weight, max_turnover
        Shares of what no strategy holds. What the budget leaves stays in cash: it pays for prices
        that move between a close and the open at which orders fill.
    cost
        Share of the value traded; None takes the account's fees and slippage.
    window
        Bars that are looked back on.
    min_trade
        Trades below this share are left out.
    every_seconds, daily_at
        When it runs by itself: every so often, or once a day at ``HH:MM`` UTC.
    output, minutes
        Whether trades become a proposal, which may be decided for so long, or orders.
    """

    method: str = "min_variance"
    universe: str = ""
    universe_version: int = 0
    budget: float = 0.95
    min_weight: float = 0.0
    max_weight: float = 0.5
    max_correlation: float | None = 0.7
    max_turnover: float | None = None
    cost: float | None = None
    patience: float = 250.0
    risk_aversion: float = 1.0
    tail: float = 0.05
    window: int = 250
    min_trade: float = 0.001
    every_seconds: int | None = 3600
    daily_at: str = ""
    output: str = PROPOSAL
    minutes: int = 15
    is_on: bool = False


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade that leads from what is held towards what is wanted."""

    symbol: str
    side: str
    quantity: float
    price: float
    before: float
    after: float

    @property
    def value(self) -> float:
        """Return what changes hands at the last close."""
        return self.quantity * self.price


NUMBERS = {
    "budget": (0.0, 2.0),
    "min_weight": (0.0, 2.0),
    "max_weight": (0.0, 2.0),
    "max_correlation": (0.0, 1.0),
    "max_turnover": (0.0, 20.0),
    "cost": (0.0, 0.2),
    "patience": (0.0, 1e6),
    "risk_aversion": (0.0, 1e6),
    "tail": (0.0, 0.5),
    "min_trade": (0.0, 0.5),
}


def as_values(policy: Policy) -> dict[str, Any]:
    """Return a policy as JSON."""
    return asdict(policy)


def policy_from(values: Mapping[str, Any], base: Policy | None = None) -> Policy:
    """Return ``base`` with ``values`` in it.

    Raises ``Invalid`` (``balancer.*``, ``balance.terms``) for names there are none of, for what is
    no number or outside its range, and for bounds and times that can't be.
    """
    known = {field.name for field in fields(Policy)}
    if unknown := sorted(set(values) - known):
        message = f"A balancer has no {unknown[0]!r}; it has {', '.join(sorted(known))}."
        raise Invalid(message, code="balancer.unknown", details={"field": unknown[0]})
    given = {**as_values(base or Policy()), **values}
    for name, (low, high) in NUMBERS.items():
        given[name] = _number(name, given[name], low, high)
    for name, (least, most) in WHOLE.items():
        _whole(name, given[name], least, most)
    for name, kind in KINDS.items():
        if not isinstance(given[name], kind):
            message = f"{name} is {given[name]!r}; it is a {kind.__name__}."
            raise Invalid(message, code="balancer.value", details={"field": name})
    found = Policy(**given)
    _check_words(found)
    _check_times(found)
    terms_of(found, 0.0)
    return found


def _number(name: str, value: Any, low: float, high: float) -> float | None:
    if value is None and name in OPTIONAL:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        message = f"{name} is {value!r}; it is a number from {low:g} to {high:g}."
        raise Invalid(message, code="balancer.number", details={"field": name})
    return float(value)


def _whole(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        message = f"{name} is {value!r}; it is a whole number from {least} to {most}."
        raise Invalid(message, code="balancer.number", details={"field": name})


def _check_words(policy: Policy) -> None:
    if policy.method not in METHODS:
        message = f"There is no method {policy.method!r}; there are {', '.join(METHODS)}."
        raise Invalid(message, code="balancer.method", details={"field": "method"})
    if policy.output not in OUTPUTS:
        message = f"The output is {policy.output!r}; it is {' or '.join(OUTPUTS)}."
        raise Invalid(message, code="balancer.output", details={"field": "output"})
    if policy.min_weight > policy.max_weight:
        message = (
            f"The smallest weight, {policy.min_weight:.1%}, is above the largest, "
            f"{policy.max_weight:.1%}; no weight is both."
        )
        raise Invalid(message, code="balancer.bounds", details={"field": "min_weight"})


def _check_times(policy: Policy) -> None:
    if (policy.every_seconds is None) == (not policy.daily_at):
        message = "It runs every so many seconds or daily at a time: give one of the two."
        raise Invalid(message, code="balancer.schedule", details={"field": "every_seconds"})
    if policy.every_seconds is not None:
        _whole("every_seconds", policy.every_seconds, LEAST_SECONDS, MOST_SECONDS)
    else:
        _time(policy.daily_at)


def _time(text: str) -> time:
    try:
        found: time | None = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None or len(text) != len("00:00"):
        message = f"daily_at is {text!r}; it is a time of day in UTC such as 14:30."
        raise Invalid(message, code="balancer.schedule", details={"field": "daily_at"})
    return found


def terms_of(policy: Policy, costs: float) -> Terms:
    """Return what the optimiser is asked; ``costs`` are the account's, where none are set."""
    return Terms(
        method=policy.method,
        budget=policy.budget,
        min_weight=policy.min_weight,
        max_weight=policy.max_weight,
        max_correlation=policy.max_correlation,
        cost=min(costs, 0.2) if policy.cost is None else policy.cost,
        max_turnover=policy.max_turnover,
        patience=policy.patience,
        risk_aversion=policy.risk_aversion,
        tail=policy.tail,
    )


def wider(before: Policy, after: Policy) -> list[str]:
    """Return what lets the balancer send more by itself than before; empty when nothing does.

    What ends in proposals is decided each time. Of a balancer that sends orders everything is
    agreed: less to hold, less to trade and turning it off narrow it, any other change is wider.
    """
    if after.output != ORDERS:
        return []
    now, then = as_values(before), as_values(after)
    changed = [name for name in now if now[name] != then[name]]
    return [name for name in changed if not _narrows(name, now[name], then[name])]


def _narrows(name: str, before: Any, after: Any) -> bool:
    if name == "is_on":
        return not after
    if name not in NARROWS or after is None:
        return False
    return before is None or after < before


def next_due(policy: Policy, now: datetime) -> datetime | None:
    """Return when it runs next after ``now``; None while it is off."""
    if not policy.is_on:
        return None
    if policy.every_seconds is not None:
        return now + timedelta(seconds=policy.every_seconds)
    at = _time(policy.daily_at)
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def trades_towards(
    weights: Mapping[str, float],
    held: Mapping[str, float],
    prices: Mapping[str, float],
    base: float,
    *,
    whole: bool,
    min_trade: float,
) -> list[Trade]:
    """Return the trades from quantities ``held`` to ``weights`` of ``base``, sales first.

    Whole units are rounded towards none, so that no more is held than wanted; a trade worth less
    than ``min_trade`` of the base is left out, unless it closes a position.
    """
    found = []
    for symbol, weight in weights.items():
        price, has = prices[symbol], held.get(symbol, 0.0)
        goal = weight * base / price
        if whole:
            goal = float(math.floor(goal + 1e-9))
        change = goal - has
        closes = weight == 0.0 and has != 0.0
        if change == 0.0 or (abs(change) * price < min_trade * base and not closes):
            continue
        side = "buy" if change > 0.0 else "sell"
        before, after = has * price / base, goal * price / base
        found.append(Trade(symbol, side, abs(change), price, before, after))
    return sorted(found, key=lambda trade: (trade.side == "buy", -trade.value))


def turnover_of(trades: Sequence[Trade], base: float) -> float:
    """Return the value traded as a share of the base."""
    return sum(trade.value for trade in trades) / base if base > 0.0 else 0.0
