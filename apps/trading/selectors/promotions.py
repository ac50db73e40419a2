"""Proposing a version for a stage: what is offered, what is missing, what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.approvals import selectors as approvals
from apps.approvals.kernel import policy, quorum, states
from apps.backtests import selectors as backtests
from apps.core.plugs import list_plugs, load_plug
from apps.risk import selectors as risk
from apps.strategies import selectors as strategies
from apps.strategies.selectors import VersionView
from apps.trading.brokers.base import Broker
from apps.trading.models import Account, Deployment
from apps.trading.selectors.accounts import list_accounts
from apps.trading.selectors.evidence import LIVE, PAPER, paper_record

BROKERS = "BROKERS"
PROMOTION = "promotion"
# A first step, small enough for one pair of eyes.
CAPITAL = 10_000


@dataclass(frozen=True, slots=True)
class Need:
    """Something a stage takes, whether it is there, and what is found or to be done."""

    label: str
    is_met: bool
    words: str


def stages_from(current: str) -> list[str]:
    """Return the stages a version may be proposed for, its own again where that can be renewed."""
    found = []
    for stage in states.STAGES[1:-1]:
        is_renewal = stage == current and stage in states.NEVER_SKIPPED
        if is_renewal or _leads(current, stage):
            found.append(stage)
    return found


def _leads(current: str, stage: str) -> bool:
    try:
        return bool(states.steps(current, stage))
    except ValueError:
        return False


def promotion_page(run_id: UUID, team_id: int, stage: str, now: datetime) -> dict[str, Any]:
    """Return what the form for a promotion offers for a stage. Raises ``NotFound``."""
    run = backtests.get_run(run_id, team_id)
    version = strategies.get_version(run.version_id, team_id)
    offered = stages_from(version.stage)
    stage = stage if stage in (*offered, LIVE) else PAPER if PAPER in offered else LIVE
    runs, days = stage in states.NEVER_SKIPPED, days_of(team_id, stage)
    accounts = accounts_for(team_id, stage) if runs else []
    return {
        "run": run,
        "version": version,
        "stage": stage,
        "stages": [one for one in states.STAGES[1:-1] if one in offered or one == LIVE],
        "is_offered": stage in offered,
        "is_live": stage == LIVE,
        "runs": runs,
        "accounts": accounts,
        "studies": backtests.list_studies_of(run),
        "needs": needs_of(version, run, stage, accounts, now),
        "gates": gates_of(version, run, stage, now),
        "days": days,
        **days,
        "tier_words": _tier_words(team_id),
        "capital_usd": CAPITAL if runs else "",
        "title": f"{version.title} v{version.number} to {stage}",
    }


def _tier_words(team_id: int) -> str:
    first, second = approvals.get_setting(team_id, "approvals.tiers_usd")
    return (
        f"Tier 1 up to {first:,.0f}, tier 2 up to {second:,.0f}: a validator and a risk manager."
    )


def accounts_for(team_id: int, stage: str) -> list[Account]:
    """Return the accounts that a stage allows: those on paper for paper, live ones for live."""
    return list(list_accounts(team_id).filter(is_paper=stage != LIVE))


def days_of(team_id: int, stage: str) -> dict[str, int]:
    """Return for how many days at most an approval holds, is reviewed, and may be decided."""
    most = {"open_days": int(approvals.get_setting(team_id, "approvals.open_days"))}
    if stage in states.NEVER_SKIPPED:
        for name in ("valid_days", "review_days"):
            most[name] = int(approvals.get_setting(team_id, f"approvals.{name}")[stage])
    return most


def gates_of(version: VersionView, run: Any, stage: str, now: datetime) -> list[dict[str, Any]]:
    """Return the gates as they would come out on this run; none while it has no figures."""
    if not run.is_done:
        return []
    evidence = backtests.evidence_for(run, version.digest) | paper_record(version, now)
    gates = policy.read_gates(approvals.get_setting(version.team_id, "approvals.gates"))
    return [asdict(result) for result in policy.judge(gates, stage, evidence)]


def needs_of(
    version: VersionView, run: Any, stage: str, accounts: Sequence[Account], now: datetime
) -> list[Need]:
    """Return what the stage takes, and whether it is there."""
    blocking = approvals.blocking_gates(gates_of(version, run, stage, now))
    reached = stage in stages_from(version.stage)
    found = [
        Need("A finished run of exactly this version", run.is_done, f"{run.title}."),
        Need("The stages before it", reached, _stage_words(version, stage, reached=reached)),
        Need(
            "The gates of the policy",
            not blocking,
            f"Barred by: {', '.join(blocking)}." if blocking else "None bars it.",
        ),
    ]
    if stage == LIVE:
        found.append(_live_account(accounts))
    return [*found, *_deciders(version.team_id, stage)]


def _stage_words(version: VersionView, stage: str, *, reached: bool) -> str:
    if reached:
        return f"It stands at {version.stage}."
    if stage == LIVE and version.stage != states.RETIRED:
        return f"It stands at {version.stage}; paper is never skipped: have it approved for that."
    return f"It stands at {version.stage}; there is no way from there to {stage}."


def _live_account(accounts: Sequence[Account]) -> Need:
    label = "An account that trades live"
    if accounts:
        return Need(label, is_met=True, words=", ".join(row.name for row in accounts) + ".")
    plugs: list[Broker] = [load_plug(BROKERS, name) for name in list_plugs(BROKERS)]
    lives = [plug.capabilities.title for plug in plugs if not plug.capabilities.is_paper]
    known = ", ".join(plug.capabilities.title for plug in plugs)
    if lives:
        words = f"No account is at a live broker; open one at {', '.join(lives)}."
    else:
        words = (
            f"This lab has no broker that trades live; it has {known}. Nothing can go live yet."
        )
    return Need(label, is_met=False, words=words)


def _deciders(team_id: int, stage: str) -> list[Need]:
    """Return for each slot of the lowest tier who may fill it and can sign."""
    found = []
    for slot, people in approvals.deciders_of(team_id, PROMOTION, stage, tier=1):
        able = [one for one in people if one.can_sign]
        words = f"{len(people)} may decide, {len(able)} can sign as the policy asks."
        name = quorum.NAMES[slot]
        found.append(Need(f"Somebody else who decides: {name}", bool(able), words))
    return found


class PromotionOutcome:
    """What became of a promotion, for the page of its proposal."""

    def read(
        self,
        *,
        team_id: int,
        proposal_id: UUID,
        evidence: Mapping[str, Any],
        status: str,
        terms: Mapping[str, Any],
        now: datetime,
        **others: Any,  # noqa: ARG002 a proposal may come to say more
    ) -> dict[str, Any]:
        """Return what was deployed under it, and whether its study still is what was frozen.

        Of one that waits: what the account would risk with it, where it names a run.
        """
        rows = Deployment.objects.filter(team_id=team_id, approval_id=proposal_id)
        ran = rows.select_related("account").order_by("id")
        found: dict[str, Any] = {
            "rows": [{"name": f"On {row.account.name}", "value": _told(row)} for row in ran],
            "links": [
                {"label": row.account.name, "href": f"/live/{row.account_id}/"} for row in ran
            ],
        }
        if study := evidence.get("study"):
            found["is_study_as_frozen"] = backtests.is_study_as_frozen(study, team_id)
        if status == "open" and (terms.get("data") or {}).get("run"):
            found["what_if"] = risk.show_proposed(
                team_id=team_id, kind=PROMOTION, terms=terms, now=now
            )
        return found


def _told(row: Deployment) -> str:
    return f"{row.status}, {row.allocation:,.0f} {row.account.currency}, {row.bars_done} bars"
