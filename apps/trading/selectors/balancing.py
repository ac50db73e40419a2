"""What a balancer is given: what is the account's own, instruments, returns, prices, the guard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.core.kernel.hashing import digest_arrays, digest_json
from apps.core.kernel.timeframes import seconds_of
from apps.market import selectors as market
from apps.market.selectors import FeedState
from apps.risk import selectors as risk
from apps.risk.kernel.balance import MIN_OBSERVATIONS
from apps.risk.kernel.limits import BUY, Holdings, Refusal, Ticket, check_order
from apps.trading.kernel.balancing import Policy
from apps.trading.kernel.scopes import covering
from apps.trading.models import Account, Order, Position
from apps.trading.selectors.guarding import RUNNING, guarded, price_age, stop_scopes
from apps.trading.selectors.halts import halted_among
from apps.trading.selectors.snapshots import find_feed
from apps.trading.selectors.trades import cash_factor
from apps.trading.selectors.windows import read_window

Floats = NDArray[np.float64]
DAY = 86_400
PRICE_BARS = 8
# Calendar time that holds a bar of time in session, at most: nights, weekends, holidays.
SPREAD_DAILY, SPREAD_WITHIN = 1.7, 7.0
TOO_SHORT = "Fewer than {least} of the last {bars} bars are known; what is held stays as it is."
NOT_NAMED = "It is not in universe {universe}; what is held stays as it is."
NOT_ON_FEED = "Feed {feed} has no such instrument."
NO_BAR = "The account has seen no bar of its feed yet."
UNPRICED = "It has no price on the feed now; what is held stays as it is."


@dataclass(frozen=True, slots=True)
class OwnBook:
    """What no strategy of an account holds: cash, quantities, orders under way."""

    cash: float
    exact: dict[str, Decimal]
    waiting: int
    prices: dict[str, float]

    @property
    def quantities(self) -> dict[str, float]:
        """Return what is held by symbol."""
        return {symbol: float(quantity) for symbol, quantity in self.exact.items()}

    @property
    def held_value(self) -> float:
        """Return positions at their last prices."""
        return sum(q * self.prices[symbol] for symbol, q in self.quantities.items())

    @property
    def value(self) -> float:
        """Return cash and positions at their last prices."""
        return self.cash + self.held_value


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that decides what a balance comes to.

    ``base`` is the money that is balanced: cash, and what is held of ``symbols``.
    """

    symbols: tuple[str, ...]
    returns: Floats
    prices: dict[str, float]
    held: dict[str, float]
    base: float
    left_out: dict[str, str]
    bar_at: datetime | None
    digest: str

    @property
    def weights(self) -> dict[str, float]:
        """Return what is held as shares of the base."""
        return {
            symbol: self.held.get(symbol, 0.0) * self.prices[symbol] / self.base
            for symbol in self.symbols
        }


def own_book(account: Account) -> OwnBook:
    """Return what is the account's own: deployments hold the rest."""
    rows = list(Position.objects.filter(account=account, deployment=None).order_by("symbol"))
    waiting = Order.objects.filter(account=account, deployment=None, finished_at=None).count()
    return OwnBook(
        float(account.cash),
        {row.symbol: row.quantity for row in rows},
        waiting,
        {row.symbol: float(row.last_price) for row in rows},
    )


def state_of(account: Account, version: int, book: OwnBook) -> dict[str, Any]:
    """Return what must be the same when trades are made as when they were computed."""
    held = {symbol: str(quantity) for symbol, quantity in sorted(book.exact.items())}
    return {
        "balancer": version,
        "epoch": account.epoch,
        "cash": str(account.cash),
        "held": held,
    }


def find_obstacle(account: Account) -> tuple[str, str]:
    """Return why nothing may be balanced now, as (code, words); empty when nothing stands by."""
    feed, book = find_feed(account.feed), own_book(account)
    if feed is None or feed.status != RUNNING:
        return "balancer.feed", f"Feed {account.feed} does not run; nothing would fill."
    if feed.epoch != account.epoch or account.last_bar_at is None:
        return "balancer.no_bar", NO_BAR
    halts = halted_among(covering(team_id=account.team_id, account_id=account.pk))
    if halts:
        return "balancer.halted", f"{halts[0].scope} is halted: {halts[0].reason}"
    stops = risk.blocking_among(stop_scopes(account.team_id, account.pk))
    if stops:
        return "balancer.stopped", f"The emergency stop of {stops[0]} is active."
    if book.waiting:
        words = f"{book.waiting} of the account's own orders are still under way."
        return "balancer.orders_open", words
    if not book.quantities and book.cash <= 0.0:
        return "balancer.nothing_own", "Strategies hold all of the account; nothing is left to it."
    return "", ""


def read_inputs(account: Account, policy: Policy, version: int) -> Inputs:
    """Return what the optimiser is given. Raises ``Invalid``, ``NotFound`` in words."""
    feed, book = market.feed_state(account.feed), own_book(account)
    if account.last_bar_at is None or account.epoch != feed.epoch:
        raise Invalid(NO_BAR, code="balancer.no_bar")
    wanted, left_out = _instruments(feed, book, policy, account.team_id)
    found, closes = _returns(account, feed, wanted, policy.window)
    prices = last_prices(account, feed, found)
    keep = []
    for column, symbol in enumerate(found):
        known = int(np.isfinite(closes[:, column]).sum())
        if known <= MIN_OBSERVATIONS:
            left_out[symbol] = TOO_SHORT.format(least=MIN_OBSERVATIONS + 1, bars=len(closes))
        elif symbol not in prices:
            left_out[symbol] = UNPRICED
        else:
            keep.append(column)
    symbols = tuple(found[column] for column in keep)
    _check_enough(symbols, policy, left_out)
    seen = closes[:, keep]
    held = {symbol: book.quantities.get(symbol, 0.0) for symbol in symbols}
    base = book.cash + sum(held[symbol] * prices[symbol] for symbol in symbols)
    _check_base(base, account)
    returns = seen[1:] / seen[:-1] - 1.0
    digest = digest_json(
        {
            "state": state_of(account, version, book),
            "symbols": list(symbols),
            "returns": digest_arrays(returns=returns),
            "prices": {symbol: prices[symbol] for symbol in symbols},
        }
    )
    return Inputs(symbols, returns, prices, held, base, left_out, account.last_bar_at, digest)


