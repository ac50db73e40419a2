"""Put an event into the ledger, inside the transaction of the act it tells of."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.core.kernel.hashing import canonical_json

MAX_BODY = 65536
LIMITS = {"action": 64, "subject": 200}
APPEND = "SELECT audit.append(%s, %s, %s, %s, %s, %s, %s)"


def record(
    *, actor: Actor, action: str, subject: str, body: dict[str, Any], now: datetime
) -> UUID:
    """Append an event and return its id; it is kept or undone together with the caller's writes.

    Parameters
    ----------
    action
        What was done: ``backtest.created``.
    subject
        To what: ``backtest:<id>``.
    body
        Facts as JSON, canonical (RFC 8785), at most 64 KiB. Never a secret, never personal data.

    Raises
    ------
    Invalid
        For an empty or overlong name, or a body that is too large or is not JSON.
    RuntimeError
        Outside a transaction: the event could then stay while the act is lost.
    """
    if not connection.in_atomic_block:
        message = f"audit.services.record({action!r}) needs the transaction.atomic() of the act."
        raise RuntimeError(message)
    _check_names(action=action, subject=subject)
    content = _encode(action, body)
    with connection.cursor() as cursor:
        cursor.execute(
            APPEND, [actor.team_id, actor.name, actor.role, action, subject, content, now]
        )
        found: UUID = cursor.fetchone()[0]
    return found


def _check_names(**names: str) -> None:
    for name, text in names.items():
        if not 1 <= len(text) <= LIMITS[name]:
            message = f"The {name} of an event has {len(text)} characters; 1 to {LIMITS[name]}."
            raise Invalid(message, code=f"audit.{name}")


def _encode(action: str, body: dict[str, Any]) -> bytes:
    try:
        content = canonical_json(_plain(body))
    except ValueError as error:
        message = f"The body of {action} can't be written as canonical JSON: {error}."
        raise Invalid(message, code="audit.body") from error
    if len(content) > MAX_BODY:
        message = f"The body of {action} takes {len(content)} bytes; the ledger takes {MAX_BODY}."
        raise Invalid(message, code="audit.body_size")
    return content


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON has it: times, ids and exact numbers become text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    return value
