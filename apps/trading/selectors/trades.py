"""A single trade before it is made: its price, what the guard says, and the book with it."""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from apps.approvals import selectors as approvals
from apps.core.errors import Conflict, Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.core.plugs import load_plug
from apps.market import selectors as market
from apps.risk import selectors as risk
from apps.risk.kernel.limits import BUY, SELL, Refusal, Ticket, check_order
from apps.trading.brokers.base import Broker
from apps.trading.kernel.money import to_money, to_quantity
from apps.trading.models import Account, Balance, Order, Position
from apps.trading.selectors.accounts import get_account
from apps.trading.selectors.guarding import guarded, price_age
from apps.trading.selectors.orders import get_order
from apps.trading.selectors.snapshots import find_feed, holdings_of
from apps.trading.selectors.windows import read_window

BROKERS = "BROKERS"
MAX_CLIENT_ID = 80
# More than anybody means, and about as much as can be stored.
MOST = Decimal(10) ** 15
PRICE_BARS = 8
# What a proposal's terms say of the trade itself.
ASKED = ("symbol", "side", "quantity", "kind", "client_id")
AGAIN = ("symbol", "side", "quantity", "kind")
ORDER = "order"
MINUTES = "approvals.order_minutes"


@dataclass(frozen=True, slots=True)
class Preview:
    """A trade as it would be: its price, the book before and after, what the guard says now."""

    price: float
    book: list[dict[str, Any]]
    guard: dict[str, Any]


def last_price(account: Account, symbol: str) -> float:
    """Return a symbol's last close on the account's feed. Raises ``Invalid``, ``Conflict``."""
    feed = market.feed_state(account.feed)
    if symbol not in feed.symbols:
        message = f"{symbol} is not on feed {feed.name}, which has {len(feed.symbols)} symbols."
        raise Invalid(message, code="order.symbol", details={"field": "symbol"})
    until = account.last_bar_at
    back = timedelta(seconds=PRICE_BARS * seconds_of(feed.timeframe))
    panel = read_window(feed, since=until - back, until=until) if until else None
    if panel is not None:
        closes = panel.close[:, panel.symbols.index(symbol)]
        known = closes[closes == closes]
        if len(known):
            return float(known[-1])
    message = f"{symbol} has no price yet on feed {feed.name}; wait for its next bar."
    raise Conflict(message, code="order.no_price", details={"field": "symbol"})


def refusals_of(
    account: Account, order: Order, now: datetime, *, holds: bool = False
) -> list[Refusal]:
    """Return every reason why the guard would refuse an order by hand, which is not stored yet.

    With ``holds``, in the transaction that stores it, no emergency stop trips in between.
    """
    price = float(order.reference_price)
    seen = guarded(account, now, {order.symbol: price}, holds=holds)
    ticket = Ticket(
        symbol=order.symbol,
        side=order.side,
        quantity=float(order.quantity),
        price=price,
        reference=price,
        price_age_seconds=price_age(account, seen.feed, order.symbol),
        client_id=order.client_id,
    )
    return check_order(ticket, seen.book, seen.limits) + _too_dear(account, order, price)


def _too_dear(account: Account, order: Order, price: float) -> list[Refusal]:
    """Refuse a purchase that the cash no deployment holds can't pay.

    Sales of what is held that are under way count: they fill at the same open, before it.
    """
    cost = float(order.quantity) * price * cash_factor(account)
    working = list(Order.objects.filter(account=account, deployment=None, finished_at=None))
    bound = sum(float(o.quantity * o.reference_price) for o in working if o.side == BUY)
    if order.side == "sell" or cost + bound <= float(account.cash) + _proceeds(account, working):
        return []
    words = f"It costs about {cost:,.2f} {account.currency}; {account.cash:,.2f} are free."
    return [Refusal("order.cash", words)]


def _proceeds(account: Account, working: Sequence[Order]) -> float:
    """Return what sales under way bring in as far as the account itself holds what they sell."""
    sold: dict[str, float] = defaultdict(float)
    prices: dict[str, float] = {}
    for order in working:
        if order.side == SELL:
            sold[order.symbol] += float(order.quantity - order.filled_quantity)
            prices[order.symbol] = float(order.reference_price)
    if not sold:
        return 0.0
    rows = Position.objects.filter(account=account, deployment=None, symbol__in=list(sold))
    kept = 2.0 - cash_factor(account)
    return sum(
        min(sold[row.symbol], max(float(row.quantity), 0.0)) * prices[row.symbol] * kept
        for row in rows
    )


