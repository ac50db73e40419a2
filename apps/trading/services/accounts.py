"""Accounts are opened here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.plugs import load_plug
from apps.market import selectors as market
from apps.risk import services as risk
from apps.trading.brokers.base import Broker
from apps.trading.kernel.money import to_money
from apps.trading.kernel.sleeves import terms_from
from apps.trading.models import Account

BROKERS = "BROKERS"
MAX_CASH = Decimal(10) ** 12
DEMO_CASH = Decimal(100_000)
# Fees as at the venues of the sample: a taker's on perpetuals, a retail broker's on stocks.
DEMO_ACCOUNTS = (
    ("Paper crypto", "crypto-hourly", 5.0, 1.0),
    ("Paper US stocks", "sp500-daily", 1.0, 1.0),
)


def create_account(
    *,
    actor: Actor,
    name: str,
    cash: Decimal,
    feed: str,
    now: datetime,
    broker: str = "paper",
    currency: str = "USD",
    fee_bps: float = 1.0,
    slippage_bps: float = 1.0,
    units: str = "fractional",
    costs: Mapping[str, Any] | None = None,
    execution: Mapping[str, Any] | None = None,
) -> Account:
    """Open an account with cash on a feed.

    Parameters
    ----------
    feed
        The feed whose bars drive the account's paper broker and its days.
    fee_bps, slippage_bps
        What a trade costs, in basis points of its value.
    costs, execution
        Further costs, and the terms of execution, by the names a backtest's request has for them;
        deployments are charged and executed as a backtest with the same is.

    Raises
    ------
    Denied, Invalid, NotFound
    Conflict
        ``account.name_taken``.
    """
    actor.require("trading.deploy")
    plug: Broker = load_plug(BROKERS, broker)
    more, terms = dict(costs or {}), dict(execution or {})
    _check_apart(more)
    terms_from(
        fee_bps=fee_bps, slippage_bps=slippage_bps, units=units, more_costs=more, execution=terms
    )
    state = market.feed_state(feed)
    _check(name, cash, currency)
    exact = to_money(float(cash))
    try:
        with transaction.atomic():
            row = Account.objects.create(
                team_id=actor.team,
                name=name.strip(),
                broker=broker,
                is_paper=plug.capabilities.is_paper,
                currency=currency,
                feed=feed,
                initial_cash=exact,
                cash=exact,
                fee_bps=fee_bps,
                slippage_bps=slippage_bps,
                units=units,
                more_costs=more,
                execution=terms,
                epoch=state.epoch,
                last_bar_at=state.position_at,
                equity=float(exact),
                peak_equity=float(exact),
                day_start_equity=float(exact),
                created_by=actor.name,
                created_at=now,
            )
            body = {"name": row.name, "broker": broker, "feed": feed, "cash": str(exact)}
            charged = {"fee_bps": fee_bps, "slippage_bps": slippage_bps, "units": units}
            charged |= {"costs": more, "execution": terms}
            subject = f"account:{row.pk}"
            audit.record(
                actor=actor,
                action="account.created",
                subject=subject,
                body={**body, **charged},
                now=now,
            )
            risk.note_change(team_id=row.team_id, subject=subject)
    except IntegrityError as error:
        message = f"There is an account called {name.strip()!r} already; choose another name."
        raise Conflict(message, code="account.name_taken") from error
    return row


def _check_apart(costs: Mapping[str, Any]) -> None:
    twice = sorted({"fee_bps", "slippage_bps"} & set(costs))
    if twice:
        message = f"{twice[0]} is a field of the account itself; leave it out of costs."
        raise Invalid(message, code="account.costs", details={"field": f"costs.{twice[0]}"})


def _check(name: str, cash: Decimal, currency: str) -> None:
    if not 1 <= len(name.strip()) <= 80:
        message = f"The name has {len(name.strip())} characters; it has 1 to 80."
        raise Invalid(message, code="account.name", details={"field": "name"})
    if not (math.isfinite(cash) and 0 < cash <= MAX_CASH):
        message = f"The cash is {cash}; give an amount above 0 and up to {MAX_CASH:g}."
        raise Invalid(message, code="account.cash", details={"field": "cash"})
    if not (currency.isascii() and currency.isupper() and 3 <= len(currency) <= 8):
        message = f"The currency is {currency!r}; give a code such as USD."
        raise Invalid(message, code="account.currency", details={"field": "currency"})


def ensure_demo_accounts(*, actor: Actor, now: datetime) -> list[Account]:
    """Open the paper accounts of the demo team unless they exist, with the ``wide`` limits.

    The lab's default limits (2,000 USD a position) would refuse every portfolio of the sample.
    """
    actor.require("trading.deploy")
    made = []
    for name, feed, fee_bps, slippage_bps in DEMO_ACCOUNTS:
        if Account.objects.filter(team_id=actor.team, name=name).exists():
            continue
        with transaction.atomic():
            row = create_account(
                actor=actor,
                name=name,
                cash=DEMO_CASH,
                feed=feed,
                fee_bps=fee_bps,
                slippage_bps=slippage_bps,
                now=now,
            )
            risk.set_limits(
                actor=actor,
                subject=f"account:{row.pk}",
                base="wide",
                values={},
                reason="Paper account of the sample: portfolios of every instrument fit.",
                now=now,
            )
        made.append(row)
    return made
