"""Decide, and carry out what was decided. The row is locked, so two at once give one outcome."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.dispatch import Signal

from apps.approvals import selectors
from apps.approvals.kernel import quorum
from apps.approvals.kernel.digest import PARTS, proposal_digest
from apps.approvals.models import Decision, Proposal
from apps.approvals.services.proposals import announce, check_rationale, lock_proposal
from apps.audit import services as audit
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.plugs import list_plugs, load_plug

log = structlog.get_logger(__name__)

# For those who want to hear of it; what has to happen is a line of ``DECISION_EFFECTS``, carried
# out in the deciding transaction. Sent on commit when a proposal is approved or rejected, with
# proposal_id, kind, subject, digest (of the subject), decision ("approve" or "reject"), team_id,
# target_stage, tier and now.
decided = Signal()

DECISION_EFFECTS = "DECISION_EFFECTS"


def decide(
    *,
    actor: Actor,
    proposal_id: uuid.UUID | str,
    decision: str,
    rationale: str,
    seen_digest: str,
    now: datetime,
) -> Proposal:
    """Store the actor's decision; the proposal closes when it settles the outcome.

    What the outcome brings about (``DECISION_EFFECTS``) happens in the same transaction: an
    approval that can't be carried out is refused, and there is none that was not carried out.

    Parameters
    ----------
    decision
        ``approve`` or ``reject``.
    seen_digest
        The digest of the proposal that the decider read.

    Raises
    ------
    Denied
        For the author, the subject's editors, a role that does not decide this, a second vote.
    Conflict
        When it is decided, expired or changed, or a gate forbids approval.
    NotFound, Invalid
    """
    actor.require("team.read")
    if decision not in (quorum.APPROVE, quorum.REJECT):
        message = f"{decision!r} is not a decision; it is approve or reject."
        raise Invalid(message, code="decision.unknown", details={"field": "decision"})
    words = check_rationale(rationale)
    with transaction.atomic():
        proposal = lock_proposal(proposal_id, actor.team)
        _check_may_decide(proposal, actor, now)
        _check_seen(proposal, seen_digest)
        if decision == quorum.APPROVE:
            _check_gates(proposal)
        _store_decision(proposal, actor, decision, words, now)
        _close_if_settled(proposal, now)
    return proposal


def _check_may_decide(proposal: Proposal, actor: Actor, now: datetime) -> None:
    ability = selectors.ability(proposal, actor, now)
    if ability.allowed:
        return
    kind = Denied if ability.code.startswith("denied.") else Conflict
    raise kind(ability.reason, code=ability.code)


def _check_seen(proposal: Proposal, seen_digest: str) -> None:
    if seen_digest != proposal.digest or _digest_now(proposal) != proposal.digest:
        message = (
            f"You decided on {seen_digest[:12] or 'nothing'}…, but the proposal's content is "
            f"{_digest_now(proposal)[:12]}… now; read it again and decide on what it says."
        )
        raise Conflict(message, code="proposal.changed")


def _digest_now(proposal: Proposal) -> str:
    return proposal_digest(**{name: getattr(proposal, name) for name in PARTS})


def _check_gates(proposal: Proposal) -> None:
    if blocking := selectors.blocking_gates(proposal.gates):
        message = (
            f"Approval is barred by the policy: {', '.join(blocking)}. Reject, or improve it."
        )
        raise Conflict(message, code="proposal.gate", details={"gates": blocking})


def _store_decision(
    proposal: Proposal, actor: Actor, decision: str, words: str, now: datetime
) -> None:
    body = {
        "proposal_subject": proposal.subject,
        "subject_digest": proposal.subject_digest,
        "seen_digest": proposal.digest,
        "decision": decision,
        "rationale": words,
    }
    event_id = audit.record(
        actor=actor,
        action=f"proposal.vote.{decision}",
        subject=f"proposal:{proposal.pk}",
        body=body,
        now=now,
    )
    powers = quorum.powers_for(selectors.slots_of(proposal), actor.permissions)
    Decision.objects.create(
        team_id=proposal.team_id,
        proposal=proposal,
        decider=actor.name,
        role=actor.role,
        powers=sorted(powers),
        decision=decision,
        rationale=words,
        seen_digest=proposal.digest,
        created_at=now,
        event_id=event_id,
    )


def _close_if_settled(proposal: Proposal, now: datetime) -> None:
    outcome = quorum.outcome(selectors.slots_of(proposal), selectors.votes_of(proposal))
    if outcome == "open":
        announce(proposal, "voted")
        return
    proposal.status, proposal.decided_at = outcome, now
    proposal.save(update_fields=["status", "decided_at"])
    audit.record(
        actor=system("approvals", proposal.team_id),
        action=f"proposal.{outcome}",
        subject=f"proposal:{proposal.pk}",
        body={"subject": proposal.subject, "subject_digest": proposal.subject_digest},
        now=now,
    )
    outcome_of = _outcome(proposal, now)
    for name in list_plugs(DECISION_EFFECTS):
        load_plug(DECISION_EFFECTS, name).carry_out(**outcome_of)
    announce(proposal, "decided")
    transaction.on_commit(lambda: _send_decided(outcome_of))


def _outcome(proposal: Proposal, now: datetime) -> dict[str, Any]:
    approved = proposal.status == Proposal.Status.APPROVED
    return {
        "proposal_id": proposal.pk,
        "kind": proposal.kind,
        "subject": proposal.subject,
        "digest": proposal.subject_digest,
        "decision": quorum.APPROVE if approved else quorum.REJECT,
        "team_id": proposal.team_id,
        "target_stage": proposal.target_stage,
        "tier": proposal.tier,
        "now": now,
    }


def _send_decided(outcome: dict[str, Any]) -> None:
    answers = decided.send_robust(sender=Proposal, **outcome)
    for receiver, answer in answers:
        if isinstance(answer, Exception):
            name = getattr(receiver, "__qualname__", repr(receiver))
            log.error("approvals.receiver_failed", receiver=name, exc_info=answer)
