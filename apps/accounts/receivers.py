"""What follows when somebody signs in, tries to, or changes how they sign in."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.signals import (
    authentication_step_completed,
    email_added,
    email_changed,
    email_confirmed,
    email_removed,
    password_changed,
    password_reset,
    password_set,
)
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from django.contrib import messages
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from apps.accounts import selectors, services
from apps.core import clock

log = structlog.get_logger(__name__)
OTHERS_STAY = "Your other sessions stay signed in; end them under Sessions if in doubt."


@receiver([password_changed, password_set, password_reset])
def end_tokens(user: Any, **_: Any) -> None:
    """End the tokens too: whoever knew the old password may have made one."""
    now = clock.now()
    services.note_own_change(user_id=user.pk, action="password.changed", body={}, now=now)
    services.end_tokens(user_id=user.pk, now=now)
    log.info("accounts.password_changed", user=_known_as(user))


@receiver([authenticator_added, authenticator_removed, authenticator_reset])
def note_factors(request: Any, user: Any, authenticator: Any, signal: Any, **_: Any) -> None:
    """Log a change of second factors, and tell the person what it doesn't end."""
    change = "removed" if signal is authenticator_removed else "added"
    factor = authenticator.type
    log.info("accounts.factor_changed", change=change, user=_known_as(user), factor=factor)
    if request is not None:
        messages.info(request, OTHERS_STAY, fail_silently=True)


@receiver([post_save, post_delete], sender=Authenticator)
def record_factors(instance: Authenticator, signal: Any, created: bool = False, **_: Any) -> None:
    """Record a factor that a person added or took away, in the transaction of that.

    By the rows themselves: the framework's own signals come after the commit. Outside a request
    the lab acts, and records that in its own words.
    """
    is_change = created or signal is post_delete
    if is_change and context.request is not None:
        action = f"factor.{'added' if created else 'removed'}"
        body = {"factor": str(instance.type)}
        services.note_own_change(
            user_id=instance.user_id, action=action, body=body, now=clock.now()
        )


@receiver([email_added, email_changed, email_confirmed, email_removed])
def note_addresses(signal: Any, user: Any = None, **facts: Any) -> None:
    """Record a change of addresses; the address itself stays out of the trail."""
    names = {email_added: "added", email_changed: "changed", email_removed: "removed"}
    user_id = user.pk if user is not None else facts["email_address"].user_id
    action = f"address.{names.get(signal, 'confirmed')}"
    services.note_own_change(user_id=user_id, action=action, body={}, now=clock.now())


@receiver(authentication_step_completed)
def note_step(user: Any, method: str, **facts: Any) -> None:
    """Log a password or factor that was right."""
    again = bool(facts.get("reauthenticated"))
    log.info("accounts.step", user=_known_as(user), method=method, again=again)


@receiver(authentication_failed)
def note_wrong_factor(user: Any, authenticator: Any, **_: Any) -> None:
    """Log a second factor that was wrong."""
    factor = getattr(authenticator, "type", "")
    log.warning("accounts.factor_refused", user=_known_as(user), factor=factor)


@receiver(user_logged_in)
def note_sign_in(user: Any, **_: Any) -> None:
    """Log who signed in; the line has the address."""
    log.info("accounts.signed_in", user=_known_as(user))


@receiver(user_logged_out)
def note_sign_out(request: Any, user: Any, **_: Any) -> None:
    """Log who signed out, and have the browser forget what pages left there."""
    log.info("accounts.signed_out", user=_known_as(user))
    request.signed_out = True


@receiver(user_login_failed)
def note_wrong_password(credentials: Any, **_: Any) -> None:
    """Log a sign-in that failed, by the person's number: addresses stay out of logs."""
    given = str(credentials.get("email") or credentials.get("username") or "")
    log.warning("accounts.sign_in_refused", user=_known_as(selectors.find_user(given)))


def _known_as(user: Any) -> str:
    return f"user:{user.pk}" if user is not None and user.pk else "nobody known"
