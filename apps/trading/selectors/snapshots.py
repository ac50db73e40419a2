"""What the live page shows of an account, whole: a client that lost touch fetches this again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q

from apps.core.errors import Invalid, NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market import selectors as market
from apps.market.kernel.bars import Panel
from apps.market.selectors import FeedState
from apps.risk.kernel.limits import Holdings
from apps.trading import store
from apps.trading.kernel.performance import drawdown
from apps.trading.kernel.scopes import covering
from apps.trading.models import Account, Deployment, Order, Position
from apps.trading.selectors.accounts import (
    account_json,
    get_account,
    get_deployment,
    list_deployments,
)
from apps.trading.selectors.halts import halt_json, halted_among
from apps.trading.selectors.orders import order_json
from apps.trading.selectors.positions import list_positions, position_json

SPARK_BARS = 30
SHOWN_ORDERS = 60
SHOWN_DEPLOYMENTS = 50
MAX_POINTS = 20_000
MINUTE = timedelta(seconds=60)
EPOCH_START = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def account_snapshot(account_id: int, team_id: int) -> dict[str, Any]:
    """Return the account with positions, sparklines, orders, deployments and halts."""
    account = get_account(account_id, team_id)
    feed = find_feed(account.feed)
    deployments = list(list_deployments(team_id, account_id=account_id)[:SHOWN_DEPLOYMENTS])
    orders = Order.objects.filter(account_id=account_id).order_by("-created_at", "-id")
    return {
        "account": account_json(account),
        "feed": feed_json(feed),
        "positions": positions_json(account, sparks_of(feed, account)),
        "orders": [order_json(order) for order in orders[:SHOWN_ORDERS]],
        "deployments": [deployment_json(row) for row in deployments],
        "halts": [halt_json(row) for row in halts_of(account, deployments)],
    }


def find_feed(name: str) -> FeedState | None:
    """Return a feed, or None when it is gone."""
    try:
        return market.feed_state(name)
    except NotFound:
        return None


def feed_json(feed: FeedState | None) -> dict[str, Any] | None:
    """Return a feed as the live page shows it."""
    if feed is None:
        return None
    return {
        "name": feed.name,
        "status": feed.status,
        "timeframe": feed.timeframe,
        "position_at": feed.position_at,
        "progress": feed.progress,
        "seconds_per_bar": feed.seconds_per_bar,
        "epoch": feed.epoch,
    }


def halts_of(account: Account, deployments: list[Deployment]) -> list[Any]:
    """Return the halts in force that touch the account or one of its deployments."""
    scopes = covering(team_id=account.team_id, account_id=account.pk)
    return halted_among([*scopes, *(f"deployment:{row.pk}" for row in deployments)])


def positions_json(account: Account, sparks: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """Return the account's positions, the largest first."""
    rows = [
        {**position_json(row, account.equity), "spark": sparks.get(row.symbol, [])}
        for row in list_positions(account.team_id, account_id=account.pk)
    ]
    return sorted(rows, key=lambda row: -abs(row["value"]))


def deployment_json(row: Deployment) -> dict[str, Any]:
    """Return a deployment as clients see it."""
    return {
        "id": row.pk,
        "account_id": row.account_id,
        "version_id": row.version_id,
        "version": row.version_label,
        "digest": row.version_digest,
        "approval_id": row.approval_id,
        "strategy": row.strategy,
        "params": row.params,
        "feed": row.feed,
        "epoch": row.epoch,
        "symbols": row.symbols,
        "allocation": row.allocation,
        "status": row.status,
        "note": row.note,
        "equity": row.equity,
        "total_return": row.equity / float(row.allocation) - 1.0,
        "bars_done": row.bars_done,
        "last_bar_at": row.last_bar_at,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
    }


def sparks_of(feed: FeedState | None, account: Account) -> dict[str, list[float]]:
    """Return the last closes of each symbol held."""
    held = sorted(set(account.positions.values_list("symbol", flat=True)))
    until = account.last_bar_at
    if feed is None or until is None or not held:
        return {}
    spread = 1.0 if feed.calendar == "24/7" else 2.0
    back = timedelta(seconds=spread * seconds_of(feed.timeframe) * (SPARK_BARS + 5))
    known = [symbol for symbol in held if symbol in feed.symbols]
    if not known:
        return {}
    panel = market.read_panel(
        team_id=None,
        timeframe=feed.timeframe,
        start=until - back,
        end=until,
        instruments=known,
        price_mode=feed.price_mode,
        dataset=feed.dataset,
    )
    return sparks_in(panel)


def sparks_in(panel: Panel) -> dict[str, list[float]]:
    """Return the last closes by symbol."""
    tail = panel.close[-SPARK_BARS:]
    return {
        symbol: tail[:, a][tail[:, a] == tail[:, a]].tolist()
        for a, symbol in enumerate(panel.symbols)
    }


