"""The evidence and terms of a promotion: the run, the paper record, what changes, what-if."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.approvals.kernel.evidence import Asked, Measured
from apps.backtests.kernel.evidence import SIGNIFICANCE
from apps.backtests.kernel.metrics import METRICS
from apps.backtests.selectors.evidence import RunEvidence
from apps.core.errors import Invalid
from apps.strategies import selectors as strategies
from apps.strategies.selectors import VersionView
from apps.trading.models import Account, Deployment
from apps.trading.selectors.accounts import OPEN, get_account
from apps.trading.selectors.agreed import terms_now
from apps.trading.selectors.deployable import PAPER_STAGES, approvals_for

LIVE, PAPER = "live", "paper"
DAY_SECONDS = 86_400
MAX_LINES, MAX_WIDTH = 120, 160
RISK_OF = "ES 95 %, historical"
RISK = "losses in the tail"


class PromotionEvidence:
    """Takes what a promotion rests on from the lab itself; nothing of it is typed."""

    # Those that gates may name, beside the ones that approvals know with their ranges.
    figures = frozenset({*METRICS, *SIGNIFICANCE, "trials"})

    def take(
        self, *, team_id: int, subject: str, digest: str, run_id: str, asked: Asked, now: datetime
    ) -> Measured:
        """Return figures, paper record, what changes, what-if, and the terms that are covered.

        Raises ``Invalid``, ``NotFound``, ``Conflict`` as ``RunEvidence``, and ``Invalid`` for a
        promotion to live that names a paper account, or the other way round.
        """
        run = RunEvidence().take(
            team_id=team_id, subject=subject, digest=digest, run_id=run_id, asked=asked, now=now
        )
        account = None if asked.account is None else get_account(asked.account, team_id)
        if asked.target_stage == LIVE and (account is None or account.is_paper):
            message = "Going live takes an account that trades live; the one named is on paper."
            raise Invalid(message, code="proposal.account", details={"field": "account"})
        if asked.target_stage == PAPER and account is not None and not account.is_paper:
            message = f"{account.name} trades live; paper takes an account on paper."
            raise Invalid(message, code="proposal.account", details={"field": "account"})
        version = strategies.get_version(subject.partition(":")[2], team_id)
        paper = paper_record(version, now) if asked.target_stage == LIVE else {}
        evidence = {**run.evidence, **paper}
        if changes := changes_since(version):
            evidence["changes"] = changes
        if account is not None:
            evidence["book"] = what_if(account, asked.capital_usd, evidence)
        return Measured(
            evidence, run.current_stage, run.editors, terms_now(version, run_id, account)
        )


def paper_record(version: VersionView, now: datetime) -> dict[str, Any]:
    """Return how long the version has traded on paper; the gap to its twin is not measured yet."""
    rows = Deployment.objects.filter(
        team_id=version.team_id, version_id=version.id, account__is_paper=True
    )
    spans = [(row.created_at, row.ended_at or now) for row in rows]
    seconds = sum((until - since).total_seconds() for since, until in spans)
    return {
        "paper_days": int(seconds // DAY_SECONDS),
        "paper": {"deployments": len(spans), "bars": sum(row.bars_done for row in rows)},
    }


def changes_since(version: VersionView) -> dict[str, Any]:
    """Return how the version differs from the one approved before it, else the one before.

    Parameters by name, code by line: the first ones, with a link to the whole.
    """
    rows = strategies.list_versions(team_id=version.team_id, strategy_id=version.strategy_id)
    others = [strategies.view_of(row) for row in rows if row.pk != version.id]
    approved = (one for one in others if next(approvals_for(one, PAPER_STAGES), None))
    earlier = (one for one in others if one.number < version.number)
    before = next(approved, None) or next(earlier, None)
    if before is None:
        return {}
    found = strategies.diff_versions(before.id, version.id, version.team_id)
    lines = [{"sign": line.sign, "text": line.text[:MAX_WIDTH]} for line in found.lines]
    return {
        "against": before.label,
        "digest": before.digest,
        "href": f"/strategies/versions/{version.id}/diff/{before.id}/",
        "settings": [
            {"name": one.name, "before": one.before, "after": one.after} for one in found.params
        ],
        "added": found.added,
        "removed": found.removed,
        "lines": lines[:MAX_LINES],
        "left_out": max(0, len(lines) - MAX_LINES),
    }


def what_if(
    account: Account, capital: float | None, evidence: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the account's book as it is and with the version at its capital, line by line."""
    free, equity = float(account.cash), account.equity
    given = min(capital or free, free)
    exposure = evidence.get("metrics", {}).get("exposure")
    tail = evidence.get(RISK, {}).get(RISK_OF)
    gross = None if exposure is None else account.gross + given * float(exposure)
    running = account.deployments.filter(status__in=OPEN).count()
    rows = [
        ("Equity", equity, equity),
        ("Cash that no strategy holds", free, free - given),
        ("Held, gross", account.gross, gross),
        ("Held, share of equity", _share(account.gross, equity), _share(gross, equity)),
        ("Strategies at work", running, running + 1),
        ("Share of equity under this version", 0.0, _share(given, equity)),
        ("ES 95 % of this version a bar, as in its run", 0.0, _times(tail, given)),
    ]
    return [{"name": name, "before": before, "after": after} for name, before, after in rows]


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None or not whole else part / whole


def _times(factor: Any, amount: float) -> float | None:
    return float(factor) * amount if isinstance(factor, int | float) else None
