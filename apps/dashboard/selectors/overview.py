"""One look: what the dashboard and the frame of every page show, joined from the other apps."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from apps.approvals import selectors as approvals
from apps.backtests import selectors as backtests
from apps.core import jobs
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.market import selectors as market
from apps.ops import selectors as ops
from apps.trading import selectors as trading

RECENT = 8
MARKS = 60
CURRENCY = "USD"
STALE_AFTER = timedelta(seconds=30)


def overview(*, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return the blocks of the dashboard; each is empty when there is nothing to show."""
    feeds = list_feeds(now=now)
    accounts = list_accounts(team_id=actor.team)
    universes = list_universe_health(team_id=actor.team, feeds=feeds)
    return {
        "now": now,
        "accounts": accounts,
        "totals": totals_of(
            accounts, universes, rates_to_base(accounts, team_id=actor.team, now=now)
        ),
        "deployments": count_deployments(team_id=actor.team),
        "feeds": feeds,
        "universes": universes,
        "runs": list_runs(team_id=actor.team),
        "waiting": approvals.list_waiting(actor, now),
        "jobs": list_open_jobs(team_id=actor.team, now=now),
        "health": ops.as_dict(ops.get_health(now), now),
    }


def list_accounts(*, team_id: int) -> list[dict[str, Any]]:
    """Return the team's paper accounts with what they hold and their latest equity marks."""
    rows = list(trading.list_accounts(team_id).filter(is_paper=True)[:RECENT])
    marks = trading.equity_tails(rows, limit=MARKS)
    held = Counter(trading.list_positions(team_id).values_list("account_id", flat=True))
    return [
        {
            **trading.account_json(row),
            "positions": held[row.pk],
            "history": marks[row.pk],
        }
        for row in rows
    ]


def base_currency(accounts: list[dict[str, Any]]) -> str:
    """Return the currency the book is added up in: that of most accounts."""
    if not accounts:
        return CURRENCY
    return str(Counter(row["currency"] for row in accounts).most_common(1)[0][0])


def rates_to_base(
    accounts: list[dict[str, Any]], *, team_id: int, now: datetime
) -> dict[str, float]:
    """Return what each account currency is worth in the base; one without a rate is left out."""
    base, rates = base_currency(accounts), {}
    for currency in {row["currency"] for row in accounts}:
        with suppress(Invalid):
            found = market.rate_at(team_id=team_id, base=currency, quote=base, at=now)
            rates[currency] = float(found["rate"])
    return rates


def totals_of(
    accounts: list[dict[str, Any]],
    universes: list[dict[str, Any]],
    rates: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Add up the accounts in the commonest currency; None where there is nothing to add.

    Parameters
    ----------
    rates
        Value of one unit of each currency in the base. Accounts in a currency without a rate are
        named in ``left_out`` instead of being added.
    """
    scores = [row["score"] for row in universes[:2] if row["score"] is not None]
    base = base_currency(accounts)
    rates = {base: 1.0} | (rates or {})
    rows = [row for row in accounts if row["currency"] in rates]
    found: dict[str, Any] = {
        "currency": base,
        "equity": None,
        "day_pnl": None,
        "total_return": None,
        "exposure": None,
        "history": [],
        "left_out": sorted({row["currency"] for row in accounts} - set(rates)),
        "data_score": sum(scores) / len(scores) if scores else None,
    }
    if not rows:
        return found
    equity = _sum(rows, "equity", rates)
    start = _sum(rows, "initial_cash", rates)
    return {
        **found,
        "equity": equity,
        "day_pnl": _sum(rows, "day_pnl", rates),
        "total_return": equity / start - 1.0 if start > 0 else None,
        "exposure": 100.0 * _sum(rows, "gross", rates) / equity if equity > 0 else None,
        "history": rows[0]["history"] if len(rows) == 1 else [],
    }


def _sum(rows: list[dict[str, Any]], name: str, rates: dict[str, float]) -> float:
    return sum(float(row[name]) * rates[row["currency"]] for row in rows)


def count_deployments(*, team_id: int) -> dict[str, int]:
    """Return how many deployments run and how many are halted."""
    states = trading.list_deployments(team_id).values_list("status", flat=True)
    counts = Counter(str(state) for state in states)
    return {"running": counts["running"], "halted": counts["halted"]}


def list_runs(*, team_id: int) -> list[dict[str, Any]]:
    """Return the team's newest runs as lists show them."""
    rows = backtests.list_runs(team_id=team_id).order_by("-created_at", "-id")
    return [backtests.run_summary(row) for row in rows[:RECENT]]


def list_open_jobs(*, team_id: int, now: datetime) -> list[dict[str, Any]]:
    """Return the team's unfinished jobs as clients see them."""
    found = jobs.list_jobs(team_id=team_id, open_only=True, limit=RECENT)
    return [jobs.as_dict(job, now) for job in found]


def list_feeds(*, now: datetime) -> list[dict[str, Any]]:
    """Return the replay feeds with their clocks and whether they move."""
    return [
        {
            "name": feed.name,
            "universe": feed.universe,
            "timeframe": feed.timeframe,
            "status": feed.status,
            "is_stale": feed.status == "running" and now - feed.updated_at > STALE_AFTER,
            "position_at": feed.position_at,
            "bars_done": feed.bars_done,
            "bars_total": feed.bars_total,
            "progress": feed.progress,
            "seconds_per_bar": feed.seconds_per_bar,
            "symbols": list(feed.symbols[:6]),
        }
        for feed in market.list_feeds()
    ]


def list_universe_health(*, team_id: int, feeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the universes with the health of their data; those with a feed come first."""
    fed = {feed["universe"] for feed in feeds}
    found = sorted(market.list_universes(team_id=team_id), key=lambda row: row.name not in fed)
    return [
        {
            "name": universe.name,
            "title": universe.title,
            "timeframe": universe.timeframe,
            "count": len(universe.symbols),
            "survivorship": universe.survivorship,
            **market.data_health(team_id=team_id, universe=universe),
        }
        for universe in found[:4]
    ]


def frame(*, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return what the frame counts: decisions waiting, open alerts, the feed's clock."""
    feed = next(iter(market.list_feeds()), None)
    return {
        "waiting": len(approvals.list_waiting(actor, now)),
        "alerts": len(ops.list_alerts(team_id=actor.team)),
        "halted": trading.list_halts(actor.team, halted_only=True).count(),
        "feed": feed.name if feed else "",
        "feed_at": feed.position_at if feed else None,
    }
