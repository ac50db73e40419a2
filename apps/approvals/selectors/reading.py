"""A proposal as people and outsiders read it: its evidence in parts, its timeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import is_valid_path

from apps.accounts import selectors as accounts
from apps.approvals.kernel import quorum
from apps.approvals.kernel import terms as agreed
from apps.approvals.kernel.evidence import EvidenceView, Outcome, arrange
from apps.approvals.kernel.policy import find_figure
from apps.approvals.kernel.signatures import PASSKEY, TOTP
from apps.approvals.models import Proposal
from apps.approvals.selectors.proposals import force_of
from apps.approvals.selectors.signing import signing_of
from apps.audit import selectors as audit
from apps.core.actors import Actor
from apps.core.plugs import list_plugs, load_plug

OUTCOMES = "PROPOSAL_OUTCOMES"
WORDS = {PASSKEY: "passkey", TOTP: "one-time code"}


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
    signed_by: str = ""


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
    votes = list(proposal.decisions.all())
    for row in votes:
        what = "approved" if row.decision == quorum.APPROVE else "rejected"
        rows.append((row.created_at, row.decider, row.role, what, row.rationale, row.event_id))
    lapse = getattr(proposal, "lapse", None)
    if lapse is not None:
        rows.append((lapse.created_at, "", "", "lapsed", lapse.note, lapse.event_id))
    signed = {row.event_id: WORDS.get(row.signature.get("kind", ""), "") for row in votes}
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
            signed.get(event_id, ""),
        )
        for at, who, role, what, words, event_id in rows
        for leaf in [places.get(event_id)]
    ]


def arrange_evidence(proposal: Proposal) -> EvidenceView:
    """Return a proposal's evidence in the parts that a page shows."""
    view = arrange(proposal.evidence, proposal.subject)
    links = tuple(link for link in view.links if is_valid_path(link.href.partition("?")[0]))
    return replace(view, links=links)


def beside(proposal: Proposal) -> dict[str, Any]:
    """Return the figures of the approval that this one would follow, by name; empty if none."""
    against = proposal.evidence.get("changes")
    digest = against.get("digest", "") if isinstance(against, dict) else ""
    rows = Proposal.objects.filter(
        team_id=proposal.team_id, subject_digest=digest, kind=proposal.kind, status="approved"
    )
    before = rows.order_by("-decided_at").first() if digest else None
    return {} if before is None else {row.name: row for row in arrange_evidence(before).metrics}


def page_of(proposal: Proposal, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return all that the page of a proposal shows beside its own fields."""
    signing, status = signing_of(proposal, actor), status_at(proposal, now)
    return {
        "status": status,
        "outcome": outcome_of(proposal, status, now),
        "evidence": arrange_evidence(proposal),
        "beside": beside(proposal),
        "terms": agreed.arrange(proposal.terms),
        "steps": timeline(proposal),
        "labels": labels_of(proposal.team_id),
        "signing": signing,
        "signing_data": {"passkeys": signing.passkeys, "challenges": signing.challenges},
        "is_author": proposal.author == actor.name,
        "may_amend": actor.may("proposals.create") and proposal.status == Proposal.Status.OPEN,
        "may_revoke": actor.may("proposals.decide")
        and proposal.kind not in quorum.DONE_AT_ONCE
        and force_of(proposal, now)["in_force"],
        "trials": find_figure(proposal.evidence, "trials"),
    }


def outcome_of(proposal: Proposal, status: str, now: datetime) -> dict[str, Any]:
    """Return what became of a proposal, told by the app that carries its kind out."""
    if proposal.kind not in list_plugs(OUTCOMES):
        return {}
    plug: Outcome = load_plug(OUTCOMES, proposal.kind)
    return plug.read(
        team_id=proposal.team_id,
        proposal_id=proposal.pk,
        status=status,
        terms=proposal.terms,
        evidence=proposal.evidence,
        now=now,
    )


def status_at(proposal: Proposal, now: datetime) -> str:
    """Return where a proposal stands: over when its time is, noted already or not."""
    is_late = proposal.status == Proposal.Status.OPEN and proposal.expires_at <= now
    return str(Proposal.Status.EXPIRED if is_late else proposal.status)


def labels_of(team_id: int) -> dict[str, str]:
    """Return how people of a team are shown: e-mail address by actor name."""
    return {f"user:{row.user_id}": row.email for row in accounts.list_members(team_id)}
