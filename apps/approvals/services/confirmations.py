"""Confirming: the same person says so again within seconds, having seen what would change.

That is no second pair of eyes. It guards against a slip of the hand, where one person may act.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core import signing

from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.kernel.hashing import digest_json

SALT = "approvals.confirmation"
HOLDS = timedelta(seconds=60)


def confirmation_of(*, who: Actor, act: str, content: Any, now: datetime) -> str:
    """Return what confirms this act of this person for a minute."""
    what = digest_json({"act": act, "content": content})
    return signing.dumps({"who": who.name, "what": what, "at": now.isoformat()}, salt=SALT)


def check_confirmation(*, who: Actor, act: str, content: Any, given: str, now: datetime) -> None:
    """Raise ``Conflict`` unless the person confirmed exactly this within the last minute."""
    try:
        said = signing.loads(given, salt=SALT)
    except signing.BadSignature:
        said = {}
    what = digest_json({"act": act, "content": content})
    if said.get("who") != who.name or said.get("what") != what:
        message = "That was not what you were shown; look at the change again and confirm it."
        raise Conflict(message, code="confirmation.other")
    if not timedelta(0) <= now - datetime.fromisoformat(said["at"]) <= HOLDS:
        message = "A confirmation holds for a minute; look at the change again and confirm it."
        raise Conflict(message, code="confirmation.late")
