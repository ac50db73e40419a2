"""Second factors as they are stored, and taken away from who lost them."""

from __future__ import annotations

from datetime import datetime

import structlog
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.mail import send_mail
from django.db import transaction

from apps.accounts import selectors
from apps.accounts.models import Membership, User
from apps.accounts.services.recovery_codes import without_seed
from apps.accounts.services.tokens import end_tokens
from apps.audit import services as audit
from apps.core import secrets, tenancy
from apps.core.actors import Actor, system
from apps.core.errors import Invalid, NotFound

log = structlog.get_logger(__name__)

SEALED = ("secret", "hashes")  # the seed of one-time codes, the hashes of recovery codes


@transaction.atomic
def reseal_second_factors(*, actor: Actor, now: datetime) -> int:
    """Seal every seed under the newest SEAL_KEY, also what lay open; return how many.

    Recovery codes that were kept as a seed are kept as hashes from then on.
    """
    actor.require("ops.manage")
    rows = list(Authenticator.objects.select_for_update().order_by("pk"))
    changed = [row for row in rows if _reseal(row)]
    Authenticator.objects.bulk_update(changed, ["data"], batch_size=500)
    body = {"second_factors": len(changed)}
    audit.record(actor=actor, action="keys.resealed", subject="lab", body=body, now=now)
    return len(changed)


def _reseal(row: Authenticator) -> bool:
    if (hashed := without_seed(row)) is not None:
        row.data = hashed
        return True
    names = [name for name in SEALED if name in row.data]
    for name in names:
        kept = row.data[name]
        is_sealed = kept.startswith(f"{secrets.MARK}.")
        row.data[name] = secrets.reseal(kept) if is_sealed else secrets.seal(kept)
    return bool(names)


MAX_REASON = 500
RESET_MAIL = """Your passkeys, one-time codes and recovery codes were removed by who runs the lab.
All your sessions and API tokens ended. Sign in with your password and add a factor anew.
If you did not ask for this, tell your administrator at once and change your password.
"""


@transaction.atomic
def reset_factors(*, actor: Actor, email: str, reason: str, now: datetime) -> dict[str, int]:
    """Take away a person's second factors and end their sessions and tokens; tell them by mail.

    Returns how many of each there were. Raises ``NotFound``, or ``Invalid`` without a reason.
    """
    actor.require("people.factors")
    why = reason.strip()
    if not 1 <= len(why) <= MAX_REASON:
        message = f"The reason has {len(why)} characters; say in 1 to {MAX_REASON} who was seen."
        raise Invalid(message, code="factors.reason")
    with tenancy.scope(tenancy.LAB):
        user = selectors.find_user(email)
        if user is None:
            raise NotFound(f"There is nobody with the address {email}.", code="user.not_found")
        counts = _end_ways_in(user, now)
        teams: list[int | None] = list(
            Membership.objects.filter(user=user)
            .order_by("team_id")
            .values_list("team_id", flat=True)
        )
        for team_id in teams or [None]:
            inside = system(actor.name.removeprefix("system:"), team_id)
            body = {**counts, "reason": why}
            subject = f"user:{user.pk}"
            audit.record(actor=inside, action="factors.reset", subject=subject, body=body, now=now)
    transaction.on_commit(lambda: _tell_reset(user))
    return counts


def _end_ways_in(user: User, now: datetime) -> dict[str, int]:
    factors = Authenticator.objects.select_for_update().filter(user=user)
    counts = dict.fromkeys(Authenticator.Type.values, 0)
    for factor in factors:
        counts[factor.type] += 1
    factors.delete()
    sessions = UserSession.objects.filter(user=user)
    Session.objects.filter(pk__in=sessions.values_list("session_key", flat=True)).delete()
    counts["sessions"] = sessions.delete()[0]
    counts["tokens"] = end_tokens(user_id=user.pk, now=now, because="factors reset")
    return counts


def _tell_reset(user: User) -> None:
    """Tell the person; a mail server that is away undoes no change."""
    try:
        send_mail("Your second factors were removed", RESET_MAIL, None, [user.email])
    except OSError as error:
        log.warning("accounts.notice_failed", mail="factors_reset", error=repr(error))
