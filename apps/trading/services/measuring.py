"""Risk reports on what trading and research hold, handed to risk as returns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apps.backtests import selectors as backtests
from apps.core.actors import Actor
from apps.core.errors import Conflict
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


def measure_run(
    *,
    actor: Actor,
    run_id: str,
    levels: Sequence[float],
    methods: Sequence[str],
    horizon: int,
    now: datetime,
) -> dict[str, Any]:
    """Measure the returns of a backtest from bar to bar and keep the report.

    Raises ``NotFound``, ``Invalid``, and ``Conflict`` for a run that is not done.
    """
    actor.require("team.read")
    run = backtests.get_run(run_id, actor.team)
    if not run.is_done:
        message = f"The run {run_id} is not done; wait for its job."
        raise Conflict(message, code="risk.run_not_done")
    equity = backtests.curves_of(run)[1]["equity"]
    row = risk_services.create_report(
        actor=actor,
        subject=f"backtest:{run.pk}",
        title=run.title,
        columns={"run": equity[1:] / equity[:-1] - 1.0},
        levels=levels,
        methods=methods,
        horizon=horizon,
        now=now,
    )
    return risk.report_as_dict(row)
