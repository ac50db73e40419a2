"""Reports of risk, and the books that keep them up to date."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.risk.models import RiskReport

LIMIT_WORDS = {
    "max_position_value": "Largest position, value",
    "max_position_share": "Largest position, share of equity",
    "max_exposure": "Gross exposure, share of equity",
    "max_leverage": "Leverage, times equity",
    "max_positions": "Positions held",
    "max_daily_loss": "Loss today, share of equity",
    "max_group_share": "Largest sector, share of equity",
    "max_net_exposure": "Net exposure, share of equity",
    "max_leverage_perpetual": "Leverage on perpetuals, times equity",
    "max_orders_per_minute": "Orders in a minute",
    "max_messages_per_minute": "Orders and withdrawals in a minute",
}


def list_reports(*, team_id: int, subject: str = "") -> QuerySet[RiskReport]:
    """Return the team's reports, newest first."""
    rows = RiskReport.objects.filter(team_id=team_id)
    return (rows.filter(subject=subject) if subject else rows).order_by("-created_at", "-id")


def list_books(*, team_id: int) -> list[RiskReport]:
    """Return the reports that books keep up to date, by title."""
    rows = RiskReport.objects.filter(team_id=team_id, is_live=True)
    return list(rows.order_by("title", "id"))


def get_report(report_id: int, team_id: int) -> RiskReport:
    """Return a report of the team. Raises ``NotFound``, also for another team's."""
    row = RiskReport.objects.filter(pk=report_id, team_id=team_id).first()
    if row is None:
        message = f"There is no risk report {report_id}; see GET /api/v1/risk."
        raise NotFound(message, code="risk.not_found")
    return row


def report_as_dict(row: RiskReport) -> dict[str, Any]:
    """Return a report as clients see it."""
    return {
        "id": row.pk,
        "subject": row.subject,
        "title": row.title,
        "is_live": row.is_live,
        "created_at": row.created_at,
        "created_by": row.created_by,
        **row.body,
    }


def shown_books(*, team_id: int) -> list[dict[str, Any]]:
    """Return what is used of the limits of every book, with the limits in words."""
    return [_shown_book(row) for row in list_books(team_id=team_id)]


def _shown_book(row: RiskReport) -> dict[str, Any]:
    used = [
        {**entry, "label": LIMIT_WORDS.get(entry["limit"], entry["limit"])}
        for entry in row.body.get("utilisation", [])
    ]
    return {
        "subject": row.subject,
        "title": row.title,
        "measured_at": row.created_at,
        "limits_version": row.body.get("limits_version", 0),
        "used": used,
    }
