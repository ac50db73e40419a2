"""Tell browsers and clients what happened, once it is committed."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.core import live


def emit(*, team_id: int | None, topic: str, kind: str, data: dict[str, Any]) -> None:
    """Publish ``data`` as ``kind`` (``app.noun.happened``) on the team's ``topic`` after commit.

    ``team_id`` None reaches every team: only for shared facts such as the sample feed. A message
    that can't be sent is logged; it neither fails what is committed nor holds up what follows.
    """
    send = lambda: live.publish(live.topic_of(team_id, topic), kind, data)  # noqa: E731
    transaction.on_commit(send, robust=True)
