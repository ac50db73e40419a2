"""What backtests do when bars were revised."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.backtests import services


def on_revised(
    *,
    team_id: int | None,
    batch_id: int,
    now: datetime,
    **others: Any,  # noqa: ARG001 a signal may come to say more
) -> None:
    """Compute the runs that had read the bars once more, on what is known now."""
    services.rerun_readers(team_id=team_id, batch_id=batch_id, now=now)
