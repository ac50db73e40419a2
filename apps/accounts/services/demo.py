"""The demo team of the embedded lab: one account per role."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.db import transaction

from apps.accounts import selectors
from apps.accounts.kernel.roles import ROLES, SIGNS_ONLY
from apps.accounts.models import Membership, Team, Token, User
from apps.accounts.services.teams import add_member, create_team
from apps.accounts.services.tokens import MAX_DAYS, create_token
from apps.audit import services as audit
from apps.core.actors import Actor, system
from apps.core.errors import Denied

TEAM = "Demo"
# Who decides something, and needs a second factor for it.
SIGNERS = frozenset({"validator", "risk_manager", "trader"})
DOMAIN = "demo.example"


@transaction.atomic
def create_demo_team(*, now: datetime) -> list[dict[str, Any]]:
    """Store the demo team and return how to sign in as each role.

    Done again, it gives the same people new passwords and tokens. Raises ``Denied`` under
    production settings.
    """
    if settings.ENVIRONMENT == "prod":
        message = "Demo accounts are impossible under production settings; use create_admin."
        raise Denied(message, code="demo.production")
    lab = system("demo")
    team = Team.objects.filter(slug="demo", is_demo=True).first()
    team = team or create_team(actor=lab, name=TEAM, now=now, is_demo=True)
    inside = system("demo", team.pk)
    return [_account(inside, team, role, now) for role in ROLES]


def _account(inside: Actor, team: Team, role: str, now: datetime) -> dict[str, Any]:
    email, password = f"{role}@{DOMAIN}", secrets.token_urlsafe(15)
    user = selectors.find_user(email)
    if user is None:
        member = add_member(
            actor=inside, email=email, role=role, now=now, password=password, is_demo=True
        )
        user = member.user
    else:
        _renew(inside, team, user, role, password, now)
    actor = selectors.actor_of_user_id(user.pk, team.pk)
    if actor is None:
        raise Denied(f"{email} has been disabled; enable it first.", code="demo.disabled")
    _, token = create_token(actor=actor, name="demo", now=now, days=MAX_DAYS)
    return {
        "email": email,
        "password": password,
        "role": role,
        "token": token,
        "team": team.name,
        "totp_secret": _sign_by_code(user) if role in SIGNERS else None,
    }


def _sign_by_code(user: User) -> str:
    """Give a demo account an authenticator app for signing decisions; return its secret.

    It is not asked for at sign-in, as one that a person sets up is.
    """
    secret: str = generate_totp_secret()
    Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()
    made = TOTP.activate(user, secret)
    made.instance.data[SIGNS_ONLY] = True
    made.instance.save(update_fields=["data"])
    return secret


def _renew(inside: Actor, team: Team, user: User, role: str, password: str, now: datetime) -> None:
    user.set_password(password)
    user.is_active = True
    user.save(update_fields=["password", "is_active"])
    Membership.objects.update_or_create(user=user, team=team, defaults={"role": role})
    Token.objects.filter(user=user, name="demo", revoked_at=None).update(revoked_at=now)
    body = {"role": role}
    subject = f"user:{user.pk}"
    audit.record(actor=inside, action="demo.renewed", subject=subject, body=body, now=now)
