"""Emergency stops at work: every mark is looked at; what would open something is taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.core.actors import Actor, system
from apps.core.plugs import load_plug
from apps.risk import selectors as risk
from apps.risk import services as risk_services
from apps.risk.kernel import stops
from apps.risk.kernel.limits import SELL
from apps.trading import store
from apps.trading.brokers.base import Broker
from apps.trading.models import Account, Order, Position
from apps.trading.selectors.guarding import stop_scopes
from apps.trading.services.bars import Bar, Sleeve
from apps.trading.services.changes import close_order

BROKERS = "BROKERS"
CURRENCY = "USD"
WORDS = "An emergency stop is active: what would open something was taken back."


def watch_step(account: Account, settled: Sequence[Sleeve], bar: Bar, now: datetime) -> list[str]:
    """Look at the account and its deployments at a close; return the scopes that block.

    An account is held against its limits, a deployment against those of its strategy's own. The
    stops stay held until the step's transaction ends.
    """
    actor, day = _actor(account.team_id), bar.opened_at.date()
    view = risk.get_limits(team_id=account.team_id, subject=f"account:{account.pk}")
    risk_services.watch(
        actor=actor,
        scope=f"account:{account.pk}",
        policy=stops.policy_of(view.limits),
        equity=account.equity,
        day=day,
        now=now,
    )
    names = {sleeve.row.strategy for sleeve in settled}
    own = risk.strategy_limits(team_id=account.team_id, strategies=names) if names else {}
    for sleeve in settled:
        if sleeve.row.strategy in own:
            risk_services.watch(
                actor=actor,
                scope=f"deployment:{sleeve.row.pk}",
                policy=stops.policy_of(own[sleeve.row.strategy]),
                equity=float(sleeve.session.equity),
                day=day,
                now=now,
            )
    numbers = [sleeve.row.pk for sleeve in settled]
    return risk.hold_blocking(stop_scopes(account.team_id, account.pk, numbers))


def watch_stops(*, now: datetime) -> int:
    """Look at the teams as wholes, end cool-downs that are over, take back what opens.

    May be repeated; whatever a crash left half done is done by the next call. Returns how many
    orders were taken back.
    """
    for team_id in accounts.list_team_ids():
        _watch_team(team_id, now)
    risk_services.end_cool_downs(now=now)
    risk_services.note_watch(now=now)
    blocked = risk.list_blocking()
    return sum(take_back_openings(account_id=pk, now=now) for pk in _accounts_under(blocked))


def _actor(team_id: int) -> Actor:
    return system("emergency-stop", team_id)


def _watch_team(team_id: int, now: datetime) -> None:
    """Look at the sum of a team's accounts in dollars, where the team has limits of its own."""
    view = risk.get_limits(team_id=team_id)
    if not view.version:
        return
    scope = f"team:{team_id}"
    rows = Account.objects.filter(team_id=team_id, currency=CURRENCY).values_list("id", "equity")
    equities = {str(pk): float(equity) for pk, equity in rows}
    risk_services.watch(
        actor=_actor(team_id),
        scope=scope,
        policy=stops.policy_of(view.limits),
        equity=sum(equities.values()),
        day=now.date(),
        now=now,
        parts=equities,
    )


def _accounts_under(scopes: Sequence[str]) -> list[int]:
    """Return the accounts that stops block, in whole or in part, and that have open orders."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for scope in scopes:
        kind, _, number = scope.partition(":")
        numbers[kind].append(int(number))
    open_orders = Order.objects.filter(finished_at=None)
    found = {
        *open_orders.filter(team_id__in=numbers["team"]).values_list("account_id", flat=True),
        *open_orders.filter(account_id__in=numbers["account"]).values_list(
            "account_id", flat=True
        ),
        *open_orders.filter(deployment_id__in=numbers["deployment"]).values_list(
            "account_id", flat=True
        ),
    }
    return sorted(found)


def take_back_openings(*, account_id: int, now: datetime) -> int:
    """Take back the open orders that an active stop would not let out; return how many.

    What makes a position of the account smaller goes on: exits always pass.
    """
    rows = Order.objects.filter(account_id=account_id, finished_at=None)
    numbers = set(rows.exclude(deployment=None).values_list("deployment_id", flat=True))
    account = Account.objects.get(pk=account_id)
    scopes = stop_scopes(account.team_id, account.pk, numbers)
    if not rows.exists() or not (blocked := risk.blocking_among(scopes)):
        return 0
    with transaction.atomic():
        store.pass_fence()
        account = Account.objects.select_for_update().get(pk=account_id)
        return _take_back(account, set(blocked), now)


def _take_back(account: Account, blocked: set[str], now: datetime) -> int:
    broker: Broker = load_plug(BROKERS, account.broker)
    held: dict[str, float] = defaultdict(float)
    for position in Position.objects.filter(account=account):
        held[position.symbol] += float(position.quantity)
    taken = []
    rows = Order.objects.select_for_update(of=("self",)).filter(account=account, finished_at=None)
    for order in rows.order_by("created_at", "id"):
        mine = {*stop_scopes(account.team_id, account.pk), f"deployment:{order.deployment_id}"}
        if (
            not mine & blocked
            or _reduces(order, held)
            or not broker.cancel(order.client_id).accepted
        ):
            continue
        close_order(order, "cancel", now, [("limit.emergency_stop", WORDS)])
        taken.append(str(order.pk))
    if taken:
        body = {"stops": sorted(blocked), "orders": taken[:500], "count": len(taken)}
        subject = f"account:{account.pk}"
        audit.record(
            actor=_actor(account.team_id),
            action="orders.taken_back",
            subject=subject,
            body=body,
            now=now,
        )
    return len(taken)


def _reduces(order: Order, held: dict[str, float]) -> bool:
    """Tell whether an order only makes the account's position smaller; counts it as filled."""
    if order.terms.get("reduce_only"):
        return True
    left = float(order.quantity - order.filled_quantity)
    signed, before = (-left if order.side == SELL else left), held[order.symbol]
    after = before + signed
    if abs(after) > abs(before) or after * before < 0.0:
        return False
    held[order.symbol] = after
    return True
