"""Joining a team by a link that only the invited person gets."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from apps.accounts import selectors
from apps.accounts.kernel import tokens
from apps.accounts.kernel.roles import check_role
from apps.accounts.models import Invitation, Membership
from apps.accounts.services.teams import add_member
from apps.audit import services as audit
from apps.core import tenancy
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied, Invalid, NotFound

LIFETIME = timedelta(days=7)


@transaction.atomic
def invite(*, actor: Actor, email: str, role: str, now: datetime) -> tuple[Invitation, str]:
    """Store an invitation into the actor's team; return it with the secret of its link.

    Raises ``Invalid``, or ``Conflict`` for somebody who is in the team already.
    """
    actor.require("people.manage")
    check_role(role)
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        message = f"{email!r} is no e-mail address."
        raise Invalid(message, code="invitation.email", details={"field": "email"}) from error
    if Membership.objects.filter(team_id=actor.team, user__email=email).exists():
        raise Conflict(f"{email} is in the team already.", code="member.exists")
    plain = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        team_id=actor.team,
        email=email,
        role=role,
        digest=tokens.digest_of(plain),
        invited_by_id=actor.user_id,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    body = {"role": role}
    subject = f"invitation:{invitation.pk}"
    audit.record(actor=actor, action="invitation.created", subject=subject, body=body, now=now)
    return invitation, plain


@transaction.atomic
def revoke_invitation(*, actor: Actor, invitation_id: int, now: datetime) -> None:
    """Make the link of an invitation useless. Raises ``NotFound``."""
    actor.require("people.manage")
    rows = selectors.list_open_invitations(actor.team, now).filter(pk=invitation_id)
    invitation = rows.first()
    if invitation is None:
        message = f"There is no open invitation {invitation_id}."
        raise NotFound(message, code="invitation.not_found")
    invitation.revoked_at = now
    invitation.save(update_fields=["revoked_at"])
    body = {"role": invitation.role}
    subject = f"invitation:{invitation.pk}"
    audit.record(actor=actor, action="invitation.revoked", subject=subject, body=body, now=now)


@transaction.atomic
def accept_invitation(
    *,
    plain: str,
    now: datetime,
    signed_in_as: str = "",
    password: str | None = None,
    name: str = "",
) -> Membership:
    """Let the invited person in: new people choose a password, known ones must be signed in.

    Raises ``NotFound`` for a used, revoked or lapsed link, ``Denied`` for somebody else,
    ``Invalid`` for a weak password.
    """
    invitation = selectors.find_invitation(plain, now)
    if invitation is None:
        message = "This link was used, revoked or has lapsed; ask for a new invitation."
        raise NotFound(message, code="invitation.not_found")
    _checked_person(invitation, signed_in_as, password)
    with tenancy.team(invitation.team_id):
        return _take(invitation, password, name, now)


def _take(invitation: Invitation, password: str | None, name: str, now: datetime) -> Membership:
    # Taken by an update that can succeed only once, so that a link lets one request in.
    taken = Invitation.objects.filter(pk=invitation.pk, accepted_at=None).update(accepted_at=now)
    if not taken:
        raise Conflict("This link has just been used.", code="invitation.used")
    host = system("invitation", invitation.team_id)
    email, role = invitation.email, invitation.role
    member = add_member(actor=host, email=email, role=role, now=now, password=password, name=name)
    body = {"role": role}
    subject = f"invitation:{invitation.pk}"
    audit.record(actor=host, action="invitation.accepted", subject=subject, body=body, now=now)
    return member


def _checked_person(invitation: Invitation, signed_in_as: str, password: str | None) -> None:
    known = selectors.find_user(invitation.email) is not None
    if signed_in_as and signed_in_as.lower() != invitation.email:
        message = f"The invitation is for {invitation.email}, you are {signed_in_as}; sign out."
        raise Denied(message, code="invitation.other_person")
    if known and not signed_in_as:
        message = f"{invitation.email} has an account; sign in first."
        raise Denied(message, code="invitation.sign_in")
    if not known and not password:
        raise Invalid("Choose a password.", code="user.invalid", details={"field": "password"})
