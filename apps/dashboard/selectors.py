"""One look: what the dashboard shows, joined from the other apps."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def overview(*, team_id: int, now: datetime) -> dict[str, Any]:
    """Return the blocks of the dashboard."""
    return {"team_id": team_id, "now": now}
