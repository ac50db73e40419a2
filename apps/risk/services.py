"""Writes of risk: limits, reports, breaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db import transaction

from apps.approvals.kernel.changes import changes_of
from apps.approvals.services import propose
from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.kernel.hashing import digest_json
from apps.risk import selectors
from apps.risk.kernel.limits import NAMED, Limits, Refusal, as_values, limits_from, loosened
from apps.risk.kernel.reports import BASIC_METHODS, LEVELS, report
from apps.risk.kernel.samples import combine
from apps.risk.models import Breach, LimitSet, RiskReport
from apps.risk.selectors import LimitsView

MIN_REASON = 3
LIMITS, SYSTEM = "limits", "system"
MAX_COLUMNS = 200


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of limits came to: in force at once, or waiting for a decision."""

    view: LimitsView
    proposal_id: UUID | None = None


def change_limits(
    *,
    actor: Actor,
    values: Mapping[str, Any],
    reason: str,
    now: datetime,
    subject: str = "",
    base: str = "",
) -> Change:
    """Set limits that allow no more than before at once; propose those that do.

    Raises as ``set_limits``, and ``Conflict`` when a change of these limits is proposed already.
    """
    actor.require("limits.write")
    before = selectors.get_limits(team_id=actor.team, subject=subject)
    limits = limits_from(values, base=_base(base) or before.limits)
    looser = loosened(before.limits, limits)
    if not looser:
        view = set_limits(
            actor=actor, values=values, reason=reason, now=now, subject=subject, base=base
        )
        return Change(view)
    about = subject or f"team:{actor.team}"
    terms = {"subject": subject, "values": as_values(limits), "from_version": before.version}
    proposal = propose(
        actor=actor,
        kind=LIMITS,
        subject=f"limits:{about}",
        title=f"Wider limits for {about}",
        digest=digest_json(terms),
        evidence={
            "facts": {"limits of": about, "version now": before.version, "wider": looser},
            "changes": {"settings": changes_of(as_values(before.limits), as_values(limits))},
        },
        rationale=reason,
        terms=terms,
        now=now,
    )
    return Change(before, proposal.pk)


def set_agreed(*, actor: Actor, terms: Mapping[str, Any], reason: str, now: datetime) -> None:
    """Set the limits that people agreed to. Raises ``Conflict`` when others came between."""
    before = selectors.get_limits(team_id=actor.team, subject=terms["subject"])
    if before.version != terms["from_version"]:
        message = f"The limits are at version {before.version} by now; propose the change anew."
        raise Conflict(message, code="limits.changed")
    set_limits(
        actor=actor, values=terms["values"], reason=reason, now=now, subject=terms["subject"]
    )


def _base(name: str) -> Limits | None:
    if name and name not in NAMED:
        message = f"There is no set {name!r}; there are {', '.join(NAMED)}."
        raise Invalid(message, code="limits.base", details={"field": "base"})
    return NAMED[name] if name else None


def set_limits(
    *,
    actor: Actor,
    values: Mapping[str, Any],
    reason: str,
    now: datetime,
    subject: str = "",
    base: str = "",
) -> LimitsView:
    """Store a new version of the limits of ``subject`` (empty: the team).

    Parameters
    ----------
    values
        Limits that change; null switches one off.
    base
        ``default`` or ``wide`` to start from; otherwise from the limits in force.

    Raises
    ------
    Denied, Invalid
    """
    actor.require("limits.write")
    if len(reason.strip()) < MIN_REASON:
        message = "Say in a few words why the limits change; the trail keeps it."
        raise Invalid(message, code="limits.reason", details={"field": "reason"})
    start = _base(base)
    with transaction.atomic():
        before = selectors.get_limits(team_id=actor.team, subject=subject)
        limits = limits_from(values, base=start or before.limits)
        _refuse_loosening(actor, before.limits, limits)
        newest = selectors.list_limit_versions(team_id=actor.team, subject=subject).first()
        row = LimitSet.objects.create(
            team_id=actor.team,
            subject=subject,
            version=newest.version + 1 if newest else 1,
            values=as_values(limits),
            reason=reason.strip()[:500],
            created_by=actor.name,
            created_by_label=actor.label[:160],
            created_at=now,
        )
        body = {"version": row.version, "values": row.values, "reason": row.reason}
        about = f"limits:{subject or f'team:{actor.team}'}"
        audit.record(actor=actor, action="limits.set", subject=about, body=body, now=now)
    return selectors.get_limits(team_id=actor.team, subject=subject)


