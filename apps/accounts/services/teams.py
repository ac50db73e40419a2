"""Teams and who belongs to them."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.text import slugify

from apps.accounts import selectors
from apps.accounts.kernel.roles import check_role
from apps.accounts.models import Membership, Team, User
from apps.audit import services as audit
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Invalid, NotFound


@transaction.atomic
def create_team(*, actor: Actor, name: str, now: datetime, is_demo: bool = False) -> Team:
    """Store a team; only the lab itself does so. Raises ``Invalid`` or ``Conflict``."""
    actor.require("teams.create")
    name = name.strip()
    slug = slugify(name)[:50]
    if not slug:
        raise Invalid(f"A team can't be called {name!r}; use letters.", code="team.name")
    if Team.objects.filter(slug=slug).exists():
        raise Conflict(f"There is a team {slug!r} already; take another name.", code="team.exists")
    team = Team.objects.create(name=name[:100], slug=slug, is_demo=is_demo)
    subject = f"team:{team.pk}"
    body = {"name": team.name, "demo": is_demo}
    audit.record(
        actor=_within(actor, team.pk), action="team.created", subject=subject, body=body, now=now
    )
    return team


def _within(actor: Actor, team_id: int) -> Actor:
    """Return the lab acting inside a team, so that the trail files the act there."""
    return system(actor.name.removeprefix("system:"), team_id)


@transaction.atomic
def create_admin(*, actor: Actor, email: str, team: str, password: str, now: datetime) -> User:
    """Store the first administrator of a team, and the team when it is new."""
    found = Team.objects.filter(slug=slugify(team)).first()
    found = found or create_team(actor=actor, name=team, now=now)
    inside = _within(actor, found.pk)
    membership = add_member(actor=inside, email=email, role="admin", now=now, password=password)
    return membership.user


@transaction.atomic
def add_member(
    *,
    actor: Actor,
    email: str,
    role: str,
    now: datetime,
    password: str | None = None,
    name: str = "",
    is_demo: bool = False,
) -> Membership:
    """Put a person into the actor's team; unknown people are stored first.

    Raises ``Invalid`` for the e-mail address, role or password, ``Conflict`` for a member.
    """
    actor.require("people.manage")
    check_role(role)
    user = selectors.find_user(email) or _create_user(email, password, name, is_demo=is_demo)
    if Membership.objects.filter(user=user, team_id=actor.team).exists():
        message = f"{user.email} is in the team already; change the role instead."
        raise Conflict(message, code="member.exists")
    membership = Membership.objects.create(user=user, team_id=actor.team, role=role)
    body = {"role": role}
    subject = f"user:{user.pk}"
    audit.record(actor=actor, action="member.added", subject=subject, body=body, now=now)
    return membership


def _create_user(email: str, password: str | None, name: str, *, is_demo: bool) -> User:
    email = email.strip().lower()
    try:
        validate_email(email)
        if password is not None:
            validate_password(password, User(email=email, name=name))
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), code="user.invalid") from error
    return User.objects.create_user(email, password, name=name.strip()[:100], is_demo=is_demo)


@transaction.atomic
def change_role(*, actor: Actor, user_id: int, role: str, now: datetime) -> Membership:
    """Give a member another role; it holds from the next request on.

    Raises ``Invalid``, ``NotFound``, or ``Conflict`` for the last administrator.
    """
    actor.require("people.manage")
    check_role(role)
    membership = _locked_member(actor.team, user_id)
    before = membership.role
    if before == "admin" and role != "admin":
        _keep_one_admin(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    body = {"before": before, "role": role}
    subject = f"user:{user_id}"
    audit.record(actor=actor, action="member.role_changed", subject=subject, body=body, now=now)
    transaction.on_commit(selectors.forget_tokens)
    return membership


@transaction.atomic
def remove_member(*, actor: Actor, user_id: int, now: datetime) -> None:
    """Take a person out of the team: pages, tokens and sockets stop within seconds.

    Raises ``NotFound``, or ``Conflict`` for the last administrator.
    """
    actor.require("people.manage")
    membership = _locked_member(actor.team, user_id)
    if membership.role == "admin":
        _keep_one_admin(membership)
    body = {"role": membership.role}
    membership.delete()
    subject = f"user:{user_id}"
    audit.record(actor=actor, action="member.removed", subject=subject, body=body, now=now)
    transaction.on_commit(selectors.forget_tokens)


@transaction.atomic
def set_active(*, actor: Actor, email: str, active: bool, now: datetime) -> None:
    """Shut a person out of every team, or let them in again; only the lab itself does so."""
    actor.require("people.disable")
    user = selectors.find_user(email)
    if user is None:
        raise NotFound(f"There is nobody with the address {email}.", code="user.not_found")
    user.is_active = active
    user.save(update_fields=["is_active"])
    action = "user.enabled" if active else "user.disabled"
    for team_id in Membership.objects.filter(user=user).values_list("team_id", flat=True):
        inside, subject = _within(actor, team_id), f"user:{user.pk}"
        audit.record(actor=inside, action=action, subject=subject, body={}, now=now)
    transaction.on_commit(selectors.forget_tokens)


def _locked_member(team_id: int, user_id: int) -> Membership:
    rows = Membership.objects.select_for_update(of=("self",)).select_related("user")
    membership = rows.filter(team_id=team_id, user_id=user_id).first()
    if membership is None:
        message = f"There is no member {user_id} in this team."
        raise NotFound(message, code="member.not_found")
    return membership


def _keep_one_admin(membership: Membership) -> None:
    # Locking every administrator's row keeps two of them from leaving at the same moment.
    admins = Membership.objects.select_for_update().filter(
        team_id=membership.team_id, role="admin"
    )
    if len(admins) < 2:
        message = "This is the last administrator of the team; make somebody else one first."
        raise Conflict(message, code="member.last_admin")


@transaction.atomic
def choose_team(*, user_id: int, team_id: int) -> Actor:
    """Remember the team a person wants to see, and return them acting in it.

    Raises ``NotFound`` for a team they are not in. A matter of view: the trail has no row of it.
    """
    chosen = selectors.actor_of_user_id(user_id, team_id)
    if chosen is None:
        raise NotFound(f"There is no team {team_id} of yours.", code="team.not_found")
    User.objects.filter(pk=user_id).update(last_team_id=team_id)
    return chosen
