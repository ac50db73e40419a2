"""Providers and keys."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema


class ProviderKeyIn(Schema):
    """A key by its parts, as ``key_fields`` of the provider names them; it is never read back."""

    key: dict[str, str]


class ProviderKeyOut(Schema):
    """What may be known of a stored key: its last characters, and what the vendor said."""

    hint: str
    status: str
    note: str
    checked_at: datetime | None
    created_at: datetime
    created_by: str


class LimitOut(Schema):
    """At most ``requests`` in ``seconds``, and what is left now."""

    requests: int
    seconds: float
    remaining: int
    reset_seconds: float


class VendorOut(Schema):
    """A provider that asks a vendor, the team's key of it, and what is left of its limits."""

    provider: str
    title: str
    needs_key: bool
    key_fields: list[str]
    ready: bool
    key: ProviderKeyOut | None
    timeframes: list[str]
    history: str
    units: dict[str, str]
    price_mode: str
    limits: list[LimitOut]
