"""Which versions may be deployed: those that people approved, exactly as they are."""

from __future__ import annotations

from dataclasses import dataclass

from apps.approvals import selectors as approvals
from apps.approvals.kernel.states import RETIRED
from apps.approvals.selectors import ApprovalView
from apps.strategies import selectors as strategies
from apps.strategies.kernel.versions import digest_of
from apps.strategies.selectors import VersionView
from apps.trading.errors import NotApproved

PROMOTION = "promotion"
PAPER_STAGES = ("paper", "live")
LIVE_STAGES = ("live",)


@dataclass(frozen=True, slots=True)
class Deployable:
    """A version with the approval that lets it trade."""

    version: VersionView
    approval: ApprovalView


def check_approved(*, version_id: int, team_id: int, is_paper: bool) -> Deployable:
    """Return the version with its approval.

    Raises
    ------
    NotFound
    NotApproved
        Saying what is missing: the approval, or the approved content, which has changed since.
    """
    version = strategies.get_version(version_id, team_id)
    if version.stage == RETIRED:
        message = f"{version.label} was retired; have a new version approved for paper."
        raise NotApproved(message, code="deploy.retired", details={"version_id": version.id})
    stages = PAPER_STAGES if is_paper else LIVE_STAGES
    approval = find_approved(version, team_id, stages)
    if approval is None:
        message = (
            f"{version.label} is not approved for {stages[0]}: it stands at {version.stage!r}. "
            f"Propose its promotion to {stages[0]} and let a validator approve it."
        )
        raise NotApproved(message, details={"version_id": version.id, "stage": version.stage})
    now_digest = recomputed_digest(version)
    if now_digest != approval.digest:
        message = (
            f"{version.label} was approved as {approval.digest[:12]}…, but its code or parameters "
            f"give {now_digest[:12]}… now; make a new version and have it approved."
        )
        raise NotApproved(message, code="deploy.changed", details={"version_id": version.id})
    return Deployable(version, approval)


def find_approved(
    version: VersionView, team_id: int, stages: tuple[str, ...]
) -> ApprovalView | None:
    """Return the newest approval of exactly this version for one of the stages."""
    found = [
        approvals.find_approval(
            team_id=team_id,
            kind=PROMOTION,
            subject=f"version:{version.id}",
            digest=version.digest,
            target_stage=stage,
        )
        for stage in stages
    ]
    given = [approval for approval in found if approval is not None]
    return max(given, key=lambda approval: approval.decided_at, default=None)


def recomputed_digest(version: VersionView) -> str:
    """Return the digest of what would run now, from today's code and the stored parameters."""
    source_digest = strategies.source_digest_of(version.name, version.team_id)
    return digest_of(
        kind=version.kind, plug=version.name, source_digest=source_digest, params=version.params
    )


def list_deployable(team_id: int, *, is_paper: bool = True) -> list[VersionView]:
    """Return the versions that may be deployed, newest first."""
    stages = PAPER_STAGES if is_paper else LIVE_STAGES
    rows = [
        row for stage in stages for row in strategies.list_versions(team_id=team_id, stage=stage)
    ]
    views = sorted((strategies.view_of(row) for row in rows), key=lambda view: -view.id)
    return [view for view in views if find_approved(view, team_id, stages)]
