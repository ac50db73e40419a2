"""Which versions may be deployed: those that people approved, exactly as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.approvals import selectors as approvals
from apps.approvals.kernel import terms as agreed
from apps.approvals.kernel.states import RETIRED
from apps.approvals.selectors import ApprovalView
from apps.risk.kernel.limits import SELL
from apps.strategies import selectors as strategies
from apps.strategies.selectors import VersionView
from apps.trading.errors import Changed, NotApproved
from apps.trading.models import Account, Deployment, Order, Position
from apps.trading.selectors.accounts import OPEN
from apps.trading.selectors.agreed import changed_terms

PROMOTION = "promotion"
PAPER_STAGES = ("paper", "live")
LIVE_STAGES = ("live",)


@dataclass(frozen=True, slots=True)
class Deployable:
    """A version with the approval that lets it trade."""

    version: VersionView
    approval: ApprovalView


def check_approved(*, version_id: int, account: Account, now: datetime) -> Deployable:
    """Return the version with the approval in force that lets it trade on the account.

    Raises
    ------
    NotFound
    NotApproved
        Saying what is missing: the approval, or one for this account.
    Changed
        When what would run is no longer what was approved; that approval is void.
    """
    version = strategies.get_version(version_id, account.team_id)
    if version.stage == RETIRED:
        message = f"{version.label} was retired; have a new version approved for paper."
        raise NotApproved(message, code="deploy.retired", details={"version_id": version.id})
    found = list(approvals_for(version, stages_of(account), now))
    if not found:
        stage = stages_of(account)[0]
        message = (
            f"{version.label} is not approved for {stage}: it stands at {version.stage!r}. "
            f"Propose its promotion to {stage} and let a validator approve it."
        )
        raise NotApproved(message, details={"version_id": version.id, "stage": version.stage})
    fitting = [one for one in found if is_for(one, account)]
    if not fitting:
        message = f"{version.label} is approved for another account than {account.name}."
        raise NotApproved(message, code="deploy.account", details={"version_id": version.id})
    return _unchanged(version, fitting, account)


def _unchanged(version: VersionView, found: list[ApprovalView], account: Account) -> Deployable:
    names: list[str] = []
    for approval in found:
        names = changed_terms(approval, version, account)
        if not names:
            return Deployable(version, approval)
    message = (
        f"{version.label} was approved on {found[-1].decided_at:%Y-%m-%d}, but "
        f"{agreed.words_for(names)} changed since; the approval is void, have it approved anew."
    )
    raise Changed(message, proposal_id=found[-1].proposal_id, changed=names)


def stages_of(account: Account) -> tuple[str, ...]:
    """Return the stages whose approval lets a version trade on the account."""
    return PAPER_STAGES if account.is_paper else LIVE_STAGES


def is_for(approval: ApprovalView, account: Account) -> bool:
    """Tell whether an approval is for the account; one that names none is for any on paper."""
    named = approval.terms.get("account")
    return named == account.pk or named is None


def approvals_for(
    version: VersionView, stages: tuple[str, ...], now: datetime | None = None
) -> Iterator[ApprovalView]:
    """Yield the approvals in force of exactly this version, the newest of each stage first."""
    found = [
        approvals.list_approvals(
            team_id=version.team_id,
            kind=PROMOTION,
            subject=f"version:{version.id}",
            digest=version.digest,
            target_stage=stage,
            now=now,
        )
        for stage in stages
    ]
    yield from sorted(
        (one for rows in found for one in rows), key=lambda one: one.decided_at, reverse=True
    )


def approval_of(row: Deployment, now: datetime) -> tuple[ApprovalView | None, list[str]]:
    """Return the approval under which a deployment may go on, and which terms broke its own.

    That is its own while in force and as agreed; else a newer one of the same version that is.
    A retired version has none.
    """
    own = approvals.get_approval(team_id=row.team_id, proposal_id=row.approval_id, now=now)
    version = strategies.get_version(row.version_id, row.team_id)
    if version.stage == RETIRED:
        return None, []
    broken = changed_terms(own, version, row.account) if own else []
    if own is not None and not broken and row.version_digest == version.digest:
        return own, []
    for other in approvals_for(version, stages_of(row.account), now):
        fits = other.proposal_id != row.approval_id and is_for(other, row.account)
        if fits and not changed_terms(other, version, row.account):
            return other, broken
    return None, broken


def caps_of(rows: Sequence[Deployment]) -> dict[int, float]:
    """Return how much each deployment may hold by its approval; those without a cap left out."""
    found = {}
    for row in rows:
        approval = approvals.get_approval(team_id=row.team_id, proposal_id=row.approval_id)
        cap = approval.terms.get("capital_usd") if approval else None
        if cap is not None:
            found[row.pk] = float(cap)
    return found


def held_elsewhere(account_id: int, approval_ids: Collection[UUID]) -> dict[UUID, float]:
    """Return what other accounts hold, and may come to hold by orders under way, by approval.

    The caller holds the approvals' capital (``store.hold_capital``), so nothing comes in between.
    """
    rows = Deployment.objects.filter(approval_id__in=approval_ids, status__in=OPEN)
    others = dict(rows.exclude(account_id=account_id).values_list("id", "approval_id"))
    held: dict[tuple[int, str], float] = {}
    prices: dict[tuple[int, str], float] = {}
    ways: dict[tuple[int, str], list[float]] = {}
    for one in Position.objects.filter(deployment_id__in=others):
        key = (one.deployment_id or 0, one.symbol)
        held[key], prices[key] = float(one.quantity), float(one.last_price)
    for order in Order.objects.filter(deployment_id__in=others, finished_at=None):
        if order.terms.get("reduce_only"):
            continue
        key = (order.deployment_id or 0, order.symbol)
        prices[key] = max(prices.get(key, 0.0), float(order.reference_price))
        left = float(order.quantity - order.filled_quantity)
        ways.setdefault(key, [0.0, 0.0])[order.side == SELL] += left
    found = dict.fromkeys(approval_ids, 0.0)
    for key, price in prices.items():
        now, (bought, sold) = held.get(key, 0.0), ways.get(key, [0.0, 0.0])
        most = max(abs(now), abs(now + bought), abs(now - sold))
        found[others[key[0]]] += most * price
    return found


def list_deployable(team_id: int, *, is_paper: bool = True) -> list[VersionView]:
    """Return the versions that may be deployed, newest first."""
    stages = PAPER_STAGES if is_paper else LIVE_STAGES
    rows = [
        row for stage in stages for row in strategies.list_versions(team_id=team_id, stage=stage)
    ]
    views = sorted((strategies.view_of(row) for row in rows), key=lambda view: -view.id)
    return [view for view in views if next(approvals_for(view, stages), None)]
