"""Writes of risk: limits, reports, breaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.risk import selectors
from apps.risk.kernel.limits import NAMED, Refusal, as_values, limits_from
from apps.risk.kernel.reports import BASIC_METHODS, LEVELS, report
from apps.risk.kernel.samples import combine
from apps.risk.models import Breach, LimitSet, RiskReport
from apps.risk.selectors import LimitsView

MIN_REASON = 3
MAX_COLUMNS = 200


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
    if base and base not in NAMED:
        message = f"There is no set {base!r}; there are {', '.join(NAMED)}."
        raise Invalid(message, code="limits.base", details={"field": "base"})
    with transaction.atomic():
        before = selectors.get_limits(team_id=actor.team, subject=subject)
        limits = limits_from(values, base=NAMED[base] if base else before.limits)
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
