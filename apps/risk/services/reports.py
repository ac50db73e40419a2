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
from apps.risk.kernel.conventions import Terms
from apps.risk.kernel.liquidity import Market, liquidity_report
from apps.risk.kernel.measures import terms_of
from apps.risk.kernel.reports import BASIC_METHODS, LEVELS, book_report, check_work, report
from apps.risk.kernel.samples import Rows, common_rows
from apps.risk.models import RiskReport
from apps.risk.selectors.books import Holding
from apps.risk.selectors.samples import Sample, get_held

MAX_COLUMNS = 200
BOOK = "portfolio"
# The subject of returns that belong to no book of the lab.
CLIENT = "client"


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
    liquidity: Mapping[str, Any] | None = None,
) -> RiskReport:
    """Measure return columns, and their weighted sum if weights are given, and keep the report.

    ``terms`` are the other fields of ``risk.kernel.conventions.Terms``: quantile, shortfall, and
    so on; ``liquidity`` the fields of ``risk.kernel.liquidity.Market``, of the weighted columns
    or of what the book ``subject`` holds. Raises ``Invalid`` naming the column at fault.
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
    if liquidity is not None:
        held = _held(actor.team, subject, columns, weights or {})
        each = [terms_of(level=level, **body["terms"]) for level in levels]
        body["liquidity"] = _liquidity(held, each, liquidity)
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


def _held(
    team_id: int, subject: str, columns: Mapping[str, Any], weights: Mapping[str, float]
) -> Sample:
    """Return the book of the weighted columns, or what ``subject`` holds. Raises ``Invalid``."""
    if not weights and subject == CLIENT:
        message = "Liquidity is that of a book: give weights, such as {'A': 0.6, 'B': 0.4}."
        raise Invalid(message, code="risk.weights", details={"field": "weights"})
    if not weights:
        return get_held(team_id=team_id, subject=subject)
    rows = common_rows(columns, weights)
    held = {name: rows.values[:, i] for i, name in enumerate(rows.names)}
    holding = Holding(subject, "", weights, 1.0)
    left = (f"{rows.missing} row(s) left out: a position had no return.",) if rows.missing else ()
    return Sample(holding, "", "the columns sent", held, weights, [], notes=left)


def _liquidity(held: Sample, terms: Sequence[Terms], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return liquidity-adjusted figures by level; volumes and equity the book's own if not given.

    Raises ``Invalid`` (``risk.liquidity``).
    """
    given = {name: value for name, value in asked.items() if value is not None}
    own = {"volumes": held.traded, "equity": held.holding.equity}
    tables: dict[str, Any] = {"spreads": {}, "spread_deviations": {}}
    market = Market(**{**tables, **own, **given})
    rows = Rows(tuple(held.weights), held.block, 0)
    return {
        "how": held.how,
        "equity": market.equity,
        "participation": market.participation,
        "spread_multiple": market.spread_multiple,
        "notes": list(held.notes),
        "levels": liquidity_report(rows, held.shares, terms, market),
    }


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
