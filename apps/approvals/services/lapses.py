"""Approvals that are no longer in force: their time is over, what they cover changed, taken back.

A lapse is recorded once and carried out in the same transaction (``DECISION_EFFECTS``, with the
decision ``lapse``): what ran under the approval stops, a live version steps back to paper.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from apps.approvals import selectors
from apps.approvals.kernel import quorum
from apps.approvals.kernel import terms as agreed
from apps.approvals.models import Lapse, Proposal
from apps.approvals.services.decisions import carry_out, outcome_of
from apps.approvals.services.proposals import announce, check_rationale, lock_proposal
from apps.audit import selectors as trail
from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied

LAPSE = "lapse"
LAPSED = "approval.lapsed"
REVIEW_DUE = "approval.review_due"
REVOKERS = ("proposals.decide.paper", "proposals.decide.live")


def revoke(
    *, actor: Actor, proposal_id: uuid.UUID | str, rationale: str, now: datetime
) -> Proposal:
    """Take an approval back at once; one person may, since it only makes things safer.

    Raises ``NotFound``, ``Denied`` for who decides nothing, ``Conflict`` when none is in force.
    """
    actor.require("proposals.decide")
    if not any(actor.may(name) for name in REVOKERS):
        message = "Only who may approve can take an approval back: validators and risk managers."
        raise Denied(message, code="denied.role")
    words = check_rationale(rationale)
    with transaction.atomic():
        proposal = lock_proposal(proposal_id, actor.team)
        if proposal.kind in quorum.DONE_AT_ONCE:
            message = "It was carried out when it was approved; there is nothing to take back."
            raise Conflict(message, code="approval.carried_out")
        if selectors.get_approval(team_id=actor.team, proposal_id=proposal.pk) is None:
            message = "There is no approval in force to take back."
            raise Conflict(message, code="approval.not_in_force")
        _lapse(actor, proposal, Lapse.Reason.REVOKED, words, now)
    return proposal


def void_approval(
    *, actor: Actor, proposal_id: uuid.UUID, changed: Sequence[str], now: datetime
) -> bool:
    """End an approval since covered terms are no longer as agreed; False when it has ended."""
    with transaction.atomic():
        proposal = lock_proposal(proposal_id, actor.team)
        if selectors.get_approval(team_id=actor.team, proposal_id=proposal.pk) is None:
            return False
        words = f"No longer as agreed: {agreed.words_for(list(changed))}."
        _lapse(actor, proposal, Lapse.Reason.CHANGED, words, now)
    return True


def lapse_old(*, now: datetime) -> int:
    """End the approvals whose time or review is over; return how many.

    One that can't be ended leaves the others alone, and is tried again.
    """
    ended = 0
    for proposal_id, team_id, terms in selectors.list_in_force():
        grace = selectors.get_setting(team_id, "approvals.review_grace_days")
        reason = agreed.lapse_reason(terms, now, grace)
        if reason:
            ended += _end(proposal_id, team_id, reason, now)
        elif agreed.is_review_due(terms, now):
            _tell_review(proposal_id, team_id, now)
    return ended


def _end(proposal_id: uuid.UUID, team_id: int, reason: str, now: datetime) -> int:
    with transaction.atomic():
        proposal = lock_proposal(proposal_id, team_id)
        if selectors.get_approval(team_id=team_id, proposal_id=proposal_id) is None:
            return 0
        words = f"The approval ended: {agreed.LAPSES[reason]}."
        _lapse(system("approvals", team_id), proposal, reason, words, now)
    return 1


def _lapse(actor: Actor, proposal: Proposal, reason: str, words: str, now: datetime) -> None:
    body = {
        "subject": proposal.subject,
        "subject_digest": proposal.subject_digest,
        "target_stage": proposal.target_stage,
        "reason": str(reason),
        "note": words,
    }
    subject = f"proposal:{proposal.pk}"
    event_id = audit.record(actor=actor, action=LAPSED, subject=subject, body=body, now=now)
    Lapse.objects.create(
        team_id=proposal.team_id,
        proposal=proposal,
        reason=reason,
        note=words[:500],
        created_at=now,
        event_id=event_id,
    )
    carry_out({**outcome_of(proposal, LAPSE, now), "reason": words})
    announce(proposal, "lapsed")


def _tell_review(proposal_id: uuid.UUID, team_id: int, now: datetime) -> None:
    """Alert the team once that an approval is to be reviewed."""
    subject = f"proposal:{proposal_id}"
    with transaction.atomic():
        proposal = lock_proposal(proposal_id, team_id)
        told = trail.list_events(team_id=team_id, subject=subject, action=REVIEW_DUE)
        if told.exists():
            return
        audit.record(
            actor=system("approvals", team_id),
            action=REVIEW_DUE,
            subject=subject,
            body={"subject": proposal.subject, "review_on": proposal.terms["review_on"]},
            now=now,
        )
        data = {"proposal": str(proposal_id), "subject": proposal.subject, "title": proposal.title}
        events.emit(team_id=team_id, topic="alerts", kind="approvals.review.due", data=data)
