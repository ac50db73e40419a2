"""Shapes of the REST operations of accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Schema


class Me(Schema):
    """Who calls, for which team, and what they may do."""

    user_id: int | None
    label: str
    role: str
    team_id: int
    team: str
    base_currency: str
    permissions: list[str]


class MemberOut(Schema):
    """A person in the team."""

    user_id: int
    email: str
    name: str
    role: str
    is_active: bool
    joined_at: datetime


class RoleIn(Schema):
    """Another role for a member."""

    role: str


class InvitationIn(Schema):
    """Whom to invite, as what."""

    email: str = Field(max_length=254)
    role: str


class InvitationOut(Schema):
    """An invitation that can still be accepted."""

    id: int
    email: str
    role: str
    created_at: datetime
    expires_at: datetime


class InvitationMade(InvitationOut):
    """A new invitation with its link, shown this once."""

    link: str


class TokenIn(Schema):
    """What a new API token is for; ``scopes`` are permissions, ``*`` is all that the role allows.

    ``networks`` are the addresses it works from (``10.1.2.3``, ``10.1.0.0/16``); none is any.
    """

    name: str = Field(min_length=1, max_length=100)
    scopes: list[str] = Field(default=["*"], min_length=1)
    days: int = Field(90, ge=1, le=366)
    networks: list[str] = Field(default=[], max_length=32)


class TokenOut(Schema):
    """An API token without its secret."""

    id: int
    name: str
    prefix: str
    owner: str
    scopes: list[str]
    networks: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokenMade(TokenOut):
    """A new API token with its plain text, shown this once."""

    token: str


class JobOut(Schema):
    """Long work: how far it is and how it ended."""

    id: str
    kind: str
    title: str
    subject: str
    status: str
    progress: float
    done: float
    total: float
    note: str
    eta_seconds: float | None
    attempt: int
    error: dict[str, Any] | None
    result: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
