"""Questions about people, teams, roles, tokens and invitations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps as installed
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import ForeignKey, Model, OuterRef, Q, QuerySet, Subquery

from apps.accounts.kernel import tokens
from apps.accounts.kernel.roles import permissions_of
from apps.accounts.models import Invitation, Membership, Team, Token, User
from apps.core import jobs, tenancy
from apps.core.actors import Actor
from apps.core.errors import NotFound, Unauthenticated
from apps.core.models import FINAL_STATES, Job

CACHE_FOR = timedelta(seconds=1)
CACHE_SIZE = 1000
USED_EVERY = timedelta(minutes=1)
# Left out of exports: what opens something, and answers that may hold such.
SECRET = frozenset({"sealed", "password"})
SECRET_IN = {"accounts.token": {"digest"}, "accounts.invitation": {"digest"}}
NOT_EXPORTED = frozenset({"core.idempotencykey"})


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a team."""

    user_id: int
    email: str
    name: str
    role: str
    is_active: bool
    joined_at: datetime
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team, and the reader's role in it."""

    id: int
    name: str
    slug: str
    base_currency: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Who calls with a token."""

    actor: Actor
    token_id: int
    expires_at: datetime | None
    prefix: str = ""
    networks: tuple[str, ...] = ()


def actor_of_user(user: Any, team_id: int | None = None) -> Actor | None:
    """Return the person acting in ``team_id``, else in the team last chosen; None without one."""
    return find_seat(user, team_id)[0]


def find_seat(user: Any, team_id: int | None = None) -> tuple[Actor | None, list[TeamView]]:
    """Return the person acting in a team as ``actor_of_user`` does, and all their teams."""
    if not user.is_authenticated or not user.is_active:
        return None, []
    with tenancy.scope(tenancy.LAB):
        rows = Membership.objects.filter(user_id=user.pk).select_related("team").order_by("id")
        memberships = {row.team_id: row for row in rows}
    teams = [_team_view(row.team, row.role) for row in memberships.values()]
    for wanted in (team_id, user.last_team_id, *memberships):
        if wanted in memberships:
            return _actor(user.pk, user.email, wanted, memberships[wanted].role), teams
    return None, teams


def actor_of_user_id(user_id: int, team_id: int) -> Actor | None:
    """Return the person acting in the team; None when disabled, removed or unknown."""
    found = Membership.objects.filter(user_id=user_id, team_id=team_id, user__is_active=True)
    with tenancy.scope(tenancy.LAB):  # they may look from another team of theirs
        membership = found.select_related("user").first()
    return _actor(user_id, membership.user.email, team_id, membership.role) if membership else None


def _actor(user_id: int, email: str, team_id: int, role: str) -> Actor:
    return Actor(
        name=f"user:{user_id}",
        team_id=team_id,
        role=role,
        permissions=permissions_of(role),
        user_id=user_id,
        label=email,
    )


def session_holds(session_key: str, user_id: int, team_id: int, now: datetime) -> bool:
    """Tell whether a browser session still stands and its person still belongs to the team."""
    member = Membership.objects.filter(user_id=user_id, team_id=team_id, user__is_active=True)
    stored = Session.objects.filter(pk=session_key, expire_date__gt=now)
    return stored.exists() and member.exists() and not session_is_over(session_key, now)


def may_enter(user_id: int) -> bool:
    """Tell whether a person has the second factor that the lab may ask everybody for."""
    if not settings.SECOND_FACTOR_REQUIRED:
        return True
    kinds = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
    return bool(Authenticator.objects.filter(user_id=user_id, type__in=kinds).exists())


def session_is_over(session_key: str, now: datetime) -> bool:
    """Tell whether a session is too old, or nobody has used it for too long."""
    since = now - timedelta(hours=settings.SESSION_MAX_HOURS)
    used = now - timedelta(hours=settings.SESSION_IDLE_HOURS)
    over = Q(created_at__lte=since) | Q(last_seen_at__lte=used)
    return bool(UserSession.objects.filter(over, session_key=session_key).exists())


def actor_of_token(plain: str, now: datetime, address: str = "") -> Actor:
    """Return the person whose API token this is. Raises ``Unauthenticated``."""
    return use_of_token(plain, now, address).actor


_recent: dict[str, tuple[datetime, TokenUse]] = {}


def use_of_token(plain: str, now: datetime, address: str = "") -> TokenUse:
    """Return who calls, from the last second's memory or one indexed query.

    Raises ``Unauthenticated`` for a token that is unknown, expired, revoked, used from an address
    it is not bound to, or whose person has been disabled or has left the team.
    """
    use = _use_of(plain, now)
    if use.networks and not tokens.is_within(address, use.networks):
        # The list itself is not told: it would say to a thief where to go.
        raise _refused("address", f"The API token {use.prefix}… doesn't work from {address}")
    return use


def _use_of(plain: str, now: datetime) -> TokenUse:
    digest = tokens.digest_of(plain)
    known = _recent.get(digest)
    if known and timedelta(0) <= now - known[0] < CACHE_FOR and not _is_over(known[1], now):
        return known[1]
    _recent.pop(digest, None)
    use = _read_token(digest, now)
    if len(_recent) >= CACHE_SIZE:
        _recent.clear()
    _recent[digest] = (now, use)
    return use


def forget_tokens() -> None:
    """Drop the memory of tokens in this process, so that a change holds at once."""
    _recent.clear()


def _is_over(use: TokenUse, now: datetime) -> bool:
    return use.expires_at is not None and use.expires_at <= now


def _read_token(digest: str, now: datetime) -> TokenUse:
    role = Membership.objects.filter(user=OuterRef("user"), team=OuterRef("team")).values("role")
    found = Token.objects.filter(digest=digest).annotate(role=Subquery(role[:1]))
    token = found.select_related("user").first()
    if token is None:
        raise _refused("unknown", "The API token is unknown")
    if token.revoked_at:
        raise _refused("revoked", f"The API token {token.prefix}… was revoked")
    if token.expires_at and token.expires_at <= now:
        when = f"{token.expires_at:%Y-%m-%d %H:%M} UTC"
        raise _refused("expired", f"The API token {token.prefix}… expired on {when}")
    if not token.user.is_active or not token.role:
        raise _refused("no_member", f"The owner of {token.prefix}… is no longer in the team")
    if token.last_used_at is None or now - token.last_used_at >= USED_EVERY:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
    actor = Actor(
        name=f"user:{token.user_id}",
        team_id=token.team_id,
        role=token.role,
        permissions=tokens.granted(token.role, token.scopes),
        user_id=token.user_id,
        label=token.user.email,
    )
    return TokenUse(actor, token.pk, token.expires_at, token.prefix, tuple(token.networks))


def _refused(code: str, what: str) -> Unauthenticated:
    message = f"{what}; make a new one under Settings, API tokens, or ask an administrator."
    return Unauthenticated(message, code=f"token.{code}")


def list_members(team_id: int) -> list[Member]:
    """Return the people of a team, by e-mail address."""
    rows = (
        Membership.objects.filter(team_id=team_id).select_related("user").order_by("user__email")
    )
    return [
        Member(
            user_id=row.user_id,
            email=row.user.email,
            name=row.user.name,
            role=row.role,
            is_active=row.user.is_active,
            joined_at=row.created_at,
            last_seen_at=row.user.last_login,
        )
        for row in rows
    ]


def list_teams(user_id: int) -> list[TeamView]:
    """Return the teams of a person, by name."""
    rows = Membership.objects.filter(user_id=user_id).select_related("team").order_by("team__name")
    with tenancy.scope(tenancy.LAB):
        return [_team_view(row.team, row.role) for row in rows]


def get_team(team_id: int) -> TeamView:
    """Return a team. Raises ``NotFound``."""
    team = Team.objects.filter(pk=team_id).first()
    if team is None:
        raise NotFound(f"There is no team {team_id}.", code="team.not_found")
    return _team_view(team)


def find_team(slug: str) -> TeamView:
    """Return the team of a short name. Raises ``NotFound``."""
    with tenancy.scope(tenancy.LAB):
        team = Team.objects.filter(slug=slug).first()
    if team is None:
        raise NotFound(f"There is no team {slug!r}.", code="team.not_found")
    return _team_view(team)


def list_team_ids() -> list[int]:
    """Return every team of the lab."""
    with tenancy.scope(tenancy.LAB):
        return list(Team.objects.order_by("pk").values_list("pk", flat=True))


def get_founders() -> TeamView | None:
    """Return the lab's first team, which runs what all teams share; None in an empty lab."""
    with tenancy.scope(tenancy.LAB):
        team = Team.objects.order_by("pk").first()
    return _team_view(team) if team else None


