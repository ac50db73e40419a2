"""Shapes of the REST operations of approvals."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from ninja import Field, Schema

from apps.approvals import selectors
from apps.approvals.models import Decision, Proposal
from apps.core.actors import Actor
from apps.core.reading import Moment

ONE_LINE = 80


class ProposalIn(Schema):
    """Something to be agreed; ``digest`` is the sha-256 of the subject's content.

    A promotion names the finished ``run`` of its version, whose figures the lab copies. ``stated``
    is what the proposer adds (``evidence`` is an older name of it): shown apart, read by no gate.
    Going live takes ``account`` and ``capital_usd``; the tier follows from the capital. The days
    are at most those of the policy. ``study`` is a finished sweep of the same strategy.
    """

    kind: str = "promotion"
    subject: str
    title: str
    digest: str
    target_stage: str = ""
    run: str = ""
    stated: dict[str, Any] = Field(default_factory=dict)
    evidence: dict[str, Any] = Field(default_factory=dict)
    rationale: str
    tier: int = 1
    account: int | None = None
    capital_usd: float | None = None
    valid_days: int | None = None
    review_days: int | None = None
    open_days: int | None = None
    study: str = ""

    def arguments(self) -> dict[str, Any]:
        """Return what the service takes."""
        asked = self.dict(exclude={"evidence"})
        return {**asked, "stated": {**self.evidence, **self.stated}}


class ProposalFilter(Schema):
    """Which proposals to list; ``waiting`` keeps those that wait for the caller."""

    status: str = ""
    kind: str = ""
    subject: str = ""
    waiting: bool = False


class SignatureIn(Schema):
    """Made at this moment: ``code`` for ``totp``, the rest (base64url) for ``passkey``.

    What a passkey signs is in ``GET /proposals/{id}/signing``; to approve, the proposal's digest.
    """

    kind: str
    code: str = ""
    id: str = ""
    clientDataJSON: str = ""  # noqa: N815 the browser's own names
    authenticatorData: str = ""  # noqa: N815
    signature: str = ""


class DecisionIn(Schema):
    """A decision; ``seen_digest`` is the ``digest`` of the proposal that was read."""

    decision: str
    rationale: str
    seen_digest: str
    signature: SignatureIn | None = None


class SigningOut(Schema):
    """How the caller may sign: what is accepted, what they have, what a passkey signs."""

    accepted: list[str]
    has_totp: bool
    passkeys: list[str]
    challenges: dict[str, str]
    is_able: bool


class AmendIn(Schema):
    """Other words for an open proposal; what is left out stays as it is."""

    title: str | None = None
    rationale: str | None = None
    stated: dict[str, Any] | None = None


class RevokeIn(Schema):
    """Why an approval is taken back."""

    rationale: str


class SettingProposalIn(Schema):
    """A new value for a setting, for others to decide."""

    value: Any
    rationale: str


class DryRunIn(Schema):
    """Gates to hold past approvals against (those in force when left out), and since when."""

    gates: list[dict[str, Any]] | None = None
    since: Moment | None = None


class DryRunRow(Schema):
    """A past approval and what the gates come to on its evidence."""

    id: UUID
    title: str
    subject: str
    target_stage: str
    decided_at: datetime
    fails: bool
    failing: list[str]
    gates: list[dict[str, Any]]


class DryRunOut(Schema):
    """Which past approvals would fail by these gates."""

    since: datetime
    approvals: int
    failing: int
    rows: list[DryRunRow]


class WithdrawProposalIn(Schema):
    """Why a proposal is taken back."""

    reason: str = ""


class DecisionOut(Schema):
    """A decision that was made."""

    decider: str
    role: str
    decision: str
    rationale: str
    seen_digest: str
    signature: dict[str, Any]
    created_at: datetime
    event_id: UUID


class GateOut(Schema):
    """What a gate of the policy came to on the evidence."""

    name: str
    label: str
    operator: str
    threshold: bool | float
    value: bool | float | None
    mode: str
    status: str
    blocks: bool


class ProposalOut(Schema):
    """A proposal; ``digest`` covers everything a decider is shown."""

    id: UUID
    kind: str
    subject: str
    subject_digest: str
    title: str
    target_stage: str
    tier: int
    status: str
    author: str
    digest: str
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    valid_until: datetime | None
    review_on: date | None
    still_needed: list[str]


class ProposalDetail(ProposalOut):
    """A proposal with all that a decider needs."""

    rationale: str
    terms: dict[str, Any]
    in_force: bool
    lapse: dict[str, Any] | None
    supersedes: UUID | None
    evidence: dict[str, Any]
    gates: list[GateOut]
    decisions: list[DecisionOut]
    may_decide: bool
    may_not_because: str
    event_id: UUID


class SettingIn(Schema):
    """A new value; ``expected_version`` guards against overwriting a colleague's change."""

    value: Any
    note: str = ""
    expected_version: int | None = None


class RollBackIn(Schema):
    """The version to go back to; 0 is the default."""

    version: int
    note: str = ""


class SettingOut(Schema):
    """A setting as it holds now; version 0 is the default."""

    key: str
    label: str
    value: Any
    unit: str
    hint: str
    by_proposal: bool
    version: int
    created_by: str
    created_at: datetime | None


class SettingVersionOut(Schema):
    """A version of a setting."""

    version: int
    value: Any
    note: str
    rolled_back_to: int | None
    created_by: str
    created_at: datetime


def proposal_row(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON."""
    names = set(ProposalOut.model_fields) - {"still_needed"}
    row = {name: getattr(proposal, name) for name in names}
    return {**row, "still_needed": selectors.still_needed(proposal)}


def proposal_detail(proposal: Proposal, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return a proposal with evidence, gates and decisions as JSON, for this reader."""
    able = selectors.ability(proposal, actor, now)
    return {
        **proposal_row(proposal),
        "rationale": proposal.rationale,
        "terms": proposal.terms,
        "supersedes": proposal.supersedes,
        **selectors.force_of(proposal, now),
        "evidence": proposal.evidence,
        "gates": proposal.gates,
        "decisions": [decision_row(row) for row in selectors.list_decisions(proposal)],
        "may_decide": able.allowed,
        "may_not_because": able.reason,
        "event_id": proposal.event_id,
    }


def decision_row(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON."""
    return {name: getattr(decision, name) for name in DecisionOut.model_fields}


def setting_version_row(row: Any) -> dict[str, Any]:
    """Return a version of a setting as JSON."""
    return {name: getattr(row, name) for name in SettingVersionOut.model_fields}


def setting_text(view: selectors.SettingView) -> dict[str, Any]:
    """Return a setting with its value as JSON text, for the page."""
    text = orjson.dumps(view.value).decode()
    if len(text) > ONE_LINE and isinstance(view.value, list):
        rows = ",\n".join(f"  {orjson.dumps(row).decode()}" for row in view.value)
        text = f"[\n{rows}\n]"
    is_number = isinstance(view.value, int | float) and not isinstance(view.value, bool)
    return {**asdict(view), "text": text, "lines": text.count("\n") + 1, "is_number": is_number}
