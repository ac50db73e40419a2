"""What follows when somebody signs in, tries to, or changes how they sign in."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.signals import (
    authentication_step_completed,
    password_changed,
    password_reset,
    password_set,
)
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from django.contrib import messages
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from apps.accounts import selectors, services
from apps.core import clock

log = structlog.get_logger(__name__)
OTHERS_STAY = "Your other sessions stay signed in; end them under Sessions if in doubt."


@receiver([password_changed, password_set, password_reset])
def end_tokens(user: Any, **_: Any) -> None:
    """End the tokens too: whoever knew the old password may have made one."""
    services.end_tokens(user_id=user.pk, now=clock.now())
    log.info("accounts.password_changed", user=_known_as(user))


@receiver([authenticator_added, authenticator_removed, authenticator_reset])
def note_factors(request: Any, user: Any, authenticator: Any, signal: Any, **_: Any) -> None:
    """Log a change of second factors, and tell the person what it doesn't end."""
    change = "removed" if signal is authenticator_removed else "added"
    factor = authenticator.type
    log.info("accounts.factor_changed", change=change, user=_known_as(user), factor=factor)
    if request is not None:
        messages.info(request, OTHERS_STAY, fail_silently=True)


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
def note_sign_out(user: Any, **_: Any) -> None:
    """Log who signed out."""
    log.info("accounts.signed_out", user=_known_as(user))


@receiver(user_login_failed)
def note_wrong_password(credentials: Any, **_: Any) -> None:
    """Log a sign-in that failed, by the person's number: addresses stay out of logs."""
    given = str(credentials.get("email") or credentials.get("username") or "")
    log.warning("accounts.sign_in_refused", user=_known_as(selectors.find_user(given)))


def _known_as(user: Any) -> str:
    return f"user:{user.pk}" if user is not None and user.pk else "nobody known"
