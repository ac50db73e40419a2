"""Reports of value at risk and expected shortfall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Invalid
from apps.risk.kernel.reports import BASIC_METHODS, LEVELS, report
from apps.risk.kernel.samples import combine
from apps.risk.models import RiskReport

MAX_COLUMNS = 200


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
