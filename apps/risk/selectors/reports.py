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
SHOWN_PARTS = 20


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
    """Return every book with its measures in fractions and money, and its limits in words."""
    return [_shown_book(row) for row in list_books(team_id=team_id)]


def _shown_book(row: RiskReport) -> dict[str, Any]:
    body = row.body
    column = body.get("columns", {}).get("book")
    equity = float(body.get("equity") or 0.0)
    measures = [
        {**measure, "var_money": measure["var"] * equity, "es_money": measure["es"] * equity}
        for measure in (column or {}).get("measures", [])
    ]
    used = [
        {**entry, "label": LIMIT_WORDS.get(entry["limit"], entry["limit"])}
        for entry in body.get("utilisation", [])
    ]
    return {
        **body,
        "subject": row.subject,
        "title": row.title,
        "measured_at": row.created_at,
        "observations": column["observations"] if column else 0,
        "measures": measures,
        "notes": _shown_notes(body, measures),
        "parts": _shown_parts((column or {}).get("components", [])),
        "used": used,
    }


def _shown_notes(body: dict[str, Any], measures: list[dict[str, Any]]) -> list[str]:
    """Return what must be said of a book and its measures, each once."""
    told = [*body.get("notes", []), *(note for one in measures for note in one.get("notes", []))]
    return list(dict.fromkeys(told))


def _shown_parts(components: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first parts by position, the largest first, with the length of each bar."""
    found = next((one for one in components if one.get("positions")), None)
    if found is None:
        return None
    rows = sorted(found["positions"], key=lambda row: -float(row["component_es"]))
    shown = [
        {**row, "bar": min(max(float(row["share_of_es"] or 0.0), 0.0), 1.0)}
        for row in rows[:SHOWN_PARTS]
    ]
    left = len(rows) - len(shown)
    more = f"{left} more position(s) in the report." if left else ""
    return {"method": found["method"], "level": found["level"], "positions": shown, "more": more}
