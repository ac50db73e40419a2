"""What a balancer's run does: orders through the guard, or a proposal that others decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.approvals import services as approvals
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.kernel.hashing import digest_json
from apps.risk.kernel import balance as optimiser
from apps.trading import selectors, store
from apps.trading.errors import Refused
from apps.trading.kernel.balancing import Trade
from apps.trading.models import Account, Balance, Order
from apps.trading.selectors.balancers import (
    REBALANCE,
    BalancerView,
    changed_since,
    covered_now,
    drafts_of,
    verdict_of,
)
from apps.trading.selectors.balancing import judge_trades
from apps.trading.services.orders import place_order


def order_trades(*, actor: Actor, account: Account, row: Balance, now: datetime) -> None:
    """Store a run's trades as orders; the caller's transaction holds run and orders."""
    row.status = Balance.Status.ORDERED
    orders = _place(actor, account.pk, row.trades, now)
    refused = sum(1 for order in orders if order is None)
    row.words = f"{len(orders) - refused} orders went out" + (
        f", {refused} were refused by the guard." if refused else "."
    )


def _place(
    actor: Actor, account_id: int, trades: Sequence[Mapping[str, Any]], now: datetime
) -> list[Order | None]:
    """Store each trade as an order through the guard; None for one that was refused and kept."""
    placed: list[Order | None] = []
    for trade in trades:
        try:
            placed.append(
                place_order(
                    actor=actor,
                    account_id=account_id,
                    symbol=trade["symbol"],
                    side=trade["side"],
                    quantity=Decimal(trade["quantity"]),
                    client_id=trade["client_id"],
                    sends=False,
                    now=now,
                )
            )
        except Refused:
            placed.append(None)
    return placed


def propose_trades(
    *,
    actor: Actor,
    account: Account,
    view: BalancerView,
    row: Balance,
    trades: Sequence[Trade],
    now: datetime,
) -> None:
    """Propose a run's trades as one, with what they would do; the row tells of it.

    Who set the balancer and who asked for the run don't decide on it.
    """
    prices = {trade.symbol: trade.price for trade in trades}
    covers = covered_now(account, prices)
    names = ("symbol", "side", "quantity", "client_id")
    terms = {
        "account_id": account.pk,
        "run": str(row.pk),
        "trades": [{name: trade[name] for name in names} for trade in row.trades],
        "covers": covers,
    }
    figures = row.body["figures"]
    turnover = f"{figures['turnover']:.1%}"
    judged = judge_trades(account, drafts_of(account, row.trades, now), now)
    place = f"/live/{account.pk}/balancer/?run={row.pk}"
    made = approvals.propose(
        actor=actor,
        kind=REBALANCE,
        subject=f"{REBALANCE}:{row.pk}",
        title=f"Rebalance {account.name}: {len(trades)} trades, {turnover} turned over"[:200],
        digest=digest_json(terms),
        evidence={
            "facts": _facts(account, view, row, covers),
            "book": _book(row, account, trades),
            "guard": verdict_of(judged, now),
            "links": [{"label": "Run of the balancer", "href": place}],
        },
        rationale=_rationale(view, row),
        editors=[name for name in (view.updated_by, row.created_by) if name],
        terms=terms,
        open_for=timedelta(minutes=view.policy.minutes),
        now=now,
    )
    row.status, row.proposal_id = Balance.Status.PROPOSED, made.pk
    row.body = {**row.body, "covers": covers}
    row.words = f"{len(trades)} trades wait for a decision."


def _facts(
    account: Account, view: BalancerView, row: Balance, covers: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "account": account.name,
        "method": optimiser.METHODS[view.policy.method],
        "settings": f"version {view.version}",
        "balanced, of the account": row.base,
        "left out": [one["symbol"] for one in row.body["left_out"]],
        "void when": (
            "the balancer's settings, what is held, the cash or the replay changes, or a price "
            f"moves by more than {covers['drift']:.0%}"
        ),
    }


def _rationale(view: BalancerView, row: Balance) -> str:
    figures = row.body["figures"]
    method = optimiser.METHODS[view.policy.method].lower()
    return (
        f"The balancer, version {view.version}, by {method} "
        f"on {figures['observations']:.0f} bars: volatility a bar from "
        f"{figures['volatility_before']:.3%} to {figures['volatility_after']:.3%}, cost about "
        f"{figures['cost']:.3%} of what is balanced."
    )


def _book(row: Balance, account: Account, trades: Sequence[Trade]) -> list[dict[str, Any]]:
    """Return the book before and after, as the page of a proposal shows it; shares in percent."""
    figures, base = row.body["figures"], row.base
    spent = sum(t.value if t.side == "buy" else -t.value for t in trades)
    cash = float(account.cash)
    rows = [
        (f"{t.symbol}, % ({t.side} {t.quantity:,.6g})", t.before * 100.0, t.after * 100.0, 2)
        for t in trades
    ]
    rows += [
        ("Held, gross, %", figures["gross_before"] * 100.0, figures["gross_after"] * 100.0, 2),
        ("Cash that no strategy holds", cash, cash - spent - figures["cost"] * base, 2),
        ("Volatility a bar, %", *_percents(figures, "volatility"), 3),
        ("VaR 99 % a bar, % (historical)", *_percents(figures, "var"), 3),
        ("Expected shortfall 99 % a bar, %", *_percents(figures, "es"), 3),
    ]
    names = ("name", "before", "after", "places")
    return [dict(zip(names, line, strict=True)) for line in rows]


def _percents(figures: Mapping[str, float], name: str) -> tuple[float, float]:
    return figures[f"{name}_before"] * 100.0, figures[f"{name}_after"] * 100.0


def place_rebalance(
    *, actor: Actor, terms: Mapping[str, Any], now: datetime
) -> list[Order | None]:
    """Store the orders of a rebalancing that people agreed to; they are sent on commit, once.

    What the guard refuses is kept with its reasons, the others go out.

    Raises
    ------
    Conflict
        ``rebalance.changed`` when something it covers is no longer as it was.
    Refused
        When the guard refuses every trade.
    """
    actor.require("trading.order")
    with transaction.atomic():
        store.pass_fence()
        account = selectors.get_account(int(terms["account_id"]), actor.team)
        account = Account.objects.select_for_update().get(pk=account.pk)
        changed = changed_since(account, terms["covers"])
        if changed:
            message = f"No longer as proposed: {', '.join(changed)}. The next run proposes anew."
            raise Conflict(message, code="rebalance.changed", details={"changed": changed})
        orders = _place(actor, account.pk, terms["trades"], now)
        if not any(orders):
            raise Refused(_reasons(account, terms["trades"]))
        body = {"run": terms["run"], "orders": len(orders), "refused": orders.count(None)}
        note_balancer(actor=actor, account=account, action="balancer.ordered", body=body, now=now)
    return orders


def _reasons(account: Account, trades: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    ids = [trade["client_id"] for trade in trades]
    rows = Order.objects.filter(account=account, client_id__in=ids)
    return [
        (str(reason["code"]), f"{row.symbol}: {reason['message']}")
        for row in rows.order_by("symbol")
        for reason in row.reasons
    ]


def note_balancer(
    *, actor: Actor, account: Account, action: str, body: dict[str, Any], now: datetime
) -> None:
    """Record what a balancer did, within the caller's transaction."""
    subject = f"balancer:{account.pk}"
    audit.record(actor=actor, action=action, subject=subject, body=body, now=now)
