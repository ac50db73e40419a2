"""What an account would trade, and what the guard would say of it; nothing is stored or sent."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.backtests.kernel.costs import Costs
from apps.core.errors import Conflict, Invalid
from apps.core.plugs import load_plug
from apps.risk import selectors as risk
from apps.risk.kernel.limits import BUY, SELL, Holdings, Limits, Refusal, Ticket, check_order
from apps.risk.kernel.limits import strictest as strictest_of
from apps.risk.selectors.what_if import Asked, Proposed, Trade, Wanted
from apps.strategies import selectors as strategies
from apps.trading.brokers.base import Broker
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.models import Account, Order
from apps.trading.selectors.accounts import get_account, terms_of
from apps.trading.selectors.guarding import facts_of, guarded, price_age
from apps.trading.selectors.pages import find_busiest_account
from apps.trading.selectors.snapshots import find_feed, holdings_of
from apps.trading.selectors.trades import check_shape, last_price, refusals_of

BROKERS = "BROKERS"
KIND = "account:"
# A trade worth less than this share of a price's last place is none.
LEAST = 1e-9


@dataclass(slots=True)
class _Shown:
    """The account's book while trades are judged one after the other."""

    account: Account
    now: datetime
    book: Holdings
    limits: Limits
    is_by_hand: bool
    cash: float
    ages: dict[str, float] = field(default_factory=dict)


def asked_of(account_id: int, team_id: int, wanted: Wanted, now: datetime) -> Asked:
    """Return the trades that are wanted, with every reason of the guard against each.

    Raises ``NotFound``, ``Invalid``, ``Conflict`` as for an order.
    """
    account = get_account(account_id, team_id)
    left: list[dict[str, str]] = []
    if wanted.orders:
        lines = [_of_order(account, row) for row in wanted.orders]
    else:
        lines = _of_values(account, wanted, now, left)
    feed = find_feed(account.feed)
    symbols = {line[0] for line in lines} | set(holdings_of(account, now).positions)
    place = f"{feed.dataset}:" if feed else ""
    return Asked(
        trades=_judged(account, lines, wanted.strategy, now),
        left_out=left,
        sectors=facts_of(feed, symbols).sectors,
        instruments={symbol: f"{place}{symbol}" for symbol in symbols},
    )