def cash_factor(account: Account) -> float:
    """Return what a purchase costs by its value: slippage and fees."""
    return (1.0 + account.slippage_bps * 1e-4) * (1.0 + account.fee_bps * 1e-4)


def check_shape(
    account: Account, kind: str, side: str, quantity: Decimal, client_id: str = ""
) -> None:
    """Raise ``Invalid`` for an order by hand that the account's broker can't take."""
    broker: Broker = load_plug(BROKERS, account.broker)
    if kind != Order.Kind.MARKET or kind not in broker.capabilities.kinds:
        message = (
            f"{broker.capabilities.title} takes market orders by hand; {kind!r} is not supported "
            "and is not turned into something else."
        )
        raise Invalid(message, code="order.kind", details={"field": "kind"})
    if side not in ("buy", "sell"):
        message = f"The side is {side!r}; it is buy or sell."
        raise Invalid(message, code="order.side", details={"field": "side"})
    sound = math.isfinite(quantity) and 0 < quantity <= MOST
    if not sound or to_quantity(float(quantity)) <= 0:
        message = f"The quantity is {quantity}; it must be above 0 and at most {MOST:g}."
        raise Invalid(message, code="order.quantity", details={"field": "quantity"})
    if account.units == "whole" and quantity != int(quantity):
        message = f"{account.name} trades whole units; {quantity} is not whole."
        raise Invalid(message, code="order.whole_units", details={"field": "quantity"})
    if len(client_id) > MAX_CLIENT_ID or not client_id.isascii():
        message = f"The client id is longer than {MAX_CLIENT_ID} ASCII characters."
        raise Invalid(message, code="order.client_id", details={"field": "client_id"})


def draft(
    account: Account,
    *,
    symbol: str,
    side: str,
    quantity: Decimal,
    now: datetime,
    kind: str = "market",
    client_id: str = "",
    price: float | None = None,
    created_by: str = "",
) -> Order:
    """Return an order by hand that is not stored yet. Raises ``Invalid``, ``Conflict``."""
    check_shape(account, kind, side, quantity, client_id)
    return Order(
        team_id=account.team_id,
        client_id=client_id or f"m{uuid.uuid4().hex}",
        account=account,
        symbol=symbol,
        kind=kind,
        side=side,
        quantity=to_quantity(float(quantity)),
        reference_price=to_money(last_price(account, symbol) if price is None else price),
        epoch=account.epoch,
        bar_at=account.last_bar_at,
        created_by=created_by,
        created_at=now,
    )


def preview_trade(account_id: int, team_id: int, *, now: datetime, **asked: Any) -> Preview:
    """Return what a trade would do. Raises ``NotFound``, ``Invalid``, ``Conflict``."""
    return preview(draft(get_account(account_id, team_id), **asked, now=now), now)


def preview(order: Order, now: datetime) -> Preview:
    """Return what an order that is not stored would do, as its account stands."""
    account = order.account
    refusals = refusals_of(account, order, now)
    reasons = [{"code": one.code, "message": one.message} for one in refusals]
    guard = {"passes": not refusals, "reasons": reasons, "at": now.isoformat()}
    return Preview(float(order.reference_price), _book(account, order, now), guard)


def _book(account: Account, order: Order, now: datetime) -> list[dict[str, Any]]:
    symbol, price = order.symbol, float(order.reference_price)
    seen = holdings_of(account, now, {symbol: price})
    held, waiting = seen.positions.get(symbol, 0.0), seen.pending.get(symbol, 0.0)
    signed = float(order.quantity) * (1.0 if order.side == BUY else -1.0)
    then, cash, equity = held + signed, float(account.cash), account.equity
    cost = signed * price * (cash_factor(account) if signed > 0.0 else 2.0 - cash_factor(account))
    gross = account.gross - abs(held * price) + abs(then * price)
    count = sum(1 for quantity in seen.positions.values() if quantity)
    rows = [
        (f"{symbol} held", held, then, 4),
        (f"{symbol}, value", held * price, then * price, 2),
        (f"{symbol}, of equity", _share(held * price, equity), _share(then * price, equity), 4),
        ("Held, gross", account.gross, gross, 2),
        ("Held, share of equity", _share(account.gross, equity), _share(gross, equity), 4),
        ("Cash that no strategy holds", cash, cash - cost, 2),
        ("Instruments held", count, count + (held == 0.0) - (then == 0.0), 0),
    ]
    if waiting:
        rows.insert(1, (f"{symbol} under way already", waiting, waiting, 4))
    names = ("name", "before", "after", "places")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def order_minutes(team_id: int) -> int:
    """Return how many minutes a proposed trade may wait at most."""
    return int(approvals.get_setting(team_id, MINUTES))


