"""What follows when somebody changes how they sign in."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set
from django.dispatch import receiver

from apps.accounts import services
from apps.core import clock


@receiver([password_changed, password_set, password_reset])
def end_tokens(user: Any, **_: Any) -> None:
    """End the tokens too: whoever knew the old password may have made one."""
    services.end_tokens(user_id=user.pk, now=clock.now())
