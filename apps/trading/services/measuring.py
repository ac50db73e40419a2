"""Risk reports on what trading and research hold, handed to risk as returns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apps.core.actors import Actor
from apps.risk import selectors as risk
from apps.risk import services as risk_services
from apps.trading import selectors


def measure_account(
    *,
    actor: Actor,
    account_id: int,
    levels: Sequence[float],
    methods: Sequence[str],
    horizon: int,
    now: datetime,
) -> dict[str, Any]:
    """Measure the returns of an account from bar to bar and keep the report.

    Raises ``NotFound``, and ``Invalid`` when there are too few bars.
    """
    actor.require("team.read")
    account = selectors.get_account(account_id, actor.team)
    equity = selectors.equity_curve(account_id, actor.team).equity
    row = risk_services.create_report(
        actor=actor,
        subject=f"account:{account_id}",
        title=f"{account.name}, bar returns",
        columns={"account": equity[1:] / equity[:-1] - 1.0},
        levels=levels,
        methods=methods,
        horizon=horizon,
        now=now,
    )
    return risk.report_as_dict(row)
