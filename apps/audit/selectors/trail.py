"""Questions about the trail: who did what, and what changed since the time before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

import orjson
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from apps.audit.kernel import chain
from apps.audit.models import AuditEvent, AuditLeaf
from apps.core import tenancy
from apps.core.errors import NotFound

USER = re.compile(r"user:(\d+)")
NEWEST = ("-at", "-id")


def list_events(
    *,
    team_id: int | None,
    subject: str = "",
    action: str = "",
    actor: str = "",
    search: str = "",
    since: datetime | None = None,
    before: datetime | None = None,
    limit: int | None = None,
) -> QuerySet[AuditEvent]:
    """Return a team's events, newest first; without a team those of the lab itself.

    ``subject`` and ``action`` also match as the beginning when they end in ``:`` or ``.``.
    """
    rows = AuditEvent.objects.filter(team_id=team_id).select_related("leaf")
    for name, text, mark in (("subject", subject, ":"), ("action", action, ".")):
        if text:
            rows = rows.filter(**{f"{name}__startswith" if text.endswith(mark) else name: text})
    if actor:
        rows = rows.filter(actor=actor)
    if search:
        places = ("subject", "action", "actor")
        rows = rows.filter(reduce(or_, (Q(**{f"{p}__icontains": search}) for p in places)))
    if since:
        rows = rows.filter(at__gte=since)
    if before:
        rows = rows.filter(at__lt=before)
    rows = rows.order_by(*NEWEST)
    return rows if limit is None else rows[:limit]


def get_event(event_id: UUID, team_id: int | None) -> AuditEvent:
    """Return an event of the team. Raises ``NotFound``."""
    rows = AuditEvent.objects.filter(pk=event_id, team_id=team_id).select_related("leaf")
    event = rows.first()
    if event is None:
        raise NotFound(f"There is no event {event_id} in this team.", code="audit.not_found")
    return event


def find_previous(event: AuditEvent) -> AuditEvent | None:
    """Return the event of the same subject before this one, in the team's trail."""
    rows = AuditEvent.objects.filter(team_id=event.team_id, subject=event.subject)
    before = Q(at__lt=event.at) | Q(at=event.at, pk__lt=event.pk)
    return rows.filter(before).order_by(*NEWEST).first()


def list_actors(team_id: int) -> list[str]:
    """Return who acts in a team's trail."""
    rows = AuditEvent.objects.filter(team_id=team_id).order_by("actor")
    return list(rows.values_list("actor", flat=True).distinct())


def last_drill() -> AuditEvent | None:
    """Return the event of the last restore drill, good or not; None before the first."""
    with tenancy.scope(tenancy.LAB):
        rows = AuditEvent.objects.filter(team_id=None, subject="backup:drill")
        return rows.order_by(*NEWEST).first()


def leaf_of(event: AuditEvent) -> AuditLeaf | None:
    """Return an event's place in the tree, None while it waits for the sequencer."""
    found: AuditLeaf | None = getattr(event, "leaf", None)
    return found


def find_leaves(event_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the places of events in the tree; those that still wait are left out."""
    rows = AuditLeaf.objects.filter(event_id__in=event_ids)
    return dict(rows.values_list("event_id", "seq"))


def leaf_data_of(event: AuditEvent) -> bytes:
    """Return the bytes that an event's leaf hash is made of."""
    return chain.leaf_data(columns(event))


def pretty(event: AuditEvent) -> str:
    """Return an event's body as indented JSON, for reading."""
    return orjson.dumps(event.content, option=orjson.OPT_INDENT_2).decode()


def actor_labels(names: set[str]) -> dict[str, str]:
    """Return how people see actors: an e-mail address in place of ``user:7``."""
    ids = {int(match[1]): name for name in names if (match := USER.fullmatch(name))}
    people = get_user_model().objects.filter(pk__in=ids)
    labels = {ids[person.pk]: person.get_username() for person in people}
    return {name: labels.get(name, name.removeprefix("system:")) for name in names}


def list_actions(team_id: int) -> list[str]:
    """Return the actions that occur in a team's trail, by name."""
    rows = AuditEvent.objects.filter(team_id=team_id).order_by("action")
    return list(rows.values_list("action", flat=True).distinct())


def columns(event: AuditEvent) -> chain.Event:
    """Return the columns that an event's leaf is made of."""
    return chain.Event(
        event.pk,
        event.at,
        event.acted_at,
        event.db_user,
        event.team_id,
        event.actor,
        event.role,
        event.action,
        event.subject,
        bytes(event.body),
    )
