"""Returns of what trading and research hold, to be handed to risk."""

from __future__ import annotations

from typing import Any

from apps.backtests import selectors as backtests
from apps.core.errors import Conflict
from apps.trading.selectors.accounts import get_account
from apps.trading.selectors.snapshots import equity_curve


def account_returns(account_id: int, team_id: int) -> dict[str, Any]:
    """Return subject, title and bar returns of an account. Raises ``NotFound``."""
    account = get_account(account_id, team_id)
    equity = equity_curve(account_id, team_id).equity
    return {
        "subject": f"account:{account_id}",
        "title": f"{account.name}, bar returns",
        "columns": {"account": equity[1:] / equity[:-1] - 1.0},
    }


def run_returns(run_id: str, team_id: int) -> dict[str, Any]:
    """Return subject, title and bar returns of a backtest.

    Raises ``NotFound``, and ``Conflict`` for a run that is not done.
    """
    run = backtests.get_run(run_id, team_id)
    if not run.is_done:
        message = f"The run {run_id} is not done; wait for its job."
        raise Conflict(message, code="risk.run_not_done")
    equity = backtests.curves_of(run)[1]["equity"]
    return {
        "subject": f"backtest:{run.pk}",
        "title": run.title,
        "columns": {"run": equity[1:] / equity[:-1] - 1.0},
    }
