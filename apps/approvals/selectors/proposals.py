"""Proposals, who may decide them, whose agreement is missing, approvals in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from apps.approvals.kernel import quorum
from apps.approvals.kernel import terms as agreed
from apps.approvals.kernel.states import STATUSES
from apps.approvals.models import Decision, Proposal
from apps.approvals.selectors.signing import digest_of
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotFound


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
    terms: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether somebody may decide a proposal now, and if not, why."""

    allowed: bool
    code: str = ""
    reason: str = ""


def list_proposals(
    team_id: int, *, status: str = "", kind: str = "", subject: str = ""
) -> QuerySet[Proposal]:
    """Return a team's proposals, newest first."""
    wanted = {"status": status, "kind": kind, "subject": subject}
    rows = Proposal.objects.filter(team_id=team_id, **{k: v for k, v in wanted.items() if v})
    return rows.prefetch_related("decisions").order_by("-created_at", "-id")


def open_subjects(team_id: int, *, kind: str) -> dict[str, UUID]:
    """Return the newest open proposal of a kind by what it is about."""
    rows = Proposal.objects.filter(team_id=team_id, kind=kind, status="open")
    return dict(rows.order_by("created_at", "id").values_list("subject", "pk"))


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
    return pick_proposal(Proposal.objects.prefetch_related("decisions"), proposal_id, team_id)


def pick_proposal(rows: QuerySet[Proposal], proposal_id: UUID | str, team_id: int) -> Proposal:
    """Return the proposal of the team among ``rows``. Raises ``NotFound``."""
    try:
        found = rows.filter(pk=proposal_id, team_id=team_id).first()
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


def blocking_gates(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the labels of the gates that forbid approval."""
    return [str(gate["label"]) for gate in gates if gate["blocks"]]


def find_approval(
    *,
    team_id: int,
    kind: str,
    subject: str,
    digest: str,
    target_stage: str = "",
    now: datetime | None = None,
) -> ApprovalView | None:
    """Return the newest approval in force of exactly this content; None when there is none.

    Another digest is another thing: a change voids the approval. One that lapsed is not in force,
    nor one whose time is over by ``now``, whether that was noted already or not.
    """
    found = list_approvals(
        team_id=team_id,
        kind=kind,
        subject=subject,
        digest=digest,
        target_stage=target_stage,
        now=now,
    )
    return found[0] if found else None


def list_approvals(
    *,
    team_id: int,
    kind: str,
    subject: str,
    digest: str,
    target_stage: str = "",
    now: datetime | None = None,
) -> list[ApprovalView]:
    """Return every approval in force of exactly this content, newest first."""
    rows = _in_force(team_id, now).filter(kind=kind, subject=subject, subject_digest=digest)
    if target_stage:
        rows = rows.filter(target_stage=target_stage)
    return [approval_view(row) for row in rows.order_by("-decided_at") if is_as_signed(row)]


def get_approval(
    *, team_id: int, proposal_id: UUID, now: datetime | None = None
) -> ApprovalView | None:
    """Return an approval in force by its proposal; None once it lapsed, or never was."""
    found = _in_force(team_id, now).filter(pk=proposal_id).first()
    return approval_view(found) if found is not None and is_as_signed(found) else None


def is_as_signed(proposal: Proposal) -> bool:
    """Tell whether a proposal still says what its deciders signed, by its digest.

    The database refuses such a change, but not to who owns it: an approval whose terms, subject or
    date were rewritten there is none.
    """
    signed = {row.seen_digest for row in proposal.decisions.all()}
    return (
        signed <= {proposal.digest}
        and digest_of(proposal) == proposal.digest
        and proposal.valid_until == agreed.valid_until(proposal.terms)
    )


def _in_force(team_id: int | None, now: datetime | None) -> QuerySet[Proposal]:
    """Approvals that have not lapsed, of one team or all; with ``now`` not over either."""
    rows = Proposal.objects.filter(status="approved", lapse=None).prefetch_related("decisions")
    if team_id is not None:
        rows = rows.filter(team_id=team_id)
    if now is not None:
        rows = rows.filter(Q(valid_until=None) | Q(valid_until__gt=now))
    return rows


def force_of(proposal: Proposal, now: datetime) -> dict[str, Any]:
    """Return whether an approval is in force, and its lapse if it is not."""
    lapse = getattr(proposal, "lapse", None)
    is_over = proposal.valid_until is not None and proposal.valid_until <= now
    shown = {"reason": lapse.reason, "note": lapse.note, "at": lapse.created_at} if lapse else None
    in_force = proposal.status == Proposal.Status.APPROVED and not lapse and not is_over
    return {"in_force": in_force, "lapse": shown}


def list_in_force(
    team_id: int | None = None, now: datetime | None = None
) -> list[tuple[UUID, int, dict[str, Any]]]:
    """Return proposal, team and terms of every promotion in force that can lapse.

    With ``now`` those whose time is over are left out, noted or not.
    """
    rows = _in_force(team_id, now).exclude(valid_until=None, review_on=None)
    return list(rows.order_by("decided_at", "id").values_list("pk", "team_id", "terms"))


def approval_view(found: Proposal) -> ApprovalView:
    """Return an approved proposal as other apps see it."""
    return ApprovalView(
        proposal_id=found.pk,
        kind=found.kind,
        subject=found.subject,
        digest=found.subject_digest,
        target_stage=found.target_stage,
        tier=found.tier,
        decided_at=found.decided_at or found.created_at,
        terms=found.terms,
    )


def list_decisions(proposal: Proposal) -> list[Decision]:
    """Return the decisions on a proposal, oldest first."""
    return list(proposal.decisions.all())
