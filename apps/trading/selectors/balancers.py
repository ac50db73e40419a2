"""Balancers as people and clients see them: the policy, the runs, what waits for a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.approvals import selectors as approvals
from apps.core import jobs
from apps.core.errors import NotFound
from apps.core.models import FINAL_STATES, Job
from apps.market import selectors as market
from apps.risk import selectors as risk
from apps.risk.kernel.balance import METHODS
from apps.risk.kernel.limits import Refusal
from apps.trading.kernel.balancing import ORDERS, OUTPUTS, Policy, as_values, policy_from
from apps.trading.models import Account, Balance, Balancer, Order
from apps.trading.selectors.accounts import get_account, list_deployments
from apps.trading.selectors.balancing import (
    find_obstacle,
    judge_trades,
    last_prices,
    own_book,
    state_of,
)
from apps.trading.selectors.snapshots import find_feed
from apps.trading.selectors.trades import draft, order_minutes

KIND, REBALANCE, BALANCER = "balance", "rebalance", "balancer"
SYSTEM = "balancer"
SHOWN_RUNS, SHOWN_REASONS = 30, 40
# A price that moved further than the guard's collar voids a proposal; so far where that is off.
DRIFT = 0.10
TONES = {"proposed": "person", "ordered": "ok", "infeasible": "bad", "failed": "bad"}
CHANGES = {
    "balancer": "the balancer's settings",
    "epoch": "the replay",
    "cash": "the cash that no strategy holds",
    "held": "what is held",
}


@dataclass(frozen=True, slots=True)
class BalancerView:
    """The balancer of an account as it stands; version 0 is one that nobody has set."""

    account: Account
    version: int
    policy: Policy
    next_due_at: datetime | None = None
    note: str = ""
    noted_at: datetime | None = None
    agreed_by: UUID | None = None
    updated_by: str = ""
    updated_by_label: str = ""
    updated_at: datetime | None = None


def get_balancer(account: Account) -> BalancerView:
    """Return the balancer of an account, with the lab's defaults where none was set."""
    row = Balancer.objects.filter(account=account).first()
    if row is None:
        return BalancerView(account, 0, Policy())
    return BalancerView(
        account,
        row.version,
        policy_from(row.policy),
        row.next_due_at,
        row.note,
        row.noted_at,
        row.agreed_by,
        row.updated_by,
        row.updated_by_label,
        row.updated_at,
    )


def balancer_json(account_id: int, team_id: int) -> dict[str, Any]:
    """Return the balancer of an account as clients see it. Raises ``NotFound``."""
    account = get_account(account_id, team_id)
    view = get_balancer(account)
    obstacle, why = find_obstacle(account)
    waiting = find_proposed(account)
    change = find_change(account)
    return {
        "account_id": account.pk,
        "version": view.version,
        "policy": as_values(view.policy),
        "next_due_at": view.next_due_at,
        "note": view.note,
        "noted_at": view.noted_at,
        "agreed_by": view.agreed_by,
        "updated_by": view.updated_by_label or view.updated_by,
        "updated_at": view.updated_at,
        "obstacle": {"code": obstacle, "message": why} if obstacle else None,
        "proposal_id": waiting.proposal_id if waiting else None,
        "change_id": change,
    }


def find_proposed(account: Account) -> Balance | None:
    """Return the run whose proposal is open, with that proposal where it was amended."""
    rows = Balance.objects.filter(account=account, status=Balance.Status.PROPOSED)
    row = rows.order_by("-created_at", "-id").first()
    if row is None:
        return None
    found = approvals.open_subjects(account.team_id, kind=REBALANCE)
    row.proposal_id = found.get(f"{REBALANCE}:{row.pk}")
    return row if row.proposal_id else None


def find_change(account: Account) -> UUID | None:
    """Return the open proposal of other settings of the account's balancer."""
    return approvals.open_subjects(account.team_id, kind=BALANCER).get(f"{BALANCER}:{account.pk}")


def find_job(account: Account) -> Job | None:
    """Return the run of the account's balancer that is queued or at work."""
    rows = Job.objects.filter(
        team_id=account.team_id, kind=KIND, subject=f"account:{account.pk}"
    ).exclude(status__in=FINAL_STATES)
    return rows.order_by("created_at").first()


