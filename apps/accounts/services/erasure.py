"""Forgetting a person: who they were goes, what was done and its proofs stay (decision 95).

The ledger and the tables of evidence know people by number only (``user:7``), so nothing signed
has to change. Addresses stand in the person's own row and, for reading, in labels beside rows.
"""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps as installed
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, models, transaction

from apps.accounts import selectors
from apps.accounts.models import Invitation, Membership, Team, Token, User
from apps.audit import services as audit
from apps.core import tenancy
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, NotFound

LABEL = "_label"
ERASED = "erased person"
# Time series have no foreign key by which the database would notice that they are left behind.
SERIES = (
    ("market_bar", "series_id", "market.series"),
    ("market_bar_minute", "series_id", "market.series"),
    ("market_bar_history", "series_id", "market.series"),
    ("market_metric", "instrument_id", "market.instrument"),
    ("market_metric_history", "instrument_id", "market.instrument"),
    ("trading_equity", "account_id", "trading.account"),
)
ADDRESS = "erased-{}@erased.invalid"


@transaction.atomic
def erase_person(*, actor: Actor, email: str, now: datetime) -> dict[str, int]:
    """Forget a person everywhere; return how many rows of each kind changed.

    Raises ``NotFound``, or ``Conflict`` for the last administrator of a team of several.
    """
    actor.require("people.erase")
    with tenancy.scope(tenancy.LAB):
        user = selectors.find_user(email)
        if user is None:
            raise NotFound(f"There is nobody with the address {email}.", code="user.not_found")
        _refuse_last_admin(user)
        teams = list(Membership.objects.filter(user=user).values_list("team_id", flat=True))
        counts = {**_forget_ways_in(user, now), "labels": _blank_labels(user.email)}
        _forget_address(user)
        for team_id in teams:
            inside = system(actor.name.removeprefix("system:"), team_id)
            subject = f"user:{user.pk}"
            audit.record(
                actor=inside, action="person.erased", subject=subject, body=counts, now=now
            )
    transaction.on_commit(selectors.forget_tokens)
    return counts


def _refuse_last_admin(user: User) -> None:
    for mine in Membership.objects.filter(user=user, role="admin"):
        others = Membership.objects.filter(team_id=mine.team_id).exclude(user=user)
        if others.exists() and not others.filter(role="admin").exists():
            message = (
                f"{user.email} is the last administrator of team {mine.team_id}; "
                "make somebody else one first."
            )
            raise Conflict(message, code="member.last_admin")


def _forget_ways_in(user: User, now: datetime) -> dict[str, int]:
    """End everything by which the person can act; tokens stay as revoked rows without a name."""
    sessions = UserSession.objects.filter(user=user)
    Session.objects.filter(pk__in=sessions.values_list("session_key", flat=True)).delete()
    tokens = Token.objects.filter(user=user)
    tokens.filter(revoked_at=None).update(revoked_at=now)
    return {
        "sessions": sessions.delete()[0],
        "second_factors": Authenticator.objects.filter(user=user).delete()[0],
        "addresses": EmailAddress.objects.filter(user=user).delete()[0],
        "tokens": tokens.update(name=ERASED),
        "invitations": Invitation.objects.filter(email=user.email).delete()[0],
        "memberships": Membership.objects.filter(user=user).delete()[0],
    }


def _blank_labels(email: str) -> int:
    """Take the address out of the labels beside rows, in every app's tables."""
    changed = 0
    for model in installed.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, models.CharField) and field.name.endswith(LABEL):
                rows = model._base_manager.filter(**{field.name: email})
                changed += rows.update(**{field.name: ERASED})
    return changed


def _forget_address(user: User) -> None:
    user.email, user.name = ADDRESS.format(user.pk), ""
    user.is_active, user.is_staff, user.is_superuser = False, False, False
    user.last_login = user.last_team = None
    user.set_unusable_password()
    user.save()


@transaction.atomic
def erase_team(*, actor: Actor, team_id: int, now: datetime) -> dict[str, list[str]]:
    """Remove a team's data, its people who are in no other team, and its name.

    Rows that are evidence stay, because the database lets nobody remove them, and so does what
    they stand on; they hold no address. Returns the tables that were emptied and those that stay.
    """
    actor.require("teams.erase")
    with tenancy.scope(tenancy.LAB):
        team = Team.objects.select_for_update().filter(pk=team_id).first()
        if team is None:
            raise NotFound(f"There is no team {team_id}.", code="team.not_found")
        inside = system(actor.name.removeprefix("system:"), team_id)
        for user in User.objects.filter(memberships__team=team):
            if user.memberships.count() == 1:
                _forget_ways_in(user, now)
                _blank_labels(user.email)
                _forget_address(user)
        emptied, stays = _empty_tables(team_id)
        team.name, team.slug = f"Erased team {team.pk}", f"erased-{team.pk}"
        team.save(update_fields=["name", "slug"])
        report = {"emptied": emptied, "stays": stays}
        audit.record(
            actor=inside, action="team.erased", subject=f"team:{team_id}", body=report, now=now
        )
    transaction.on_commit(selectors.forget_tokens)
    return report


def _empty_tables(team_id: int) -> tuple[list[str], list[str]]:
    """Delete a team's rows from all tables, again until no table yields any more."""
    left = {
        model: path
        for model in installed.get_models()
        if (path := selectors.team_path(model)) and model is not Team and model._meta.managed
    }
    _drop_series(team_id)
    _keep_what_is_locked()
    emptied: list[str] = []
    while True:
        removed = {model: _removed(model, path, team_id) for model, path in left.items()}
        gone = [
            model
            for model, path in left.items()
            if removed[model] is not None and not _rows(model, path, team_id).exists()
        ]
        emptied += [model._meta.label_lower for model in gone]
        for model in gone:
            del left[model]
        if not any(removed.values()) and not gone:
            return sorted(emptied), sorted(model._meta.label_lower for model in left)


def _keep_what_is_locked() -> None:
    """Let the database pass over locked rows until the transaction ends, not refuse the rest."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('quantsite.erasing', 'on', true)")


def _rows(model: type[models.Model], path: str, team_id: int) -> models.QuerySet[models.Model]:
    return model._base_manager.filter(**{path: team_id})


def _drop_series(team_id: int) -> None:
    with connection.cursor() as cursor:
        for table, column, label in SERIES:
            model = installed.get_model(label)
            rows = model._base_manager.filter(**{str(selectors.team_path(model)): team_id})
            ids = list(rows.values_list("pk", flat=True))
            cursor.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", [ids])  # noqa: S608 ours


def _removed(model: type[models.Model], path: str, team_id: int) -> int | None:
    """Return how many rows went; None when the database refuses."""
    rows = _rows(model, path, team_id)
    try:
        with transaction.atomic():
            # One statement, as the database sees it: the ORM would load what hangs below.
            count = rows._raw_delete(rows.db)
            connection.check_constraints()
    except DatabaseError:
        return None
    return int(count)
