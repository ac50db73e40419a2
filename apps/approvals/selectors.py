"""Questions about agreement: proposals, who waits for whom, approvals in force, settings."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.urls import is_valid_path

from apps.accounts import selectors as accounts
from apps.approvals.kernel import quorum
from apps.approvals.kernel.digest import PARTS, proposal_content
from apps.approvals.kernel.evidence import EvidenceView, arrange
from apps.approvals.kernel.pack import PackedEvent, make_pack
from apps.approvals.kernel.setting_specs import SPECS, Spec, find_spec
from apps.approvals.kernel.states import STATUSES
from apps.approvals.models import Decision, Proposal, Setting
from apps.audit import selectors as audit
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval in force, bound to one digest."""

    proposal_id: UUID
    kind: str
    subject: str
    digest: str
    target_stage: str
    tier: int
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting as it holds now; version 0 is the default."""

    key: str
    label: str
    value: Any
    unit: str
    hint: str
    version: int
    created_by: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether somebody may decide a proposal now, and if not, why."""

    allowed: bool
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a proposal's timeline."""

    at: datetime
    who: str
    role: str
    what: str
    words: str
    event_id: UUID
    leaf: int | None
    checkpoint: int | None


def list_proposals(
    team_id: int, *, status: str = "", kind: str = "", subject: str = ""
) -> QuerySet[Proposal]:
    """Return a team's proposals, newest first."""
    wanted = {"status": status, "kind": kind, "subject": subject}
    rows = Proposal.objects.filter(team_id=team_id, **{k: v for k, v in wanted.items() if v})
    return rows.prefetch_related("decisions").order_by("-created_at", "-id")


def find_proposals(
    actor: Actor, *, now: datetime, waiting: bool = False, **wanted: str
) -> QuerySet[Proposal]:
    """Return the team's proposals, newest first; with ``waiting`` only those the actor may decide.

    Raises ``Invalid`` for an unknown status.
    """
    status = wanted.get("status", "")
    if status and status not in STATUSES:
        message = f"{status!r} is not a status of a proposal; it is one of {', '.join(STATUSES)}."
        raise Invalid(message, code="proposal.status", details={"field": "status"})
    rows = list_proposals(actor.team, **wanted)
    return rows.filter(pk__in=[row.pk for row in list_waiting(actor, now)]) if waiting else rows


def count_waiting(actor: Actor, now: datetime) -> int:
    """Return how many proposals wait for this person."""
    return len(list_waiting(actor, now))


def get_proposal(proposal_id: UUID | str, team_id: int) -> Proposal:
    """Return a proposal of the team. Raises ``NotFound``."""
    try:
        rows = Proposal.objects.filter(pk=proposal_id, team_id=team_id)
        found = rows.prefetch_related("decisions").first()
    except ValidationError:
        found = None
    if found is None:
        message = f"There is no proposal {proposal_id} in this team."
        raise NotFound(message, code="proposal.not_found")
    return found


def list_waiting(actor: Actor, now: datetime) -> list[Proposal]:
    """Return the open proposals that this very person may decide, oldest first."""
    rows = list_proposals(actor.team, status="open").order_by("created_at", "id")
    return [row for row in rows if ability(row, actor, now).allowed]


def ability(proposal: Proposal, actor: Actor, now: datetime) -> Ability:
    """Tell whether the actor may decide the proposal now: the one rule for pages and services."""
    if proposal.status != Proposal.Status.OPEN:
        reason = f"The proposal is {proposal.status} already; make a new one to change that."
        return Ability(False, "proposal.closed", reason)  # noqa: FBT003 its first word
    if proposal.expires_at <= now:
        reason = f"The proposal expired on {proposal.expires_at:%Y-%m-%d}; propose it again."
        return Ability(False, "proposal.expired", reason)  # noqa: FBT003
    refusal = _refusal(proposal, actor)
    return Ability(not refusal, *(refusal or ("", "")))


def _refusal(proposal: Proposal, actor: Actor) -> tuple[str, str] | None:
    slots = slots_of(proposal)
    if actor.user_id is None:
        return "denied.not_a_person", "Only a person can decide; the lab itself can't."
    if actor.name in (proposal.author, *proposal.editors):
        reason = "Four eyes: who proposed or last edited this can't decide it; ask a colleague."
        return "denied.own_proposal", reason
    if not quorum.powers_for(slots, actor.permissions):
        asked = " and ".join(quorum.NAMES[slot] for slot in slots)
        return "denied.role", f"This is decided by: {asked}. You act as {actor.role}."
    votes = votes_of(proposal)
    if actor.name in {vote.decider for vote in votes}:
        return "denied.voted", "You have decided this already; others are waited for."
    if not any(slot & actor.permissions for slot in quorum.open_slots(slots, votes)):
        return "denied.role_filled", "Your role has agreed already; other roles are waited for."
    return None


def slots_of(proposal: Proposal) -> tuple[quorum.Slot, ...]:
    """Return whose agreement the proposal needs."""
    return quorum.slots_of(proposal.kind, proposal.target_stage, proposal.tier)


def votes_of(proposal: Proposal) -> list[quorum.Vote]:
    """Return the decisions so far."""
    return [
        quorum.Vote(row.decider, row.decision, frozenset(row.powers))
        for row in proposal.decisions.all()
    ]


def still_needed(proposal: Proposal) -> list[str]:
    """Return whose agreement is still missing, in words."""
    if proposal.status != Proposal.Status.OPEN:
        return []
    slots = quorum.open_slots(slots_of(proposal), votes_of(proposal))
    return [quorum.NAMES[slot] for slot in slots]


