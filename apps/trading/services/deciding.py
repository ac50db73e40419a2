"""Strategies decide before the fence is passed: one that hangs holds up no halt.

The bar is rehearsed in memory from what is stored, without a lock; the strategy decides on that.
The step then passes the fence, locks, and looks whether all it rehearsed on is still so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.core.plugs import load_plug
from apps.trading import selectors
from apps.trading.brokers.base import Broker
from apps.trading.kernel.scopes import covering
from apps.trading.models import Account, Deployment, Halt, Order
from apps.trading.services import sleeves
from apps.trading.services.bars import Bar
from apps.trading.services.sleeves import Decision, Readied

BROKERS = "BROKERS"


class Stale(Exception):
    """What was decided on is no longer so."""


@dataclass(frozen=True, slots=True)
class Basis:
    """All that decisions of an account rest on: the fence, its deployments, what waits."""

    last_bar_at: datetime | None
    fences: tuple[tuple[str, int, bool], ...]
    deployments: tuple[tuple[int, str, dict[str, Any]], ...]
    waiting: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions for one bar and what they rest on."""

    basis: Basis
    decisions: dict[int, Decision] = field(default_factory=dict)


def scopes_of(account: Account, rows: Sequence[Deployment]) -> list[str]:
    """Return every scope whose halt touches the account or one of the deployments."""
    scopes = covering(team_id=account.team_id, account_id=account.pk)
    return [*scopes, *(f"deployment:{row.pk}" for row in rows)]


def basis_of(account: Account, rows: Sequence[Deployment], waiting: Sequence[Order]) -> Basis:
    """Return what decisions made now would rest on."""
    halts = Halt.objects.filter(scope__in=scopes_of(account, rows)).order_by("scope")
    return Basis(
        account.last_bar_at,
        tuple(halts.values_list("scope", "fence", "is_halted")),
        tuple((row.pk, str(row.status), deepcopy(row.state)) for row in rows),
        tuple((order.pk, order.state, order.target_weight) for order in waiting),
    )


def by_deployment(orders: Sequence[Order]) -> Mapping[int | None, list[Order]]:
    """Return orders by the deployment they are of, in their order."""
    found: dict[int | None, list[Order]] = defaultdict(list)
    for order in orders:
        found[order.deployment_id].append(order)
    return found


def decide_all(
    account_id: int, bar: Bar, readied: Mapping[int, Readied], now: datetime
) -> Decided:
    """Rehearse the bar and let every running strategy decide; nothing is locked or stored."""
    account = Account.objects.get(pk=account_id)
    rows = selectors.open_deployments(account_id)
    waiting = list(sleeves.open_orders(rows))
    basis = basis_of(account, rows, waiting)
    halted = {scope for scope, _, is_halted in basis.fences if is_halted}
    broker: Broker = load_plug(BROKERS, account.broker)
    orders = by_deployment(waiting)
    decisions = {}
    for row in rows:
        if row.pk not in readied or row.status != Deployment.Status.RUNNING:
            continue
        mine = covering(team_id=account.team_id, account_id=account_id, deployment_id=row.pk)
        sleeve = sleeves.settle(
            account, row, bar, broker, orders[row.pk], halted=bool(halted & set(mine)), now=now
        )
        decisions[row.pk] = sleeves.decide(sleeve, readied[row.pk])
    return Decided(basis, decisions)
