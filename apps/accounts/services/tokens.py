"""API tokens: shown once, stored as a hash, narrowed to scopes, expiring."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from apps.accounts import selectors
from apps.accounts.kernel import tokens
from apps.accounts.kernel.roles import permissions_of
from apps.accounts.models import Token
from apps.audit import services as audit
from apps.core import tenancy
from apps.core.actors import Actor, system
from apps.core.errors import Denied, Invalid, NotFound

DEFAULT_DAYS = 90
MAX_DAYS = 366
SECRET_BYTES = 32


@transaction.atomic
def create_token(
    *,
    actor: Actor,
    name: str,
    now: datetime,
    scopes: Iterable[str] = (),
    days: int = DEFAULT_DAYS,
    networks: Iterable[str] = (),
) -> tuple[Token, str]:
    """Store a token of the actor; return it with its plain text, which is never to be had again.

    ``scopes`` are permissions; none or ``*`` stands for whatever the role allows. ``networks``
    are the addresses it works from; none stands for any.
    Raises ``Invalid``, or ``Denied`` for scopes beyond the actor's own.
    """
    actor.require("team.read")
    if actor.user_id is None:
        raise Denied("Only people have API tokens.", code="token.no_person")
    wanted = _checked(actor, name, list(scopes) or [tokens.EVERYTHING], days)
    bound = tokens.checked_networks(networks)
    plain = tokens.TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token = Token.objects.create(
        user_id=actor.user_id,
        team_id=actor.team,
        name=name.strip()[:100],
        prefix=tokens.shown_prefix(plain),
        digest=tokens.digest_of(plain),
        scopes=wanted,
        networks=bound,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    body = {"name": token.name, "prefix": token.prefix, "scopes": wanted, "days": days}
    body |= {"networks": len(bound)}
    subject = f"token:{token.pk}"
    audit.record(actor=actor, action="token.created", subject=subject, body=body, now=now)
    return token, plain


def _checked(actor: Actor, name: str, scopes: list[str], days: int) -> list[str]:
    if not name.strip():
        raise Invalid("Give the token a name that says what uses it.", code="token.name")
    if not 1 <= days <= MAX_DAYS:
        message = f"A token lives 1 to {MAX_DAYS} days, not {days}."
        raise Invalid(message, code="token.days", details={"field": "days"})
    if wrong := tokens.unknown_scopes(scopes):
        choice = ", ".join(sorted(actor.permissions))
        message = f"Unknown scopes: {', '.join(wrong)}. Choose among {choice}."
        raise Invalid(message, code="token.scopes", details={"field": "scopes"})
    everything = permissions_of(actor.role)
    beyond = (everything if tokens.EVERYTHING in scopes else set(scopes)) - actor.permissions
    if beyond:
        message = f"You don't have {', '.join(sorted(beyond))} yourself; leave it out."
        raise Denied(message, code="token.beyond")
    return sorted(set(scopes))


@transaction.atomic
def revoke_token(*, actor: Actor, token_id: int, now: datetime) -> Token:
    """End a token: one's own, or as an administrator anybody's. Raises ``NotFound``."""
    actor.require("team.read")
    mine = None if actor.may("people.manage") else actor.user_id
    rows = selectors.list_tokens(actor.team, mine).select_for_update(of=("self",))
    token = rows.filter(pk=token_id).first()
    if token is None:
        raise NotFound(f"There is no token {token_id} of yours.", code="token.not_found")
    if token.revoked_at is None:
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
        body = {"name": token.name, "prefix": token.prefix, "owner": token.user_id}
        subject = f"token:{token.pk}"
        audit.record(actor=actor, action="token.revoked", subject=subject, body=body, now=now)
    transaction.on_commit(selectors.forget_tokens)
    return token


@transaction.atomic
def end_tokens(*, user_id: int, now: datetime, because: str = "password changed") -> int:
    """End all tokens of a person whose password or factors have changed; return how many."""
    with tenancy.scope(tenancy.LAB):
        rows = Token.objects.select_for_update().filter(user_id=user_id, revoked_at=None)
        ended = list(rows.order_by("pk"))
        for token in ended:
            token.revoked_at = now
            token.save(update_fields=["revoked_at"])
            body = {"name": token.name, "prefix": token.prefix, "because": because}
            lab, subject = system(because.partition(" ")[0], token.team_id), f"token:{token.pk}"
            audit.record(actor=lab, action="token.revoked", subject=subject, body=body, now=now)
    transaction.on_commit(selectors.forget_tokens)
    return len(ended)
