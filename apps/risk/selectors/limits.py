"""Limits in force, their versions, how they are shown."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.core.errors import Invalid
from apps.risk.kernel.limits import DEFAULT, OFF, Limits, as_values, stored_limits
from apps.risk.models import LimitSet

# Of the team (empty), of an account, of a strategy by its name.
SUBJECT = re.compile(r"|account:[1-9][0-9]{0,17}|strategy:[A-Za-z0-9_.-]{1,60}")
STRATEGY = "strategy:"


@dataclass(frozen=True, slots=True)
class LimitsView:
    """Limits in force for a subject; version 0 is the default of the lab."""

    subject: str
    set_for: str
    version: int
    limits: Limits
    reason: str
    created_by: str
    created_at: datetime | None


def check_subject(subject: str) -> None:
    """Raise ``Invalid`` (``limits.subject``) for what can have no limits."""
    if SUBJECT.fullmatch(subject) is None:
        known = "nothing for the team, account:<id> or strategy:<name>"
        message = f"{subject!r} has no limits; give {known}."
        raise Invalid(message, code="limits.subject", details={"field": "subject"})


def get_limits(*, team_id: int, subject: str = "") -> LimitsView:
    """Return the limits of ``subject``, else of the team, else the lab's defaults.

    A strategy without a set of its own has none beside those of the accounts it trades on.
    """
    of_strategy = subject.startswith(STRATEGY)
    among = {subject} if of_strategy else {subject, ""}
    rows = LimitSet.objects.filter(team_id=team_id, subject__in=among)
    row = rows.order_by("-subject", "-version").first()
    if row is None and of_strategy:
        return LimitsView(subject, "", 0, OFF, "None beside the account's.", "", None)
    if row is None:
        return LimitsView(subject, "", 0, DEFAULT, "Defaults of the lab.", "", None)
    limits = stored_limits(row.values)
    who = row.created_by_label or row.created_by
    return LimitsView(subject, row.subject, row.version, limits, row.reason, who, row.created_at)


def strategy_limits(*, team_id: int, strategies: Collection[str]) -> dict[str, Limits]:
    """Return the sets that strategies have of their own, by the strategy's name."""
    subjects = [f"{STRATEGY}{name}" for name in strategies]
    rows = LimitSet.objects.filter(team_id=team_id, subject__in=subjects).order_by("version")
    return {row.subject.removeprefix(STRATEGY): stored_limits(row.values) for row in rows}


def list_limit_versions(*, team_id: int, subject: str = "") -> QuerySet[LimitSet]:
    """Return every version of a subject's own limits, newest first."""
    return LimitSet.objects.filter(team_id=team_id, subject=subject).order_by("-version")


def limits_as_dict(view: LimitsView) -> dict[str, Any]:
    """Return limits in force as clients see them."""
    return {
        "subject": view.subject,
        "set_for": view.set_for,
        "version": view.version,
        "limits": as_values(view.limits),
        "reason": view.reason,
        "created_by": view.created_by,
        "created_at": view.created_at,
    }


def list_sets(*, team_id: int) -> list[LimitsView]:
    """Return the newest version of every set of the team: its own, of accounts, of strategies."""
    rows = LimitSet.objects.filter(team_id=team_id).order_by("subject")
    subjects = rows.values_list("subject", flat=True).distinct()
    return [get_limits(team_id=team_id, subject=one) for one in dict.fromkeys(["", *subjects])]