def list_balances(account_id: int, team_id: int) -> QuerySet[Balance]:
    """Return the runs of an account's balancer, newest first. Raises ``NotFound``."""
    account = get_account(account_id, team_id)
    return Balance.objects.filter(account=account).order_by("-created_at", "-id")


def get_balance(account_id: int, balance_id: UUID, team_id: int) -> Balance:
    """Return a run. Raises ``NotFound``, also for another team's."""
    row = list_balances(account_id, team_id).filter(pk=balance_id).first()
    if row is None:
        message = f"There is no run {balance_id} of this account's balancer."
        raise NotFound(message, code="balance.not_found")
    return row


def balance_json(row: Balance) -> dict[str, Any]:
    """Return a run as clients see it."""
    return {
        "id": row.pk,
        "account_id": row.account_id,
        "job_id": row.job_id,
        "version": row.version,
        "policy": row.policy,
        "status": str(row.status),
        "code": row.code,
        "message": row.words,
        "inputs_digest": row.inputs_digest,
        "bar_at": row.bar_at,
        "base": row.base,
        "figures": row.body.get("figures", {}),
        "instruments": row.body.get("instruments", []),
        "left_out": row.body.get("left_out", []),
        "conflicts": row.body.get("conflicts", []),
        "trades": row.trades,
        "proposal_id": row.proposal_id,
        "created_by": row.created_by,
        "created_at": row.created_at,
    }


def orders_of(row: Balance) -> list[Order]:
    """Return the orders that a run made, by itself or once it was agreed to, in turn."""
    ids = [trade["client_id"] for trade in row.trades]
    found = Order.objects.filter(account_id=row.account_id, created_by=f"system:{SYSTEM}")
    mine = {order.client_id: order for order in found.filter(client_id__in=ids)}
    return [mine[client_id] for client_id in ids if client_id in mine]


def client_id_of(balance_id: UUID, symbol: str) -> str:
    """Return the client id under which a run's trade is sent, once."""
    return f"b{balance_id.hex}-{symbol}"


def drafts_of(account: Account, trades: Sequence[Mapping[str, Any]], now: datetime) -> list[Order]:
    """Return trades as orders that are not stored. Raises ``Invalid``."""
    return [
        draft(
            account,
            symbol=trade["symbol"],
            side=trade["side"],
            quantity=Decimal(trade["quantity"]),
            client_id=trade["client_id"],
            price=trade["price"],
            created_by=f"system:{SYSTEM}",
            now=now,
        )
        for trade in trades
    ]


def verdict_of(judged: list[tuple[Order, list[Refusal]]], now: datetime) -> dict[str, Any]:
    """Return what the guard says of a list of trades, as a proposal's page shows it."""
    reasons = [
        {"code": one.code, "message": f"{order.symbol}: {one.message}"}
        for order, refusals in judged
        for one in refusals
    ]
    return {"passes": not reasons, "reasons": reasons[:SHOWN_REASONS], "at": now.isoformat()}


def covered_now(account: Account, prices: Mapping[str, float]) -> dict[str, Any]:
    """Return what a proposed rebalancing covers, as it is at this moment."""
    version = get_balancer(account).version
    view = risk.get_limits(team_id=account.team_id, subject=f"account:{account.pk}")
    return {
        **state_of(account, version, own_book(account)),
        "prices": dict(prices),
        "drift": view.limits.price_collar or DRIFT,
    }


def changed_since(account: Account, covers: Mapping[str, Any]) -> list[str]:
    """Return in words what is no longer as it was when a rebalancing was proposed."""
    book = own_book(account)
    now = state_of(account, get_balancer(account).version, book)
    found = [words for name, words in CHANGES.items() if now[name] != covers[name]]
    if book.waiting:
        found.append(f"{book.waiting} of its own orders are under way")
    feed = find_feed(account.feed)
    then: Mapping[str, float] = covers["prices"]
    prices = last_prices(account, feed, list(then)) if feed else {}
    for symbol, price in then.items():
        moved = abs(prices[symbol] / price - 1.0) if symbol in prices else 1.0
        if moved > covers["drift"]:
            found.append(f"the price of {symbol} ({moved:.1%})")
    return found