def blocking_gates(gates: list[Mapping[str, Any]]) -> list[str]:
    """Return the labels of the gates that forbid approval."""
    return [str(gate["label"]) for gate in gates if gate["blocks"]]


def find_approval(
    *, team_id: int, kind: str, subject: str, digest: str, target_stage: str = ""
) -> ApprovalView | None:
    """Return the newest approval of exactly this content; None when it was never approved.

    Another digest is another thing: a change voids the approval.
    """
    rows = Proposal.objects.filter(
        team_id=team_id, kind=kind, subject=subject, subject_digest=digest, status="approved"
    )
    if target_stage:
        rows = rows.filter(target_stage=target_stage)
    found = rows.order_by("-decided_at").first()
    if found is None or found.decided_at is None:
        return None
    return ApprovalView(
        proposal_id=found.pk,
        kind=found.kind,
        subject=found.subject,
        digest=found.subject_digest,
        target_stage=found.target_stage,
        tier=found.tier,
        decided_at=found.decided_at,
    )


def timeline(proposal: Proposal) -> list[Step]:
    """Return what happened to a proposal, oldest first, with each event's place in the ledger."""
    rows: list[tuple[datetime, str, str, str, str, UUID]] = [
        (
            proposal.created_at,
            proposal.author,
            "",
            "proposed",
            proposal.rationale,
            proposal.event_id,
        )
    ]
    for row in proposal.decisions.all():
        what = "approved" if row.decision == quorum.APPROVE else "rejected"
        rows.append((row.created_at, row.decider, row.role, what, row.rationale, row.event_id))
    places = audit.find_leaves([row[5] for row in rows])
    labels = labels_of(proposal.team_id)
    size = audit.head().size
    return [
        Step(
            at,
            labels.get(who, who),
            role,
            what,
            words,
            event_id,
            leaf,
            size if leaf is not None else None,
        )
        for at, who, role, what, words, event_id in rows
        for leaf in [places.get(event_id)]
    ]


def arrange_evidence(proposal: Proposal) -> EvidenceView:
    """Return a proposal's evidence in the parts that a page shows."""
    view = arrange(proposal.evidence, proposal.subject)
    links = tuple(link for link in view.links if is_valid_path(link.href.partition("?")[0]))
    return replace(view, links=links)


def evidence_pack(proposal: Proposal) -> bytes:
    """Return the zip by which others check a proposal's decisions without the lab.

    Raises ``Unavailable`` while one of its events waits for its place in the ledger.
    """
    rows = list(audit.list_events(team_id=proposal.team_id, subject=f"proposal:{proposal.pk}"))
    proofs = audit.get_proofs([row.pk for row in rows])
    if len(proofs) < len(rows) or not proofs:
        message = "An event of this proposal still waits for its place in the ledger; try again."
        raise Unavailable(message, code="audit.pending", retry_after=1)
    events = [
        PackedEvent(
            str(row.pk),
            proofs[row.pk].leaf_index,
            audit.leaf_data_of(row).hex(),
            proofs[row.pk].path,
        )
        for row in reversed(rows)
    ]
    return make_pack(
        content=proposal_content({name: getattr(proposal, name) for name in PARTS}),
        summary={
            "id": str(proposal.pk),
            "digest": proposal.digest,
            "status": proposal.status,
            "decisions": [f"{row.decider} {row.decision}" for row in list_decisions(proposal)],
        },
        events=events,
        checkpoint=proofs[rows[0].pk].checkpoint,
        public_key=audit.public_key_line(),
    )


def labels_of(team_id: int) -> dict[str, str]:
    """Return how people of a team are shown: e-mail address by actor name."""
    return {f"user:{row.user_id}": row.email for row in accounts.list_members(team_id)}


def get_setting(team_id: int, key: str) -> Any:
    """Return a setting's value as it holds now. Raises ``Invalid`` for an unknown key."""
    return get_setting_view(team_id, key).value


def get_setting_view(team_id: int, key: str) -> SettingView:
    """Return a setting with its version. Raises ``Invalid`` for an unknown key."""
    row = Setting.objects.filter(team_id=team_id, key=key).order_by("-version").first()
    return _setting_view(get_spec(key), row)


def get_spec(key: str) -> Spec:
    """Return a setting's description. Raises ``Invalid`` for an unknown key."""
    try:
        return find_spec(key)
    except ValueError as error:
        raise Invalid(f"{error}.", code="setting.unknown", details={"field": "key"}) from error


def list_settings(team_id: int) -> list[SettingView]:
    """Return every setting as it holds now, by key."""
    newest = Setting.objects.filter(team_id=team_id).order_by("key", "-version").distinct("key")
    rows = {row.key: row for row in newest}
    return [_setting_view(SPECS[key], rows.get(key)) for key in sorted(SPECS)]


def list_setting_versions(team_id: int, key: str) -> QuerySet[Setting]:
    """Return the versions of a setting, newest first. Raises ``Invalid`` for an unknown key."""
    get_spec(key)
    return Setting.objects.filter(team_id=team_id, key=key).order_by("-version")


def list_recent_versions(team_id: int, limit: int = 50) -> list[Setting]:
    """Return the newest versions of all settings."""
    return list(Setting.objects.filter(team_id=team_id).order_by("-created_at", "-id")[:limit])


def _setting_view(spec: Spec, row: Setting | None) -> SettingView:
    return SettingView(
        key=spec.key,
        label=spec.label,
        value=row.value if row else deepcopy(spec.default),
        unit=spec.unit,
        hint=spec.hint,
        version=row.version if row else 0,
        created_by=row.created_by if row else "",
        created_at=row.created_at if row else None,
    )


def list_decisions(proposal: Proposal) -> list[Decision]:
    """Return the decisions on a proposal, oldest first."""
    return list(proposal.decisions.all())
