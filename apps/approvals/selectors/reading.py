"""A proposal as people and outsiders read it: its evidence in parts, its timeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.urls import is_valid_path

from apps.accounts import selectors as accounts
from apps.approvals.kernel import quorum
from apps.approvals.kernel.evidence import EvidenceView, arrange
from apps.approvals.models import Proposal
from apps.audit import selectors as audit


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


def labels_of(team_id: int) -> dict[str, str]:
    """Return how people of a team are shown: e-mail address by actor name."""
    return {f"user:{row.user_id}": row.email for row in accounts.list_members(team_id)}
