"""What trading does when people have decided, or an approval lapsed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.actors import system
from apps.trading import services


class Lapsed:
    """Stops what runs under a promotion whose approval lapsed."""

    def carry_out(
        self,
        *,
        kind: str,
        decision: str,
        team_id: int,
        proposal_id: UUID,
        now: datetime,
        reason: str = "",
        **others: Any,  # noqa: ARG002 a decision may come to say more
    ) -> None:
        """Stop it in the transaction that holds the lapse."""
        if (kind, decision) == ("promotion", "lapse"):
            services.stop_lapsed(
                actor=system("decisions", team_id), proposal_id=proposal_id, reason=reason, now=now
            )
