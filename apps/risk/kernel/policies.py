"""Limit sets: what an account, a team or a strategy may do, as one versioned set of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from apps.core.errors import Invalid


@dataclass(frozen=True, slots=True)
class Limits:
    """A set of limits; None switches one off.

    Parameters
    ----------
    max_order_value, max_order_quantity
        Largest value of one order, in the account's currency, and its largest quantity.
    max_position_value
        Largest value of one position, in the account's currency.
    max_position_share
        Largest value of one position as a share of equity.
    min_position_value
        A position left open may not be worth less.
    max_group_share
        Concentration: largest gross value of one sector as a share of equity.
    max_leverage, max_leverage_perpetual
        Gross value by equity from which on margin runs out, whatever the exposure policy allows;
        perpetual contracts have their own.
    max_exposure, max_net_exposure
        Largest gross, and largest net, exposure as a share of equity: 2.0 is 200 %.
    max_risk_per_trade
        Largest loss at the stop of what an order opens, as a share of equity.
    max_positions
        How many instruments may be held at once.
    max_daily_loss
        Loss since the day began, as a share of equity then, from which on nothing is opened.
    price_collar
        How far a price may lie from the reference, as a share of it.
    max_orders_per_minute, max_messages_per_minute
        How many orders, and how many orders and withdrawals together, an account may send within
        60 seconds.
    duplicate_seconds
        For so long the same order by hand is taken for sent twice.
    max_price_age_seconds
        How old the reference price may be.
    only_in_session
        Whether nothing is opened while the account's feed stands still.
    ess_drawdown, ess_daily_loss
        Loss from the peak, and since the day began, at which the emergency stop trips.
    ess_warning
        Share of those at which it warns.
    ess_cool_down_minutes
        How long nothing is opened after people have resumed.
    protect_stop
        Distance of a protective stop as a share of the price, where volatility is not known.
    protect_multiple
        Distance of a protective stop in standard deviations of one bar.
    protect_max
        Largest distance of a protective stop.
    restricted
        Symbols that may only be reduced.
    """

    max_order_value: float | None = 4000.0
    max_order_quantity: float | None = 1e9
    max_position_value: float | None = 2000.0
    max_position_share: float | None = 0.5
    min_position_value: float | None = 100.0
    max_group_share: float | None = None
    max_leverage: float | None = 10.0
    max_leverage_perpetual: float | None = 30.0
    max_exposure: float | None = 2.0
    max_net_exposure: float | None = None
    max_risk_per_trade: float | None = 0.02
    max_positions: int | None = 20
    max_daily_loss: float | None = 0.10
    price_collar: float | None = 0.10
    max_orders_per_minute: int | None = 120
    max_messages_per_minute: int | None = 240
    duplicate_seconds: float | None = 5.0
    max_price_age_seconds: float | None = 120.0
    only_in_session: bool | None = True
    ess_drawdown: float | None = 0.20
    ess_daily_loss: float | None = 0.15
    ess_warning: float | None = 0.8
    ess_cool_down_minutes: float | None = 60.0
    protect_stop: float | None = 0.02
    protect_multiple: float | None = 3.0
    protect_max: float | None = 0.10
    restricted: frozenset[str] = frozenset()


RESTRICTED, SWITCHES = "restricted", {"only_in_session"}
WHOLE = {"max_positions", "max_orders_per_minute", "max_messages_per_minute"}
# Of these more is stricter; of all others less is.
MORE_IS_STRICTER = {"min_position_value", "duplicate_seconds", "ess_cool_down_minutes"}
# What can't be more than all there is.
UP_TO_ONE = {"max_daily_loss", "ess_drawdown", "ess_daily_loss", "ess_warning", "protect_stop"}
# No limit means more, and whole numbers beyond it are no floats.
MOST = 1e18
NAMES = tuple(entry.name for entry in fields(Limits))

DEFAULT = Limits()
# For paper accounts of the sample: wide enough for portfolios of every instrument in it.
WIDE = Limits(
    max_order_value=None,
    max_order_quantity=None,
    max_position_value=None,
    max_position_share=1.05,
    min_position_value=1.0,
    max_leverage=10.0,
    max_leverage_perpetual=30.0,
    max_exposure=2.0,
    max_risk_per_trade=0.05,
    max_positions=1000,
    max_daily_loss=0.25,
    price_collar=0.5,
    max_orders_per_minute=None,
    max_messages_per_minute=None,
    duplicate_seconds=None,
    max_price_age_seconds=None,
    only_in_session=None,
    ess_drawdown=0.5,
    ess_daily_loss=0.35,
    ess_cool_down_minutes=5.0,
    protect_stop=None,
    protect_multiple=None,
    protect_max=None,
)
OFF = Limits(**{name: None for name in NAMES if name != RESTRICTED})  # type: ignore[arg-type]
NAMED: dict[str, Limits] = {"default": DEFAULT, "wide": WIDE}


def limits_from(values: Mapping[str, Any], *, base: Limits = DEFAULT) -> Limits:
    """Return ``base`` with ``values`` put in, each checked.

    Raises ``Invalid``: ``limits.unknown`` for a name that is none, ``limits.value`` for a value
    that is not a positive number (or null, which switches the limit off).
    """
    unknown = sorted(set(values) - set(NAMES))
    if unknown:
        message = f"No limit {', '.join(unknown)}; there are {', '.join(sorted(NAMES))}."
        raise Invalid(message, code="limits.unknown", details={"field": unknown[0]})
    merged = {**as_values(base), **values}
    return Limits(**{name: _checked(name, value) for name, value in merged.items()})


def stored_limits(values: Mapping[str, Any]) -> Limits:
    """Return a set as it was agreed to: a limit that came later than the set is off in it."""
    return limits_from(values, base=OFF)


def loosened(before: Limits, after: Limits) -> list[str]:
    """Return the limits that allow more after than before; changes of these take a decision."""
    return [name for name in NAMES if _allows_more(name, before, after)]


def strictest(one: Limits, other: Limits) -> Limits:
    """Return the stricter of each limit; both restricted lists hold."""
    chosen = {
        name: getattr(other if _allows_more(name, other, one) else one, name) for name in NAMES
    }
    return Limits(**{**chosen, RESTRICTED: one.restricted | other.restricted})


def _allows_more(name: str, before: Limits, after: Limits) -> bool:
    was, becomes = getattr(before, name), getattr(after, name)
    if name == RESTRICTED:
        return not was <= becomes
    if name in SWITCHES:
        return bool(was) and not becomes
    if was is None or becomes is None:
        return becomes is None and was is not None
    return bool(becomes < was if name in MORE_IS_STRICTER else becomes > was)


def as_values(limits: Limits) -> dict[str, Any]:
    """Return limits as JSON."""
    found = {name: getattr(limits, name) for name in NAMES}
    return {**found, RESTRICTED: sorted(limits.restricted)}


def _checked(name: str, value: Any) -> Any:
    if name == RESTRICTED:
        return _symbols(value)
    if value is None:
        return None
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise _refusal(name, f"{name} is {value!r}; give true, false or null.")
        return value or None
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not 0 < value <= MOST:
        message = f"{name} is {value!r}; give a positive number, or null to switch it off."
        raise _refusal(name, message)
    if name in WHOLE and value != int(value):
        raise _refusal(name, f"{name} is {value!r}; give a whole number.")
    if name in UP_TO_ONE and value > 1.0:
        raise _refusal(name, f"{name} is {value!r}; it is a share: at most 1.")
    return value


def _symbols(value: Any) -> frozenset[str]:
    fits = value is None or isinstance(value, list | tuple | set | frozenset)
    if not fits or not all(isinstance(symbol, str) for symbol in value or ()):
        raise _refusal(RESTRICTED, "restricted is a list of symbols.")
    return frozenset(value or ())


def _refusal(name: str, message: str) -> Invalid:
    return Invalid(message, code="limits.value", details={"field": name})
