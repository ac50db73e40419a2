"""The evidence pack of a proposal: what was shown, what was decided, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from apps.approvals import selectors
from apps.approvals.kernel.evidence import EvidenceFiles
from apps.approvals.models import Proposal
from apps.audit import selectors as audit
from apps.audit.services import packing
from apps.core.actors import Actor
from apps.core.kernel.hashing import canonical_json
from apps.core.plugs import list_plugs, load_plug

EVIDENCE_FILES = "EVIDENCE_FILES"


def export_evidence(*, actor: Actor, proposal_id: UUID, now: datetime) -> tuple[bytes, str]:
    """Return the pack of a proposal and its file name; that it was taken is recorded.

    Raises ``Denied``, ``NotFound``, ``Unavailable`` while the ledger is behind.
    """
    actor.require("audit.export")
    proposal = selectors.get_proposal(proposal_id, actor.team)
    subjects, artifacts = _artifacts(proposal)
    own = f"proposal:{proposal.pk}"
    rows = chain.from_iterable(
        audit.list_events(team_id=actor.team, subject=subject)
        for subject in dict.fromkeys([own, *subjects])
    )
    files = {
        "README.txt": (packing.READ_ME + packing.OF_PROPOSAL).encode(),
        "content.json": selectors.content_of(proposal),
        "proposal.json": canonical_json(_summary(proposal)),
        **artifacts,
    }
    about = {"team": actor.team, "proposal": str(proposal.pk), "digest": proposal.digest}
    data = packing.seal_pack(
        actor=actor, kind="proposal", about=about, rows=list(rows), files=files, now=now
    )
    return data, f"evidence-{proposal.pk}.zip"


def _summary(proposal: Proposal) -> dict[str, Any]:
    rows = selectors.list_decisions(proposal)
    return {
        "id": str(proposal.pk),
        "digest": proposal.digest,
        "status": proposal.status,
        "decisions": [f"{row.decider} {row.decision}" for row in rows],
    }


def _artifacts(proposal: Proposal) -> tuple[list[str], Mapping[str, bytes]]:
    """Return the subjects whose events belong to the proposal, and the files it rests on."""
    if proposal.kind not in list_plugs(EVIDENCE_FILES):
        return [], {}
    plug: EvidenceFiles = load_plug(EVIDENCE_FILES, proposal.kind)
    return plug.files(
        team_id=proposal.team_id, subject=proposal.subject, evidence=proposal.evidence
    )