def _instruments(
    feed: FeedState, book: OwnBook, policy: Policy, team_id: int
) -> tuple[list[str], dict[str, str]]:
    """Return what is balanced, and what is not with the reason."""
    if not policy.universe:
        named = list(book.quantities)
    else:
        version = policy.universe_version or None
        universe = market.get_universe(team_id=team_id, name=policy.universe, version=version)
        named = list(universe.symbols)
    left_out = {
        symbol: NOT_NAMED.format(universe=policy.universe)
        for symbol in book.quantities
        if symbol not in named
    }
    on_feed = set(feed.symbols)
    left_out |= {s: NOT_ON_FEED.format(feed=feed.name) for s in named if s not in on_feed}
    return [symbol for symbol in named if symbol in on_feed], left_out


def _returns(
    account: Account, feed: FeedState, symbols: list[str], window: int
) -> tuple[list[str], Floats]:
    """Return the closes, with dividends, of the last bars up to the account's newest."""
    until = account.last_bar_at
    if until is None or not symbols:
        return [], np.empty((0, 0))
    bar = seconds_of(feed.timeframe)
    spread = 1.0 if feed.calendar == "24/7" else SPREAD_DAILY if bar >= DAY else SPREAD_WITHIN
    since = until - timedelta(seconds=bar * spread * (window + 10) + 10 * DAY)
    panel = market.read_panel(
        team_id=None,
        timeframe=feed.timeframe,
        start=since,
        end=until,
        instruments=symbols,
        price_mode="total_return",
        dataset=feed.dataset,
    )
    return list(panel.symbols), np.asarray(panel.close[-(window + 1) :], dtype=np.float64)


def last_prices(account: Account, feed: FeedState, symbols: Sequence[str]) -> dict[str, float]:
    """Return the last closes of symbols on the account's feed, those that have one."""
    until = account.last_bar_at
    back = timedelta(seconds=PRICE_BARS * seconds_of(feed.timeframe))
    panel = read_window(feed, since=until - back, until=until) if until else None
    if panel is None:
        return {}
    columns = {symbol: column for column, symbol in enumerate(panel.symbols)}
    found = {}
    for symbol in symbols:
        closes = panel.close[-PRICE_BARS:, columns[symbol]] if symbol in columns else np.empty(0)
        known = closes[np.isfinite(closes) & (closes > 0.0)]
        if len(known):
            found[symbol] = float(known[-1])
    return found


def _check_enough(symbols: Sequence[str], policy: Policy, left_out: Mapping[str, str]) -> None:
    if len(symbols) >= 2:
        return
    where = f"Universe {policy.universe}" if policy.universe else "What the account itself holds"
    message = (
        f"{where} leaves {len(symbols)} instruments to balance, and two are the least. "
        "Hold more of them, or name a universe."
    )
    raise Invalid(message, code="balancer.instruments", details={"left_out": dict(left_out)})


def _check_base(base: float, account: Account) -> None:
    if not base > 0.0:
        message = (
            f"Cash and holdings that no strategy holds come to {base:,.2f} {account.currency}; "
            "there is nothing to balance."
        )
        raise Invalid(message, code="balancer.base")


def judge_trades(
    account: Account, orders: Sequence[Order], now: datetime
) -> list[tuple[Order, list[Refusal]]]:
    """Return what the guard says of orders that follow each other, none of which is stored.

    Each is judged with those before it that pass under way, as it will be when they are placed.
    """
    if not orders:
        return []
    prices = {order.symbol: float(order.reference_price) for order in orders}
    seen = guarded(account, now, prices)
    book, found = seen.book, []
    cash, own = float(account.cash), own_book(account)
    for order in orders:
        ticket = Ticket(
            symbol=order.symbol,
            side=order.side,
            quantity=float(order.quantity),
            price=prices[order.symbol],
            reference=prices[order.symbol],
            price_age_seconds=price_age(account, seen.feed, order.symbol),
            client_id=order.client_id,
        )
        refusals = check_order(ticket, book, seen.limits)
        moves = _cash_of(account, order, own)
        if cash + moves < 0.0 and order.side == BUY:
            words = f"It costs about {-moves:,.2f} {account.currency}; {cash:,.2f} will be free."
            refusals = [*refusals, Refusal("order.cash", words)]
        found.append((order, refusals))
        if not refusals:
            cash, book = cash + moves, _with(book, ticket)
    return found


def _cash_of(account: Account, order: Order, own: OwnBook) -> float:
    """Return what an order brings in, negative for what it costs; short sales bring nothing."""
    price, quantity = float(order.reference_price), float(order.quantity)
    if order.side == BUY:
        return -quantity * price * cash_factor(account)
    sold = min(quantity, max(own.quantities.get(order.symbol, 0.0), 0.0))
    return sold * price * (2.0 - cash_factor(account))


def _with(book: Holdings, ticket: Ticket) -> Holdings:
    pending: dict[str, float] = defaultdict(float, book.pending)
    pending[ticket.symbol] += ticket.signed
    return replace(
        book,
        pending=dict(pending),
        orders_last_minute=book.orders_last_minute + 1,
        messages_last_minute=book.messages_last_minute + 1,
    )