def _team_view(team: Team, role: str = "") -> TeamView:
    return TeamView(team.pk, team.name, team.slug, team.base_currency, role)


def list_tokens(team_id: int, user_id: int | None = None) -> QuerySet[Token]:
    """Return the tokens of a team, or of one person in it, newest first."""
    rows = Token.objects.filter(team_id=team_id).select_related("user")
    return (rows if user_id is None else rows.filter(user_id=user_id)).order_by(
        "-created_at", "-id"
    )


def list_open_invitations(team_id: int, now: datetime) -> QuerySet[Invitation]:
    """Return the invitations of a team that can still be accepted."""
    rows = Invitation.objects.filter(team_id=team_id, accepted_at=None, revoked_at=None)
    return rows.filter(expires_at__gt=now).order_by("-created_at")


def find_invitation(plain: str, now: datetime) -> Invitation | None:
    """Return the invitation of a link, or None when it can't be accepted any more."""
    rows = Invitation.objects.filter(digest=tokens.digest_of(plain), accepted_at=None)
    with tenancy.scope(tenancy.LAB):  # who brings the secret of a link need belong to no team
        return rows.filter(revoked_at=None, expires_at__gt=now).select_related("team").first()


def find_user(email: str) -> User | None:
    """Return the person of an e-mail address."""
    return User.objects.filter(email=email.strip().lower()).first()


