"""What the guard refused."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.risk.models import Breach


def list_breaches(*, team_id: int, subject: str = "") -> QuerySet[Breach]:
    """Return refused orders and broken limits, newest first."""
    rows = Breach.objects.filter(team_id=team_id)
    return (rows.filter(subject=subject) if subject else rows).order_by("-created_at", "-id")