class RebalanceOutcome:
    """What became of a proposed rebalancing, for the page of its proposal."""

    def read(
        self,
        *,
        team_id: int,
        status: str,
        terms: Mapping[str, Any],
        now: datetime,
        **others: Any,  # noqa: ARG002 a proposal may come to say more
    ) -> dict[str, Any]:
        """Return the guard's verdict as of now while it waits, else the orders that were made."""
        account = Account.objects.filter(pk=int(terms["account_id"]), team_id=team_id).first()
        row = Balance.objects.filter(pk=terms["run"], account=account).first()
        if account is None or row is None:
            return {}
        place = f"/live/{account.pk}/balancer/"
        found: dict[str, Any] = {"again": place}
        if status == "open":
            return found | {"guard": _guard_now(account, terms, now)}
        links = [{"label": "Run of the balancer", "href": f"{place}?run={row.pk}"}]
        return found | {"links": links} | _told(orders_of(row))


def _guard_now(account: Account, terms: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    changed = changed_since(account, terms["covers"])
    then = terms["covers"]["prices"]
    trades = [{**trade, "price": then[trade["symbol"]]} for trade in terms["trades"]]
    found = verdict_of(judge_trades(account, drafts_of(account, trades, now), now), now)
    if changed:
        words = f"No longer as proposed: {', '.join(changed)}. It can't be carried out."
        reason = {"code": "rebalance.changed", "message": words}
        found |= {"passes": False, "reasons": [reason, *found["reasons"]]}
    return found


def _told(orders: list[Order]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for order in orders:
        counts[order.state] = counts.get(order.state, 0) + 1
    return {
        "rows": [
            {"name": state.replace("_", " ").capitalize(), "value": str(count)}
            for state, count in sorted(counts.items())
        ],
        "reasons": [
            {"message": f"{order.symbol}: {reason['message']}"}
            for order in orders
            for reason in order.reasons
        ][:SHOWN_REASONS],
    }


def balancer_page(account_id: int, team_id: int, run: str, now: datetime) -> dict[str, Any]:
    """Return all that the page of an account's balancer shows. Raises ``NotFound``."""
    account = get_account(account_id, team_id)
    view, book = get_balancer(account), own_book(account)
    rows = list(list_balances(account_id, team_id)[:SHOWN_RUNS])
    shown = _chosen(rows, account_id, team_id, run)
    job = find_job(account)
    code, why = find_obstacle(account)
    strategies = account.equity - book.value
    running = list_deployments(team_id, account_id=account_id)
    return {
        "account": account,
        "balancer": view,
        "policy": view.policy,
        "output": OUTPUTS[view.policy.output],
        "sends": view.policy.output == ORDERS,
        "method": METHODS[view.policy.method],
        "book": book,
        "strategies": max(strategies, 0.0) if running.exists() else 0.0,
        "obstacle": {"code": code, "message": why},
        "runs": rows,
        "shown": shown,
        "orders": orders_of(shown) if shown else [],
        "tones": TONES,
        "weights": _largest_first(shown),
        "job": jobs.as_dict(job, now) if job else None,
        "waiting": find_proposed(account),
        "change": find_change(account),
        "methods": list(METHODS.items()),
        "outputs": list(OUTPUTS.items()),
        "universes": _universes(account, team_id),
        "minutes_most": order_minutes(team_id),
    }


def _largest_first(row: Balance | None) -> list[dict[str, Any]]:
    """Return the lines of a run, what is or was most first."""
    lines = list(row.body.get("instruments", [])) if row else []
    return sorted(lines, key=lambda line: (-line["weight"], -line["held"], line["symbol"]))


def _chosen(rows: list[Balance], account_id: int, team_id: int, run: str) -> Balance | None:
    if run:
        try:
            return get_balance(account_id, UUID(run), team_id)
        except ValueError:
            message = f"{run!r} is no run of this account's balancer."
            raise NotFound(message, code="balance.not_found") from None
    return rows[0] if rows else None


def _universes(account: Account, team_id: int) -> list[tuple[str, str]]:
    feed = find_feed(account.feed)
    names = [
        (view.name, f"{view.title or view.name} ({len(view.symbols)})")
        for view in market.list_universes(team_id=team_id)
        if feed is not None and view.dataset_id == feed.dataset_id
    ]
    return [("", "What the account itself holds"), *names]
