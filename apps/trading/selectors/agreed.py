"""What would run now, to be held against what people agreed to."""

from __future__ import annotations

from typing import Any

from apps.approvals.kernel import terms as agreed
from apps.approvals.selectors import ApprovalView
from apps.backtests import selectors as backtests
from apps.core.errors import NotFound
from apps.market import selectors as market
from apps.risk import selectors as risk
from apps.risk.kernel.limits import as_values, stored_limits
from apps.strategies import selectors as strategies
from apps.strategies.kernel.versions import ENGINE_VERSION, digest_of
from apps.strategies.selectors import VersionView
from apps.trading.models import Account


def recomputed_digest(version: VersionView) -> str:
    """Return the digest of what would run now, from today's code and the stored parameters."""
    source_digest = strategies.source_digest_of(version.name, version.team_id)
    return digest_of(
        kind=version.kind, plug=version.name, source_digest=source_digest, params=version.params
    )


def terms_now(version: VersionView, run_id: str, account: Account | None) -> dict[str, Any]:
    """Return the covered terms (``approvals.kernel.terms``) as they are at this moment.

    Code is hashed from the bytes that would run. Without an account its costs and limits are
    left open: any paper account of the team may take it.
    """
    return {
        "version": recomputed_digest(version),
        "code": strategies.source_digest_of(version.name, version.team_id),
        "parameters": version.params,
        "engine": ENGINE_VERSION,
        "data": _data(version.team_id, run_id),
        "costs": None if account is None else _costs(account),
        "limits": None if account is None else _limits(account),
        "account": None if account is None else account.pk,
    }


def _data(team_id: int, run_id: str) -> dict[str, Any] | None:
    """Return what the evidence was computed on, and whether that still is what it was."""
    if not run_id:
        return None
    try:
        run = backtests.get_run(run_id, team_id)
    except NotFound:
        return {"run": run_id, "digest": "", "costs": {}, "revised": True}
    return {
        "run": str(run.pk),
        "digest": run.data_digest,
        "costs": run.request.get("costs", {}),
        "revised": market.was_revised(team_id=team_id, subject=f"backtest:{run.pk}"),
    }


def _costs(account: Account) -> dict[str, Any]:
    return {
        "broker": account.broker,
        "is_paper": account.is_paper,
        "currency": account.currency,
        "fee_bps": account.fee_bps,
        "slippage_bps": account.slippage_bps,
        "units": account.units,
        "more": account.more_costs,
        "execution": account.execution,
    }


def _limits(account: Account) -> dict[str, Any]:
    view = risk.get_limits(team_id=account.team_id, subject=f"account:{account.pk}")
    return dict(as_values(view.limits))


def changed_terms(
    approval: ApprovalView, version: VersionView, account: Account | None
) -> list[str]:
    """Return the names of the covered terms that are no longer as agreed.

    An approval from before terms were kept covers the version alone.
    """
    covered: dict[str, Any] = approval.terms
    if "version" not in covered:
        covered = {"version": approval.digest}
    if covered.get("limits"):
        # A limit that is newer than the approval was off when people agreed.
        covered = {**covered, "limits": as_values(stored_limits(covered["limits"]))}
    run: dict[str, Any] = covered.get("data") or {}
    return agreed.changed(covered, terms_now(version, run.get("run", ""), account))
