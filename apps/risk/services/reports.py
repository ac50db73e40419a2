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
from apps.risk.kernel.calendars import common_sessions
from apps.risk.kernel.measures import terms_of
from apps.risk.kernel.reports import BASIC_METHODS, LEVELS, book_report, check_work, report
from apps.risk.models import RiskReport

MAX_COLUMNS = 200
BOOK = "portfolio"


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
    terms: Mapping[str, Any] | None = None,
) -> RiskReport:
    """Measure return columns, and their weighted sum if weights are given, and keep the report.

    ``terms`` are the other fields of ``risk.kernel.conventions.Terms``: quantile, shortfall, and
    so on. Raises ``Invalid`` naming the column at fault.
    """
    actor.require("team.read")
    body = measure_columns(
        columns=columns,
        weights=weights,
        levels=levels,
        methods=methods,
        horizon=horizon,
        terms=terms,
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
    terms: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a report's body. Raises ``Invalid`` naming the column at fault."""
    if not 1 <= len(columns) <= MAX_COLUMNS:
        message = f"{len(columns)} return columns; give 1 to {MAX_COLUMNS}."
        raise Invalid(message, code="risk.columns", details={"field": "returns"})
    series = {name: _array(name, values) for name, values in columns.items()}
    given = {name: value for name, value in (terms or {}).items() if value is not None}
    asked: dict[str, Any] = {
        "levels": levels,
        "methods": methods,
        "horizon": horizon,
        "terms": given,
    }
    # All columns together may take no longer than one: somebody waits.
    each = [terms_of(level=level, horizon=horizon, **given) for level in levels]
    check_work(sum(max(values.size, 200) for values in series.values()), methods, each)
    found = {name: _of_column(name, values, asked) for name, values in series.items()}
    if weights:
        found[BOOK] = book_report(series, weights, **asked)
    return {
        "horizon": horizon,
        "terms": given,
        "weights": dict(weights or {}),
        "columns": found,
    }


def _of_column(name: str, values: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return report(values, **asked)
    except Invalid as error:
        details = {**error.details, "column": name}
        message = f"Column {name}: {error.message}"
        raise Invalid(message, code=error.code, details=details) from error


def measure_held(
    *,
    prices: Mapping[str, tuple[Any, Any]],
    weights: Mapping[str, float],
    levels: Sequence[float] = LEVELS,
    methods: Sequence[str] = BASIC_METHODS,
) -> dict[str, Any]:
    """Return the report's body of what is held now, over the sessions that all of it shares.

    Parameters
    ----------
    prices
        Instrument to times and closes; shares and coins keep their own calendars.
    weights
        Instrument to share of equity.

    Raises
    ------
    Invalid
        As ``common_sessions`` and ``book_report``: nothing held, a position without a price.
    """
    joint = common_sessions(prices)
    columns = {name: joint.returns[:, i] for i, name in enumerate(joint.names)}
    found = book_report(columns, weights, levels=levels, methods=methods)
    return {"horizon": 1, "columns": {"book": found}, "notes": list(joint.notes)}


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