def _refuse_loosening(actor: Actor, before: Limits, after: Limits) -> None:
    """Only what people agreed to may allow more: there is no way round the decision."""
    looser = loosened(before, after)
    if looser and actor.role != SYSTEM:
        message = f"Wider than before: {', '.join(looser)}. Propose that; another person decides."
        raise Denied(message, code="limits.by_proposal", details={"limits": looser})


def create_report(
    *,
    actor: Actor,
    subject: str,
    title: str,
    columns: Mapping[str, Any],
    now: datetime,
    weights: Mapping[str, float] | None = None,
    levels: Sequence[float] = LEVELS,
    methods: Sequence[str] = BASIC_METHODS,
    horizon: int = 1,
) -> RiskReport:
    """Measure return columns, and their weighted sum if weights are given, and keep the report.

    Raises ``Invalid`` naming the column at fault.
    """
    actor.require("team.read")
    body = measure_columns(
        columns=columns, weights=weights, levels=levels, methods=methods, horizon=horizon
    )
    with transaction.atomic():
        row = RiskReport.objects.create(
            team_id=actor.team,
            subject=subject,
            title=title[:200],
            body=body,
            created_by=actor.name,
            created_at=now,
        )
        about = {"subject": subject, "columns": sorted(columns), "horizon": horizon}
        audit.record(
            actor=actor, action="risk.reported", subject=f"risk:{row.pk}", body=about, now=now
        )
    return row


def measure_columns(
    *,
    columns: Mapping[str, Any],
    weights: Mapping[str, float] | None = None,
    levels: Sequence[float] = LEVELS,
    methods: Sequence[str] = BASIC_METHODS,
    horizon: int = 1,
) -> dict[str, Any]:
    """Return a report's body. Raises ``Invalid`` naming the column at fault."""
    if not 1 <= len(columns) <= MAX_COLUMNS:
        message = f"{len(columns)} return columns; give 1 to {MAX_COLUMNS}."
        raise Invalid(message, code="risk.columns", details={"field": "returns"})
    series = {name: _array(name, values) for name, values in columns.items()}
    if weights:
        lengths = {len(series[name]) for name in weights if name in series}
        if len(lengths) > 1:
            message = "The weighted columns differ in length; send one row per period."
            raise Invalid(message, code="risk.weights", details={"field": "returns"})
        series["portfolio"] = combine(series, weights)
    found = {}
    for name, values in series.items():
        try:
            found[name] = report(values, levels=levels, methods=methods, horizon=horizon)
        except Invalid as error:
            details = {**error.details, "column": name}
            message = f"Column {name}: {error.message}"
            raise Invalid(message, code=error.code, details=details) from error
    return {"horizon": horizon, "weights": dict(weights or {}), "columns": found}


def _array(name: str, values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        message = f"Column {name} holds something that is no number."
        raise Invalid(message, code="risk.not_a_number", details={"column": name}) from None


def keep_live_report(
    *, team_id: int, subject: str, title: str, body: dict[str, Any], now: datetime
) -> None:
    """Replace what a book says of its risk now; not an act of anybody, so not in the trail."""
    RiskReport.objects.update_or_create(
        team_id=team_id,
        subject=subject,
        is_live=True,
        defaults={
            "title": title[:200],
            "body": body,
            "created_by": "system:stream",
            "created_at": now,
        },
    )


def note_breaches(
    *, team_id: int, subject: str, refusals: Sequence[Refusal], now: datetime
) -> None:
    """Keep what the guard refused, and tell the team; the orders themselves are in the trail."""
    rows = [
        Breach(
            team_id=team_id,
            subject=subject,
            code=refusal.code,
            message=refusal.message[:500],
            created_at=now,
        )
        for refusal in refusals
    ]
    Breach.objects.bulk_create(rows)
    for code in sorted({refusal.code for refusal in refusals}):
        data = {"subject": subject, "code": code}
        events.emit(team_id=team_id, topic="alerts", kind="risk.limit.breached", data=data)
