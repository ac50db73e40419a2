"""Who read which data."""

from __future__ import annotations

from datetime import datetime

from apps.market.models import Reader


def register_reader(
    *, subject: str, digest: str, now: datetime, team_id: int | None = None
) -> None:
    """Note that ``subject`` (``backtest:…``) read the panel with this digest; twice is once."""
    Reader.objects.bulk_create(
        [Reader(subject=subject, digest=digest, team_id=team_id, created_at=now)],
        ignore_conflicts=True,
    )
