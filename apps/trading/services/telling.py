"""What browsers hear after a step, and the book's risk: at most a few times a second."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.core import events
from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.risk import selectors as risk
from apps.risk import services as risk_services
from apps.risk.kernel.limits import Holdings, utilisation
from apps.risk.kernel.reports import BASIC_METHODS
from apps.trading.models import Account, Deployment, Order
from apps.trading.selectors.accounts import account_json, open_deployments
from apps.trading.selectors.orders import order_json
from apps.trading.selectors.snapshots import positions_json
from apps.trading.services.bars import Bar

TELL_EVERY = timedelta(milliseconds=250)
MEASURE_EVERY = timedelta(seconds=5)
RISK_BARS = 750
TOLD_ORDERS = 30
_TOLD: dict[tuple[str, int], datetime] = {}


def _is_due(what: str, account_id: int, now: datetime, every: timedelta) -> bool:
    last = _TOLD.get((what, account_id))
    if last is not None and last <= now < last + every:
        return False
    _TOLD[what, account_id] = now
    return True


def tell_step(account: Account, panel: Panel, bar: Bar, book: Holdings, now: datetime) -> None:
    """Publish the account as it stands, have its live risk told, and its report kept fresh."""
    risk_services.note_change(team_id=account.team_id, subject=f"account:{account.pk}")
    if _is_due("step", account.pk, now, TELL_EVERY):
        orders = Order.objects.filter(account=account).order_by("-created_at", "-id")
        data = {
            "at": bar.closed_at.isoformat(),
            "account": _plain(account_json(account)),
            "positions": [_plain(row) for row in positions_json(account, {})],
            "orders": [_plain(order_json(order)) for order in orders[:TOLD_ORDERS]],
            "deployments": [_deployment(row) for row in open_deployments(account.pk)],
        }
        topic = f"account.{account.pk}"
        kind = "trading.account.marked"
        events.emit(team_id=account.team_id, topic=topic, kind=kind, data=data)
    if _is_due("risk", account.pk, now, MEASURE_EVERY):
        risk_services.do_later(
            key=f"report of account {account.pk}",
            act=lambda: _measure(account, panel, bar, book, now),
        )


def _deployment(row: Deployment) -> dict[str, object]:
    return {
        "id": row.pk,
        "status": str(row.status),
        "equity": row.equity,
        "total_return": row.equity / float(row.allocation) - 1.0,
        "bars_done": row.bars_done,
    }


def _plain(row: dict[str, object]) -> dict[str, object]:
    kept = (type(None), bool, int, float, str, list, dict)
    return {
        key: value if isinstance(value, kept) else _text(value)
        for key, value in row.items()
        if key != "spark"
    }


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _measure(account: Account, panel: Panel, bar: Bar, book: Holdings, now: datetime) -> None:
    """Keep VaR and ES of what is held now, over the bars seen so far, beside the limits used.

    Positions are measured over the sessions that all of them share, none filled in. First by the
    model in force, then by the plain ones.
    """
    first = max(0, bar.i + 1 - RISK_BARS)
    at = {symbol: column for column, symbol in enumerate(panel.symbols)}
    held = [symbol for symbol in book.positions if symbol in at and book.positions[symbol]]
    ts, closes = panel.ts[first : bar.i + 1], panel.close[first : bar.i + 1]
    prices = {symbol: (ts, closes[:, at[symbol]]) for symbol in held}
    values = {symbol: book.positions[symbol] * book.prices[symbol] for symbol in held}
    subject = f"account:{account.pk}"
    limits = risk.get_limits(team_id=account.team_id, subject=subject)
    model = risk.model_in_force(team_id=account.team_id, subject=subject)
    body = {
        "kind": "book",
        "at": bar.closed_at.isoformat(),
        "timeframe": panel.timeframe,
        "equity": account.equity,
        "currency": account.currency,
        "positions": len(held),
        "limits_version": limits.version,
        "utilisation": utilisation(book, limits.limits),
        "unmeasured": sorted(s for s, n in book.positions.items() if n and s not in at),
        "columns": {},
        "model": model,
        "why_not": "",
    }
    try:
        shares = {s: v / account.equity for s, v in values.items() if account.equity > 0}
        methods = tuple(dict.fromkeys((model, *BASIC_METHODS)))
        body |= risk_services.measure_held(prices=prices, weights=shares, methods=methods)
    except Invalid as error:
        body["why_not"] = "Nothing is held." if not held else error.message
    risk_services.keep_live_report(
        team_id=account.team_id,
        subject=subject,
        title=account.name,
        body=body,
        now=now,
    )
