"""Ending sessions: pages and sockets opened with them stop within seconds."""

from __future__ import annotations

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import NotFound


@transaction.atomic
def end_session(*, actor: Actor, session_id: int, now: datetime) -> None:
    """End one of the actor's own sessions. Raises ``NotFound``, also for another person's."""
    session = UserSession.objects.filter(pk=session_id, user_id=actor.user_id).first()
    if session is None:
        message = "There is no such session of yours; it may have ended already."
        raise NotFound(message, code="session.not_found")
    session.end()
    subject = f"user:{actor.user_id}"
    audit.record(actor=actor, action="session.ended", subject=subject, body={}, now=now)