def _of_order(account: Account, row: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return symbol, signed quantity and price of an order as a client asks for it."""
    symbol, side = str(row["symbol"]).strip().upper(), str(row["side"])
    try:
        quantity = Decimal(str(row["quantity"]))
    except InvalidOperation:
        message = f"The quantity is {row['quantity']!r}; it is no number."
        raise Invalid(message, code="order.quantity", details={"field": "quantity"}) from None
    check_shape(account, Order.Kind.MARKET, side, quantity)
    price = float(to_money(last_price(account, symbol)))
    exact = float(to_quantity(float(quantity)))
    return symbol, exact if side == BUY else -exact, price


def _of_values(
    account: Account, wanted: Wanted, now: datetime, left: list[dict[str, str]]
) -> list[tuple[str, float, float]]:
    """Return the trades that reach weights, or put money into symbols; unpriced ones are left."""
    held = holdings_of(account, now).positions
    lines = []
    for symbol, share in (wanted.weights or wanted.added).items():
        if not math.isfinite(share):
            message = f"{symbol} is to have {share}; give finite numbers."
            raise Invalid(message, code="risk.weights", details={"field": "weights"})
        try:
            price = float(to_money(last_price(account, symbol)))
        except (Invalid, Conflict) as error:
            if wanted.weights:
                raise
            left.append({"symbol": symbol, "why": error.message})
            continue
        value = share * account.equity - held.get(symbol, 0.0) * price
        signed = (value if wanted.weights else share) / price
        lines += _sized(account, symbol, signed, price)
    return lines


def _sized(
    account: Account, symbol: str, signed: float, price: float
) -> list[tuple[str, float, float]]:
    quantity = math.trunc(signed) if account.units == "whole" else signed
    exact = float(to_quantity(quantity))
    return [(symbol, exact, price)] if abs(exact) > LEAST else []


def _judged(
    account: Account, lines: Sequence[tuple[str, float, float]], strategy: str, now: datetime
) -> list[Trade]:
    """Return the trades in their order, sales first: what they bring pays for the purchases."""
    if not lines:
        return []
    shown = _shown(account, lines, strategy, now)
    ordered = sorted(lines, key=lambda line: line[1] > 0.0)
    costs, broker = terms_of(account).costs, _broker(account)
    single = len(lines) == 1 and not strategy
    return [_trade(shown, line, broker, costs, is_single=single) for line in ordered]


def _shown(
    account: Account, lines: Sequence[tuple[str, float, float]], strategy: str, now: datetime
) -> _Shown:
    seen = guarded(account, now, {symbol: price for symbol, _, price in lines})
    limits = seen.limits
    if strategy:
        own = risk.strategy_limits(team_id=account.team_id, strategies=[strategy])
        limits = strictest_of(limits, own[strategy]) if strategy in own else limits
    ages = {symbol: price_age(account, seen.feed, symbol) for symbol, _, _ in lines}
    cash = float(account.cash)
    return _Shown(account, now, seen.book, limits, not strategy, cash, ages)


def _broker(account: Account) -> Broker:
    plug: Broker = load_plug(BROKERS, account.broker)
    return plug


def _trade(
    shown: _Shown,
    line: tuple[str, float, float],
    broker: Broker,
    costs: Costs,
    *,
    is_single: bool,
) -> Trade:
    symbol, signed, price = line
    done = broker.fill_quantity(signed, price, costs)
    spent = done.quantity * done.price + done.fee
    refusals = _single(shown, line) if is_single else _one_of_many(shown, line, spent)
    return Trade(
        symbol=symbol,
        side=BUY if signed > 0.0 else SELL,
        quantity=abs(done.quantity),
        price=price,
        cost=done.quantity * (done.price - price) + done.fee,
        reasons=[{"code": one.code, "message": one.message} for one in refusals],
    )


def _single(shown: _Shown, line: tuple[str, float, float]) -> list[Refusal]:
    """Return what the guard would say if the order were sent now, word for word."""
    symbol, signed, price = line
    order = Order(
        team_id=shown.account.team_id,
        account=shown.account,
        client_id=f"w{uuid.uuid4().hex}",
        symbol=symbol,
        side=BUY if signed > 0.0 else SELL,
        quantity=to_quantity(abs(signed)),
        reference_price=to_money(price),
    )
    return refusals_of(shown.account, order, shown.now)


def _one_of_many(shown: _Shown, line: tuple[str, float, float], spent: float) -> list[Refusal]:
    """Ask the guard with the trades before this one that passed counted as under way.

    ``spent`` is what it takes from cash, below zero what it brings.
    """
    symbol, signed, price = line
    ticket = Ticket(
        symbol=symbol,
        side=BUY if signed > 0.0 else SELL,
        quantity=abs(signed),
        price=price,
        reference=price,
        price_age_seconds=shown.ages[symbol],
    )
    found = check_order(ticket, shown.book, shown.limits)
    if shown.is_by_hand and signed > 0.0 and spent > shown.cash:
        words = f"It costs about {spent:,.2f}; {shown.cash:,.2f} would be free by then."
        found.append(Refusal("order.cash", words))
    if not found:
        pending = dict(shown.book.pending)
        pending[symbol] = pending.get(symbol, 0.0) + signed
        shown.cash -= spent
        shown.book = replace(
            shown.book,
            pending=pending,
            orders_last_minute=shown.book.orders_last_minute + 1,
            messages_last_minute=shown.book.messages_last_minute + 1,
        )
    return found


def proposed_by(kind: str, terms: Mapping[str, Any], team_id: int) -> Proposed | None:
    """Return what a proposal would trade; None for one that trades nothing."""
    if kind == "order" and "account_id" in terms:
        order = {name: terms[name] for name in ("symbol", "side", "quantity")}
        return Proposed(f"{KIND}{terms['account_id']}", Wanted(orders=(order,)))
    run = (terms.get("data") or {}).get("run", "") if kind == "promotion" else ""
    if not run:
        return None
    return _promotion(terms, run, team_id)


def _promotion(terms: Mapping[str, Any], run: str, team_id: int) -> Proposed | None:
    number, note = terms.get("account"), ""
    if number is None:
        busiest = find_busiest_account(team_id)
        if busiest is None:
            return None
        number, note = busiest.pk, f"It names no account; shown for {busiest.name}."
    account = get_account(int(number), team_id)
    asked = terms.get("capital_usd")
    capital = min(float(asked or account.cash), float(account.cash))
    wanted = Wanted(strategy=_strategy_of(terms, team_id))
    return Proposed(f"{KIND}{number}", wanted, note, run, capital)


def _strategy_of(terms: Mapping[str, Any], team_id: int) -> str:
    """Return the name of the strategy whose own limits hold as well."""
    found = strategies.find_version(team_id=team_id, digest=str(terms.get("version", "")))
    return "" if found is None else found.name
