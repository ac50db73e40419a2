"""Scenarios: tables of shocks that people keep; a change is a version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.risk import selectors
from apps.risk.kernel.scenarios import shocks_from
from apps.risk.models import Scenario

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
MOST = 200
PERMISSION = "research.write"
OTHER_PERMISSION = "limits.write"


def save_scenario(
    *,
    actor: Actor,
    name: str,
    title: str,
    shocks: Mapping[str, Any],
    now: datetime,
    note: str = "",
    version: int | None = None,
) -> Scenario:
    """Keep a table of shocks as a new version of ``name``.

    Parameters
    ----------
    version
        The version this was made from; another than the newest is refused. None overwrites.

    Raises
    ------
    Invalid
        ``risk.scenario.slug``, ``risk.scenario.title``, ``risk.scenario.many`` and those of
        ``shocks_from``.
    Conflict
        ``risk.scenario.changed`` when somebody was faster.
    """
    require(actor)
    if not NAME.fullmatch(name):
        message = f"The name is {name!r}; take small letters, digits and hyphens, up to 80."
        raise Invalid(message, code="risk.scenario.slug", details={"field": "name"})
    if not title.strip():
        message = "The title is empty; say what happens."
        raise Invalid(message, code="risk.scenario.title", details={"field": "title"})
    table = shocks_from(shocks).as_dict()
    with transaction.atomic():
        newest = _newest(actor, name)
        if newest is None and len(selectors.list_scenarios(team_id=actor.team)) >= MOST:
            message = f"The team has {MOST} scenarios; archive one first."
            raise Invalid(message, code="risk.scenario.many")
        count = newest.version if newest else 0
        if version is not None and version != count:
            message = f"{name} is at version {count} by now, not {version}; look at it again."
            raise Conflict(message, code="risk.scenario.changed")
        row = _keep(actor, name, count + 1, now, title=title, note=note, shocks=table)
        body = {"version": row.version, "title": row.title, "shocks": table}
        _record(actor, "risk.scenario.saved", row, body, now)
    return row


def archive_scenario(*, actor: Actor, scenario_id: int, now: datetime) -> Scenario:
    """Take a scenario off the list; its versions stay. Raises ``NotFound``, ``Conflict``."""
    require(actor)
    with transaction.atomic():
        found = selectors.get_scenario(scenario_id, actor.team)
        newest = _newest(actor, found.name) or found
        if newest.is_archived:
            raise Conflict(f"{found.name} is archived already.", code="risk.scenario.archived")
        newest.is_archived = True
        newest.save(update_fields=["is_archived"])
        _record(actor, "risk.scenario.archived", newest, {"version": newest.version}, now)
    return newest


def require(actor: Actor) -> None:
    """Let in who does research or sets limits. Raises ``Denied``."""
    actor.require(OTHER_PERMISSION if actor.may(OTHER_PERMISSION) else PERMISSION)


def _newest(actor: Actor, name: str) -> Scenario | None:
    rows = Scenario.objects.select_for_update().filter(team_id=actor.team, name=name)
    return rows.order_by("-version").first()


def _keep(actor: Actor, name: str, version: int, now: datetime, **what: Any) -> Scenario:
    return Scenario.objects.create(
        team_id=actor.team,
        name=name,
        version=version,
        title=what["title"].strip()[:160],
        note=what["note"].strip()[:500],
        shocks=what["shocks"],
        created_by=actor.name,
        created_by_label=actor.label[:160],
        created_at=now,
    )


def _record(actor: Actor, action: str, row: Scenario, body: dict[str, Any], now: datetime) -> None:
    audit.record(actor=actor, action=action, subject=f"scenario:{row.name}", body=body, now=now)