def list_jobs(
    team_id: int, *, status: str = "", kind: str = "", open_only: bool = False
) -> QuerySet[Job]:
    """Return the team's jobs, of one status or kind or unfinished if asked, newest first."""
    rows = Job.objects.filter(team_id=team_id).order_by("-created_at", "-id")
    rows = rows.exclude(status__in=FINAL_STATES) if open_only else rows
    rows = rows.filter(status=status) if status else rows
    return rows.filter(kind=kind) if kind else rows


def get_job(job_id: UUID, team_id: int) -> Job:
    """Return a job of the team. Raises ``NotFound``, also for another team's."""
    return jobs.find_job(job_id, team_id=team_id)


def export_person(email: str) -> dict[str, Any]:
    """Return all that the lab holds about a person as such. Raises ``NotFound``.

    What they did is in their teams' data, under ``user:<number>``, which is told here.
    """
    with tenancy.scope(tenancy.LAB):
        user = find_user(email)
        if user is None:
            raise NotFound(f"There is nobody with the address {email}.", code="user.not_found")
        mine = {"user_id": user.pk}
        tables: dict[str, QuerySet[Any]] = {
            "memberships": Membership.objects.filter(**mine).values("team__name", "role"),
            "tokens": Token.objects.filter(**mine).values(
                "name", "prefix", "scopes", "networks", "created_at", "expires_at", "last_used_at"
            ),
            "invitations": Invitation.objects.filter(email=user.email).values(
                "team__name", "role", "created_at", "accepted_at"
            ),
            "sessions": UserSession.objects.filter(**mine).values(
                "ip", "user_agent", "created_at", "last_seen_at"
            ),
            "second_factors": Authenticator.objects.filter(**mine).values("type", "created_at"),
        }
        known = {"email": user.email, "name": user.name, "joined_at": user.date_joined}
        acts_as = {"known_in_the_ledger_as": f"user:{user.pk}", "last_sign_in": user.last_login}
        return {**known, **acts_as, **{name: list(rows) for name, rows in tables.items()}}


def export_team(team_id: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield a team's tables one after another: name and rows, without what opens something."""
    for model in installed.get_models():
        name = model._meta.label_lower
        path = team_path(model)
        if path is None or name in NOT_EXPORTED or not model._meta.managed:
            continue
        hidden = SECRET | SECRET_IN.get(name, set())
        fields = [f.attname for f in model._meta.concrete_fields if f.name not in hidden]
        with tenancy.team(team_id):
            rows = model._base_manager.filter(**{path: team_id}).order_by("pk")
            found = list(rows.values(*fields))
        if found:
            yield name, found


def team_path(model: type[Model], depth: int = 3) -> str | None:
    """Return how a table's rows lead to their team: ``team_id``, ``run__team_id``; or None."""
    if model is Team:
        return "id"
    links = [f for f in model._meta.concrete_fields if isinstance(f, ForeignKey)]
    if any(link.related_model is Team and link.name == "team" for link in links):
        return "team_id"
    for link in links if depth and model is not User else ():
        above: Any = link.related_model
        path = None if above is User else team_path(above, depth - 1)
        if path is not None and above is not Team:
            return f"{link.name}__{path}"
    return None