def holdings_of(
    account: Account, now: datetime, prices: Mapping[str, float] | None = None
) -> Holdings:
    """Return what the guard has to know of an account."""
    held: dict[str, float] = defaultdict(float)
    last: dict[str, float] = dict(prices or {})
    for row in Position.objects.filter(account_id=account.pk):
        held[row.symbol] += float(row.quantity)
        last.setdefault(row.symbol, float(row.last_price))
    pending: dict[str, float] = defaultdict(float)
    working = Order.objects.filter(account_id=account.pk, finished_at=None)
    for order in working:
        if not order.terms.get("reduce_only"):
            left = float(order.quantity - order.filled_quantity)
            pending[order.symbol] += left if order.side == "buy" else -left
            last.setdefault(order.symbol, float(order.reference_price))
    sent = count_by_hand(account, now)
    return Holdings(
        equity=account.equity,
        day_start_equity=account.day_start_equity,
        positions=dict(held),
        prices=last,
        pending=dict(pending),
        orders_last_minute=sent.orders,
        messages_last_minute=sent.messages,
    )


@dataclass(frozen=True, slots=True)
class SentCount:
    """How many orders went out in a minute, and how many orders and withdrawals together."""

    orders: int
    messages: int


def count_at_bar(account: Account, closed_at: datetime, now: datetime) -> SentCount:
    """Return what was sent in the minute that ends at a bar's close, refused orders left out.

    Strategies live on the feed's clock: bars that are stepped late, many at once, count each for
    its own minute. Orders by hand count for the last minute of the real clock.
    """
    of_strategies = Q(
        deployment__isnull=False,
        epoch=account.epoch,
        bar_at__gt=closed_at - MINUTE,
        bar_at__lte=closed_at,
    )
    by_hand = Q(deployment=None, created_at__gt=now - MINUTE)
    return _counted(account, of_strategies | by_hand)


def count_by_hand(account: Account, now: datetime) -> SentCount:
    """Return what counts for an order made by hand now, refused ones left out.

    That of the last minute; of strategies only what was decided at the newest bar.
    """
    newest = Q(epoch=account.epoch, bar_at__gt=account.last_bar_at or now)
    recent = Q(deployment=None) | newest
    return _counted(account, recent & Q(created_at__gt=now - MINUTE))


def _counted(account: Account, which: Q) -> SentCount:
    rows = Order.objects.filter(which, account=account).exclude(state="refused")
    found = rows.aggregate(orders=Count("id"), taken=Count("id", filter=Q(state="cancelled")))
    return SentCount(found["orders"], found["orders"] + found["taken"])


def equity_json(
    account_id: int, team_id: int, *, deployment_id: int = 0, limit: int = 2000
) -> dict[str, Any]:
    """Return the newest equity points by column. Raises ``NotFound``, ``Invalid``."""
    if not 1 <= limit <= MAX_POINTS:
        message = f"limit is {limit}; it is a whole number from 1 to {MAX_POINTS}."
        raise Invalid(message, code="page.limit", details={"field": "limit"})
    if deployment_id:
        get_deployment(deployment_id, team_id)
    curve = equity_curve(account_id, team_id, deployment_id=deployment_id, limit=limit)
    return {
        "ts": [EPOCH_START + timedelta(microseconds=ts) for ts in curve.ts.tolist()],
        "equity": curve.equity.tolist(),
        "cash": curve.cash.tolist(),
        "gross": curve.gross.tolist(),
        "net": curve.net.tolist(),
        "drawdown": drawdown(curve.equity).tolist(),
    }


def equity_words(account: Account) -> dict[str, str]:
    """Return what the equity figure says of itself."""
    change = account.equity / float(account.initial_cash) - 1.0
    mode = "Paper account" if account.is_paper else "Live account"
    return {
        "title": f"{account.name}: {change:+.2%} since it was opened",
        "currency": account.currency,
        "subtitle": f"{mode} on feed {account.feed}; filled at the next open, marked at closes",
    }


def equity_tails(accounts: Sequence[Account], *, limit: int) -> dict[int, list[float]]:
    """Return the newest equities of accounts by their id, in time order."""
    return store.read_tails({row.pk: row.epoch for row in accounts}, limit=limit)


def equity_curve(
    account_id: int, team_id: int, *, deployment_id: int = 0, limit: int = 2000
) -> store.EquityCurve:
    """Return the newest equity points of an account, or of one of its deployments.

    Raises ``NotFound``.
    """
    account = get_account(account_id, team_id)
    return store.read_points(account.pk, account.epoch, deployment_id=deployment_id, limit=limit)