def trade_page(account_id: int, team_id: int) -> dict[str, Any]:
    """Return what the form for a single trade offers. Raises ``NotFound``."""
    account = get_account(account_id, team_id)
    feed = find_feed(account.feed)
    return {
        "account": account,
        "symbols": sorted(feed.symbols) if feed else [],
        "minutes": order_minutes(team_id),
        "sides": [("buy", "Buy"), ("sell", "Sell")],
        "kinds": [("market", "Market")],
    }


class TradeOutcome:
    """What became of a proposed trade, for the page of its proposal."""

    def read(
        self,
        *,
        team_id: int,
        status: str,
        terms: Mapping[str, Any],
        now: datetime,
        **others: Any,  # noqa: ARG002 a proposal may come to say more
    ) -> dict[str, Any]:
        """Return the guard's verdict as of now while it waits, else the order that was sent."""
        account = Account.objects.filter(pk=int(terms["account_id"]), team_id=team_id).first()
        if account is None:
            return {}
        asked = urlencode({name: terms[name] for name in AGAIN})
        found = {"again": f"/live/{account.pk}/propose/?{asked}"}
        if status == "open":
            seen = risk.show_proposed(team_id=team_id, kind=ORDER, terms=terms, now=now)
            return found | {"guard": self._guard(account, terms, now), "what_if": seen}
        order = Order.objects.filter(account=account, client_id=terms.get("client_id", "")).first()
        return found if order is None else found | _told(order)

    def _guard(self, account: Account, terms: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        asked = {name: terms[name] for name in ASKED}
        asked["quantity"] = Decimal(asked["quantity"])
        try:
            return preview(draft(account, **asked, now=now), now).guard
        except (Invalid, Conflict) as error:
            return {"passes": False, "reasons": [{"code": error.code, "message": error.message}]}


def _told(order: Order) -> dict[str, Any]:
    """Return an order in lines."""
    times = {"Sent": order.sent_at, "Finished": order.finished_at}
    figures = {
        "Filled": order.filled_quantity,
        "At, on average": order.average_price,
        "Fees": order.fees,
    }
    return {
        "rows": [
            {"name": "State", "value": order.state.replace("_", " ")},
            *({"name": name, "number": one} for name, one in figures.items() if one is not None),
            *({"name": name, "at": one} for name, one in times.items() if one is not None),
        ],
        "reasons": order.reasons,
        "state": order.state,
        "links": [{"label": "Order", "href": f"/live/orders/{order.pk}/"}],
    }


def find_agreement(order: Order) -> UUID | None:
    """Return the proposal under which an order by hand was sent; None for one nobody proposed."""
    rows = approvals.list_proposals(
        order.team_id, status="approved", kind=ORDER, subject=f"order:{order.client_id}"
    )
    found = rows.first()
    return None if found is None else found.pk


def find_balance(order: Order) -> Balance | None:
    """Return the run of the balancer that made an order; None for any other order."""
    if order.created_by != "system:balancer":
        return None
    rows = Balance.objects.filter(account_id=order.account_id)
    return rows.filter(trades__contains=[{"client_id": order.client_id}]).first()


def order_page(order_id: UUID, team_id: int) -> dict[str, Any]:
    """Return an order with its fills and whose agreement it rests on. Raises ``NotFound``."""
    order = get_order(order_id, team_id)
    balance = find_balance(order)
    return {
        "order": order,
        "account": order.account,
        "fills": list(order.fills.order_by("id")),
        "value": order.quantity * order.reference_price,
        "balance": balance,
        "proposal_id": balance.proposal_id if balance else find_agreement(order),
    }
