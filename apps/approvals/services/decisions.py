"""Decide, and carry out what was decided. The row is locked, so two at once give one outcome."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.dispatch import Signal

from apps.approvals import selectors
from apps.approvals.errors import BadSignature
from apps.approvals.kernel import quorum
from apps.approvals.kernel import signatures as signing
from apps.approvals.models import Decision, Proposal
from apps.approvals.services import signatures
from apps.approvals.services.proposals import announce, check_rationale, lock_proposal
from apps.audit import selectors as trail
from apps.audit import services as audit
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied, Invalid, Unavailable
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
    signature: Mapping[str, Any] | None = None,
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
    signature
        Made at this moment for this decision, strong enough for the policy
        (``services.signatures.verify``).

    Raises
    ------
    BadSignature, TooMany
        For a signature that is missing, too weak or does not hold; that is recorded.
    Denied
        For the author, the subject's editors, a role that does not decide this, a second vote.
    Conflict
        When it is decided, expired or changed, or a gate forbids approval.
    Unavailable
        ``ledger.late``: while events wait long for their place, nothing is approved.
    NotFound, Invalid
    """
    actor.require("team.read")
    if decision not in (quorum.APPROVE, quorum.REJECT):
        message = f"{decision!r} is not a decision; it is approve or reject."
        raise Invalid(message, code="decision.unknown", details={"field": "decision"})
    words = check_rationale(rationale)
    if decision == quorum.APPROVE:
        _check_ledger(now)
    try:
        with transaction.atomic():
            proposal = lock_proposal(proposal_id, actor.team)
            _check_may_decide(proposal, actor, now)
            _check_seen(proposal, seen_digest)
            if decision == quorum.APPROVE:
                _check_gates(proposal)
            signed = _verify(proposal, actor, decision, signature, now)
            _store_decision(proposal, actor, decision, words, signed, now)
            _close_if_settled(proposal, now)
    except BadSignature as error:
        _record_unsigned(actor, proposal_id, decision, error, now)
        raise
    return proposal


def _check_ledger(now: datetime) -> None:
    """Let approvals wait while the ledger does not keep up; to say no is possible all the time."""
    most = settings.LEDGER_LATE_SECONDS
    waits = trail.lag_seconds(now=now) if most else None
    if waits is not None and waits > most:
        message = (
            f"Events wait {waits:.0f} s for their place in the ledger, {most:.0f} at most when "
            "something is approved. Look at the sequencer, then approve."
        )
        raise Unavailable(message, code="ledger.late", retry_after=5)


def _verify(
    proposal: Proposal,
    actor: Actor,
    decision: str,
    signature: Mapping[str, Any] | None,
    now: datetime,
) -> dict[str, Any]:
    return signatures.verify(
        user_id=actor.user_id or 0,
        accepted=selectors.accepted_signatures(proposal),
        signature=signature,
        challenge=signing.challenge_of(proposal.digest, decision),
        now=now,
    )


def _record_unsigned(
    actor: Actor, proposal_id: Any, decision: str, error: BadSignature, now: datetime
) -> None:
    audit.record(
        actor=actor,
        action="proposal.unsigned",
        subject=f"proposal:{proposal_id}",
        body={"decision": decision, "code": error.code},
        now=now,
    )


def _check_may_decide(proposal: Proposal, actor: Actor, now: datetime) -> None:
    ability = selectors.ability(proposal, actor, now)
    if ability.allowed:
        return
    kind = Denied if ability.code.startswith("denied.") else Conflict
    # Whose role has no say lacks the permission, which is recorded like any other.
    is_role = ability.code == "denied.role"
    lacks: dict[str, object] | None = {"permission": "proposals.decide"} if is_role else None
    raise kind(ability.reason, code=ability.code, details=lacks)


def _check_seen(proposal: Proposal, seen_digest: str) -> None:
    if seen_digest != proposal.digest or _digest_now(proposal) != proposal.digest:
        message = (
            f"You decided on {seen_digest[:12] or 'nothing'}…, but the proposal's content is "
            f"{_digest_now(proposal)[:12]}… now; read it again and decide on what it says."
        )
        raise Conflict(message, code="proposal.changed")


def _digest_now(proposal: Proposal) -> str:
    return selectors.digest_of(proposal)


def _check_gates(proposal: Proposal) -> None:
    if blocking := selectors.blocking_gates(proposal.gates):
        message = (
            f"Approval is barred by the policy: {', '.join(blocking)}. Reject, or improve it."
        )
        raise Conflict(message, code="proposal.gate", details={"gates": blocking})


def _store_decision(
    proposal: Proposal,
    actor: Actor,
    decision: str,
    words: str,
    signed: dict[str, Any],
    now: datetime,
) -> None:
    body = {
        "proposal_subject": proposal.subject,
        "subject_digest": proposal.subject_digest,
        "seen_digest": proposal.digest,
        "decision": decision,
        "rationale": words,
        "signature": signed,
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
        signature=signed,
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
    told = _outcome(proposal, now)
    carry_out(told)
    announce(proposal, "decided")
    transaction.on_commit(lambda: _send_decided(told))


def carry_out(outcome: Mapping[str, Any]) -> None:
    """Let everybody whom an outcome concerns act on it, in the transaction that made it."""
    for name in list_plugs(DECISION_EFFECTS):
        load_plug(DECISION_EFFECTS, name).carry_out(**outcome)


def _outcome(proposal: Proposal, now: datetime) -> dict[str, Any]:
    approved = proposal.status == Proposal.Status.APPROVED
    return outcome_of(proposal, quorum.APPROVE if approved else quorum.REJECT, now)


def outcome_of(proposal: Proposal, decision: str, now: datetime) -> dict[str, Any]:
    """Return what is told of a proposal that came to an outcome, or whose approval lapsed."""
    return {
        "proposal_id": proposal.pk,
        "kind": proposal.kind,
        "subject": proposal.subject,
        "digest": proposal.subject_digest,
        "decision": decision,
        "team_id": proposal.team_id,
        "target_stage": proposal.target_stage,
        "tier": proposal.tier,
        "terms": proposal.terms,
        "now": now,
    }


def _send_decided(outcome: dict[str, Any]) -> None:
    answers = decided.send_robust(sender=Proposal, **outcome)
    for receiver, answer in answers:
        if isinstance(answer, Exception):
            name = getattr(receiver, "__qualname__", repr(receiver))
            log.error("approvals.receiver_failed", receiver=name, exc_info=answer)
