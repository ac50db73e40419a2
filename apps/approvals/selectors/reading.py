"""A proposal as people and outsiders read it: its evidence in parts, its timeline, its pack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.urls import is_valid_path

from apps.accounts import selectors as accounts
from apps.approvals.kernel import quorum
from apps.approvals.kernel.digest import PARTS, proposal_content
from apps.approvals.kernel.evidence import EvidenceView, arrange
from apps.approvals.kernel.pack import PackedEvent, make_pack
from apps.approvals.models import Proposal
from apps.approvals.selectors.proposals import list_decisions
from apps.audit import selectors as audit
from apps.core.errors import Unavailable


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
