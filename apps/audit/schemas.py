"""Shapes of the REST operations of audit."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from apps.audit import selectors
from apps.audit.models import AuditEvent
from apps.core.reading import Moment


class EventFilter(Schema):
    """What to look for in the trail.

    ``subject`` and ``action`` match whole, or as a beginning when they end in ``:`` or ``.``.
    """

    subject: str = ""
    action: str = ""
    actor: str = ""
    search: str = ""
    since: Moment | None = None
    before: Moment | None = None


class PeriodFilter(Schema):
    """From a time, or the beginning of a day in UTC, to before another."""

    since: Moment
    until: Moment


class ExportFilter(EventFilter):
    """The trail's filter, and as what to export: ``csv``, or ``jsonl`` with proofs."""

    kind: Literal["csv", "jsonl"] = Field(default="csv", alias="format")

    def wanted(self) -> dict[str, Any]:
        """Return the filter's arguments alone."""
        return self.dict(include=set(EventFilter.model_fields))


class ReconcileIn(Schema):
    """Why the ledger lacks events."""

    reason: str = Field(min_length=10, max_length=1000)


class ReconciledOut(Schema):
    """The event that says so."""

    event: UUID


class EventOut(Schema):
    """An event, and its leaf once the sequencer has placed it."""

    id: UUID
    at: datetime
    acted_at: datetime
    actor: str
    role: str
    action: str
    subject: str
    body: dict[str, Any]
    leaf: int | None


class ProofOut(Schema):
    """Shows that the event is under the signed head: an RFC 6962 audit path, from the leaf up."""

    leaf_index: int
    leaf_hash: str
    tree_size: int
    root: str
    path: list[str]
    checkpoint: str


class EventDetail(EventOut):
    """An event with its proof; ``leaf_data`` is what the leaf hash is made of, as hex."""

    leaf_data: str
    proof: ProofOut | None


class HeadOut(Schema):
    """The newest signed tree head (C2SP checkpoint), and the key to check it with.

    ``public_keys`` is the published file: that key, and how it followed those before it.
    """

    origin: str
    size: int
    root: str
    at: datetime | None
    note: str
    public_key: str
    public_keys: str
    pending_seconds: float | None


class ConsistencyFilter(Schema):
    """From which signed head to which; to the newest without ``new``."""

    old: int = Field(ge=1, le=2**62)
    new: int | None = Field(default=None, ge=1, le=2**62)


class ConsistencyOut(Schema):
    """Shows that a signed tree extends an older one: the hashes of RFC 9162, as hex."""

    old_size: int
    old_root: str
    new_size: int
    new_root: str
    path: list[str]
    checkpoint: str


class CheckOut(Schema):
    """One step of checking an event."""

    name: str
    ok: bool
    detail: str


class VerifyOut(Schema):
    """Whether an event is intact, step by step."""

    ok: bool
    event: UUID
    checks: list[CheckOut]


def event_row(event: AuditEvent) -> dict[str, Any]:
    """Return an event as JSON."""
    leaf = selectors.leaf_of(event)
    return {
        "id": event.pk,
        "at": event.at,
        "acted_at": event.acted_at,
        "actor": event.actor,
        "role": event.role,
        "action": event.action,
        "subject": event.subject,
        "body": event.content,
        "leaf": leaf.seq if leaf else None,
    }


def event_detail(event: AuditEvent) -> dict[str, Any]:
    """Return an event with its proof as JSON."""
    return {
        **event_row(event),
        "leaf_data": selectors.leaf_data_of(event).hex(),
        "proof": selectors.get_proof(event.pk),
    }


def proof_data(detail: dict[str, Any], head: selectors.HeadView) -> dict[str, Any] | None:
    """Return what a browser needs to check a proof by itself; None before there is one."""
    if detail["proof"] is None:
        return None
    return {
        **asdict(detail["proof"]),
        "event_id": str(detail["id"]),
        "leaf_data": detail["leaf_data"],
        "public_key": head.public_key,
    }
