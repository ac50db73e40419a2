"""The rules of the pre-trade guard: what an order would break; nothing is touched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from apps.risk.kernel.guard_book import BUY, SELL, Holdings, Refusal, Ticket, projected
from apps.risk.kernel.policies import DEFAULT, Limits

# A share may exceed its limit by rounding alone.
SLACK = 1e-9
# Where no stop is known, a trade is taken to risk this share of its value.
DEFAULT_STOP = 0.02
# Beyond this no quantity, price or value is meant.
ABSURD = 1e15


@dataclass(frozen=True, slots=True)
class _Sums:
    """Values when this and all working orders are filled."""

    gross: float
    net: float
    perpetual: float
    group: float
    unpriced: Sequence[str]


@dataclass(frozen=True)
class _Case:
    """An order with what it would lead to."""

    order: Ticket
    book: Holdings
    limits: Limits
    held: Mapping[str, float]
    before: float
    after: float

    @property
    def reducing(self) -> bool:
        """Whether the position gets smaller and does not change sides."""
        return abs(self.after) <= abs(self.before) and self.after * self.before >= 0.0

    @property
    def value(self) -> float:
        return abs(self.after) * self.order.price

    @property
    def equity(self) -> float:
        return max(self.book.equity, 0.0)

    @cached_property
    def sums(self) -> _Sums:
        order, book = self.order, self.book
        group = book.groups.get(order.symbol)
        first = self.after * order.price
        gross, net = abs(first), first
        perpetual = gross if order.symbol in book.perpetuals else 0.0
        same = gross if group else 0.0
        unpriced = []
        for symbol, quantity in self.held.items():
            if not quantity or symbol == order.symbol:
                continue
            price = book.prices.get(symbol, math.nan)
            if not 0.0 < price < math.inf or not math.isfinite(quantity):
                unpriced.append(symbol)
                continue
            value = quantity * price
            gross += abs(value)
            net += value
            perpetual += abs(value) if symbol in book.perpetuals else 0.0
            same += abs(value) if group and book.groups.get(symbol) == group else 0.0
        return _Sums(gross, net, perpetual, same, unpriced)


def check_order(order: Ticket, book: Holdings, limits: Limits = DEFAULT) -> list[Refusal]:
    """Return every reason against the order; an empty list lets it pass.

    Notes
    -----
    An order that reduces a position passes all limits on size, loss, price age, session and the
    restricted list, and an emergency stop, so that a way out is always open; a halt, the collar,
    the throttles and a repeated order stop it too.
    """
    malformed = _malformed(order)
    if malformed:
        return malformed
    held = projected(book)
    before = held.get(order.symbol, 0.0)
    after = before + order.signed
    if abs(after) <= SLACK * max(abs(before), order.quantity):
        after = 0.0
    case = _Case(order, book, limits, held, before, after)
    rules = ALWAYS if case.reducing else (*ALWAYS, *OPENING)
    return [refusal for rule in rules for refusal in rule(case)]


def _malformed(order: Ticket) -> list[Refusal]:
    numbers = (order.quantity, order.price, order.reference)
    if order.side not in {BUY, SELL}:
        return [Refusal("order.side", f"The side is {order.side!r}; it is buy or sell.")]
    words = f"quantity {order.quantity}, price {order.price}, reference {order.reference}"
    if not all(math.isfinite(number) and number > 0.0 for number in numbers):
        return [Refusal("order.not_positive", f"{words}: each must be a positive number.")]
    if max(*numbers, order.quantity * order.price) > ABSURD:
        message = f"{words}: none of these, nor the order's value, may be above {ABSURD:g}."
        return [Refusal("order.absurd", message)]
    return []


def _halted(case: _Case) -> Iterator[Refusal]:
    for scope in case.book.halted:
        yield Refusal("limit.halted", f"{scope} is halted; resume it with a reason first.")


def _duplicate(case: _Case) -> Iterator[Refusal]:
    if case.order.client_id and case.order.client_id in case.book.client_ids:
        words = f"An order with client id {case.order.client_id} exists already."
        yield Refusal("limit.duplicate", words)


def _repeated(case: _Case) -> Iterator[Refusal]:
    within, order = case.limits.duplicate_seconds, case.order
    if within is None:
        return
    wanted = (order.symbol, order.side, order.quantity)
    for sent in case.book.recent:
        # The same client id is a retry, which the store knows by itself.
        again = sent.client_id != order.client_id or not sent.client_id
        same = again and (sent.symbol, sent.side, sent.quantity) == wanted
        if same and sent.seconds_ago < within:
            words = (
                f"The same order was sent {sent.seconds_ago:.1f} s ago; if both are meant, wait"
            )
            yield Refusal("limit.repeated", f"{words} until {within:g} s have passed.")
            return


def _rate(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_orders_per_minute
    sent = case.book.orders_last_minute
    if most is not None and sent >= most:
        yield Refusal("limit.rate", f"{sent} orders in the last minute; the limit is {most}.")


def _messages(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_messages_per_minute
    sent = case.book.messages_last_minute
    if most is not None and sent >= most:
        words = f"{sent} orders and withdrawals in the last minute; the limit is {most}."
        yield Refusal("limit.message_rate", words)


def _collar(case: _Case) -> Iterator[Refusal]:
    collar, order = case.limits.price_collar, case.order
    away = abs(order.price / order.reference - 1.0)
    if collar is not None and away > collar + SLACK:
        words = f"{order.price:g} is {away:.1%} from the last price {order.reference:g}"
        yield Refusal("limit.price_collar", f"{words}; the collar is {collar:.1%}.")


def _stopped(case: _Case) -> Iterator[Refusal]:
    for scope in case.book.stopped:
        words = f"The emergency stop of {scope} is active: positions may only be made smaller."
        yield Refusal("limit.emergency_stop", words)


def _restricted(case: _Case) -> Iterator[Refusal]:
    if case.order.symbol in case.limits.restricted:
        words = f"{case.order.symbol} is on the restricted list; it may only be reduced."
        yield Refusal("limit.restricted", words)


def _session(case: _Case) -> Iterator[Refusal]:
    if case.limits.only_in_session and case.book.session_open is False:
        words = "The account's feed stands still, so the order could not be filled or watched."
        yield Refusal("limit.session_closed", words)


def _stale(case: _Case) -> Iterator[Refusal]:
    oldest, age = case.limits.max_price_age_seconds, case.order.price_age_seconds
    if oldest is not None and not age <= oldest:
        words = f"The last price of {case.order.symbol} is {age:.0f} s old; at most {oldest:.0f} s"
        yield Refusal("limit.stale_price", f"{words} are allowed. Look at the feed.")


def _worth(case: _Case) -> Iterator[Refusal]:
    equity = case.book.equity
    if not math.isfinite(equity) or equity <= 0.0:
        words = f"The account's equity is {equity:g}; nothing is opened without a positive one."
        yield Refusal("limit.no_equity", words)


def _unpriced(case: _Case) -> Iterator[Refusal]:
    if case.sums.unpriced:
        names = ", ".join(case.sums.unpriced[:5])
        words = f"There is no price for {names}, held or under way, so exposure is not known."
        yield Refusal("limit.unpriced", words)


def _daily_loss(case: _Case) -> Iterator[Refusal]:
    most, began = case.limits.max_daily_loss, case.book.day_start_equity
    loss = 1.0 - case.book.equity / began if began > 0.0 else 0.0
    if most is not None and loss >= most - SLACK:
        words = f"The account lost {loss:.1%} today; from {most:.1%} on nothing is opened."
        yield Refusal("limit.daily_loss", words)


def _order_value(case: _Case) -> Iterator[Refusal]:
    most, value = case.limits.max_order_value, case.order.quantity * case.order.price
    if most is not None and value > most * (1.0 + SLACK):
        words = f"The order is worth {value:,.2f}; the limit is {most:,.2f}."
        yield Refusal("limit.order_value", words)


def _order_quantity(case: _Case) -> Iterator[Refusal]:
    most, quantity = case.limits.max_order_quantity, case.order.quantity
    if most is not None and quantity > most * (1.0 + SLACK):
        words = f"The order is for {quantity:,g} units; the limit is {most:,g}."
        yield Refusal("limit.order_quantity", words)


def _position_value(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_position_value
    if most is not None and case.value > most * (1.0 + SLACK):
        words = f"{case.order.symbol} would be worth {case.value:,.2f}; the limit is {most:,.2f}."
        yield Refusal("limit.position_value", words)


def _position_share(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_position_share
    if most is not None and case.value > most * case.equity * (1.0 + SLACK):
        share = _share(case.value, case.equity)
        words = f"{case.order.symbol} would be {share} of equity; the limit is {most:.0%}."
        yield Refusal("limit.position_share", words)


def _position_min(case: _Case) -> Iterator[Refusal]:
    least = case.limits.min_position_value
    if least is not None and 0.0 < case.value < least * (1.0 - SLACK):
        words = f"{case.order.symbol} would be worth {case.value:,.2f}; the least is {least:,.2f}."
        yield Refusal("limit.position_min", words)


def _group(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_group_share
    if most is not None and case.sums.group > most * case.equity * (1.0 + SLACK):
        name, share = case.book.groups[case.order.symbol], _share(case.sums.group, case.equity)
        words = f"{name} would be {share} of equity; the limit for a sector is {most:.0%}."
        yield Refusal("limit.concentration", words)


def _risk(case: _Case) -> Iterator[Refusal]:
    most, order = case.limits.max_risk_per_trade, case.order
    if most is None:
        return
    stop = case.limits.protect_stop or DEFAULT_STOP
    share = stop if order.stop_share is None else order.stop_share
    # What turns a position round opens only what lies beyond nothing.
    opened = abs(case.after) if case.after * case.before < 0.0 else abs(case.after - case.before)
    risked = opened * order.price * share
    if risked > most * case.equity * (1.0 + SLACK):
        words = f"At a stop {share:.1%} away the trade loses {_share(risked, case.equity)} of"
        yield Refusal("limit.trade_risk", f"{words} equity; the limit is {most:.1%}.")


def _exposure(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_exposure
    if most is not None and case.sums.gross > most * case.equity * (1.0 + SLACK):
        share = _share(case.sums.gross, case.equity)
        words = f"Gross exposure would be {share} of equity; the limit is {most:.0%}."
        yield Refusal("limit.exposure", words)


def _net_exposure(case: _Case) -> Iterator[Refusal]:
    most, net = case.limits.max_net_exposure, abs(case.sums.net)
    if most is not None and net > most * case.equity * (1.0 + SLACK):
        words = f"Net exposure would be {_share(net, case.equity)} of equity; the limit is"
        yield Refusal("limit.net_exposure", f"{words} {most:.0%}.")


def _leverage(case: _Case) -> Iterator[Refusal]:
    sums = case.sums
    margin = _margin(case.limits, sums.gross - sums.perpetual, sums.perpetual)
    if margin > case.equity * (1.0 + SLACK):
        share = _share(margin, case.equity)
        parts = _leverage_words(case.limits)
        words = f"Positions would take {share} of equity as margin at {parts}."
        yield Refusal("limit.leverage", words)


def _margin(limits: Limits, spot: float, perpetual: float) -> float:
    """Return the equity that positions bind at the leverage allowed."""
    bound = 0.0
    if limits.max_leverage is not None:
        bound += spot / limits.max_leverage
    if limits.max_leverage_perpetual is not None:
        bound += perpetual / limits.max_leverage_perpetual
    return bound


def _leverage_words(limits: Limits) -> str:
    parts = []
    if limits.max_leverage is not None:
        parts.append(f"{limits.max_leverage:g} times")
    if limits.max_leverage_perpetual is not None:
        parts.append(f"{limits.max_leverage_perpetual:g} times on perpetuals")
    return " and ".join(parts)


def _count(case: _Case) -> Iterator[Refusal]:
    most = case.limits.max_positions
    held = {symbol for symbol, quantity in case.held.items() if quantity}
    after = len(held | {case.order.symbol})
    if most is not None and case.order.symbol not in held and after > most:
        words = f"This would be position {after}; at most {most} may be held at once."
        yield Refusal("limit.positions", words)


def _share(value: float, equity: float) -> str:
    return f"{value / equity:.1%}" if equity > 0.0 else "more than all"


Rule = Callable[[_Case], Iterator[Refusal]]
ALWAYS: tuple[Rule, ...] = (_halted, _duplicate, _repeated, _rate, _messages, _collar)
OPENING: tuple[Rule, ...] = (
    _stopped,
    _restricted,
    _session,
    _stale,
    _worth,
    _unpriced,
    _daily_loss,
    _order_value,
    _order_quantity,
    _position_value,
    _position_share,
    _position_min,
    _group,
    _risk,
    _exposure,
    _net_exposure,
    _leverage,
    _count,
)
