"""Accounts as risk grades and stresses them: bar returns, and what is held now."""

from __future__ import annotations

from apps.core.errors import NotFound
from apps.risk.selectors.books import History, Holding
from apps.trading.selectors.accounts import get_account, list_accounts
from apps.trading.selectors.positions import list_positions
from apps.trading.selectors.snapshots import MAX_POINTS, equity_curve, find_feed

MOST = 200


class AccountBooks:
    """Plug ``account`` of ``RISK_BOOKS``."""

    def subjects(self, team_id: int) -> list[tuple[str, str]]:
        """Return the team's accounts."""
        return [(f"account:{row.pk}", row.name) for row in list_accounts(team_id)[:MOST]]

    def history(self, subject: str, team_id: int) -> History:
        """Return the bar returns of an account. Raises ``NotFound``."""
        account_id = _id_of(subject)
        account = get_account(account_id, team_id)
        curve = equity_curve(account_id, team_id, limit=MAX_POINTS)
        returns = curve.equity[1:] / curve.equity[:-1] - 1.0
        return History(subject, account.name, curve.ts[1:], returns)

    def holding(self, subject: str, team_id: int) -> Holding:
        """Return the weights an account holds now. Raises ``NotFound``."""
        account_id = _id_of(subject)
        account = get_account(account_id, team_id)
        feed = find_feed(account.feed)
        place = f"{feed.dataset}:" if feed else ""
        weights: dict[str, float] = {}
        for row in list_positions(team_id, account_id=account_id):
            value = float(row.quantity) * float(row.last_price)
            name = f"{place}{row.symbol}"
            share = value / account.equity if account.equity > 0.0 else 0.0
            weights[name] = weights.get(name, 0.0) + share
        return Holding(
            subject, account.name, weights, account.equity, account.currency, account.last_bar_at
        )


def _id_of(subject: str) -> int:
    number = subject.partition(":")[2]
    if not number.isdigit() or len(number) > 18:
        raise NotFound(f"There is no account {number}.", code="account.not_found")
    return int(number)
