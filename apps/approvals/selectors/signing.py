"""What a decider signs, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator

from apps.accounts import selectors as accounts
from apps.accounts.kernel.roles import permissions_of
from apps.approvals.kernel import quorum, signatures
from apps.approvals.kernel.digest import FORMATS, proposal_content, proposal_digest
from apps.approvals.models import Proposal
from apps.approvals.selectors.settings import get_setting
from apps.core.actors import Actor

OF_KIND = {
    signatures.TOTP: Authenticator.Type.TOTP,
    signatures.PASSKEY: Authenticator.Type.WEBAUTHN,
}


@dataclass(frozen=True, slots=True)
class SigningView:
    """How somebody may sign a decision on a proposal: what is accepted and what they have.

    ``challenges`` are what a passkey signs, by decision, in base64url; to approve it is the
    proposal's digest itself. ``passkeys`` are the ids of the person's own.
    """

    accepted: tuple[str, ...]
    has_totp: bool
    passkeys: tuple[str, ...]
    challenges: dict[str, str]

    @property
    def takes_code(self) -> bool:
        """Whether a one-time code is enough."""
        return signatures.TOTP in self.accepted

    @property
    def is_able(self) -> bool:
        """Whether the person has anything that is accepted."""
        return bool(self.passkeys) or (self.takes_code and self.has_totp)


def accepted_signatures(proposal: Proposal) -> tuple[str, ...]:
    """Return the kinds of signature that decide a proposal, the weaker first."""
    policy = get_setting(proposal.team_id, "approvals.signatures")
    return signatures.accepted(policy, proposal.kind, proposal.target_stage)


def signing_of(proposal: Proposal, actor: Actor) -> SigningView:
    """Return how the actor may sign a decision on the proposal."""
    rows = Authenticator.objects.filter(user_id=actor.user_id or 0)
    passkeys = []
    for row in rows.filter(type=Authenticator.Type.WEBAUTHN):
        credential = row.wrap().authenticator_data.credential_data
        if credential is not None:
            passkeys.append(signatures.to_base64url(credential.credential_id))
    return SigningView(
        accepted=accepted_signatures(proposal),
        has_totp=rows.filter(type=Authenticator.Type.TOTP).exists(),
        passkeys=tuple(passkeys),
        challenges={
            decision: signatures.to_base64url(signatures.challenge_of(proposal.digest, decision))
            for decision in ("approve", "reject")
        },
    )


@dataclass(frozen=True, slots=True)
class Decider:
    """Somebody whose role fills a slot, and whether they have what they may sign by."""

    user_id: int
    email: str
    role: str
    can_sign: bool


def deciders_of(
    team_id: int, kind: str, target_stage: str, *, tier: int
) -> list[tuple[quorum.Slot, list[Decider]]]:
    """Return for each slot of a kind of proposal the people of the team who may fill it."""
    policy = get_setting(team_id, "approvals.signatures")
    kinds = [OF_KIND[one] for one in signatures.accepted(policy, kind, target_stage)]
    members = [row for row in accounts.list_members(team_id) if row.is_active]
    rows = Authenticator.objects.filter(user_id__in=[row.user_id for row in members])
    able = set(rows.filter(type__in=kinds).values_list("user_id", flat=True))
    people = [
        (permissions_of(row.role), Decider(row.user_id, row.email, row.role, row.user_id in able))
        for row in members
    ]
    return [
        (slot, [one for powers, one in people if slot & powers])
        for slot in quorum.slots_of(kind, target_stage, tier)
    ]


def parts_of(proposal: Proposal) -> dict[str, Any]:
    """Return the parts of a proposal that its digest is taken of."""
    return {name: getattr(proposal, name) for name in FORMATS[proposal.format]}


def digest_of(proposal: Proposal) -> str:
    """Return the digest of a proposal as it stands now."""
    return proposal_digest(parts_of(proposal), proposal.format)


def content_of(proposal: Proposal) -> bytes:
    """Return what the digest is taken of."""
    return proposal_content(parts_of(proposal), proposal.format)
