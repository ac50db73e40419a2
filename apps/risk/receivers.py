"""What risk does when people have decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.actors import system
from apps.risk import services


class LimitChange:
    """Sets the limits that an approved change names."""

    def carry_out(
        self,
        *,
        kind: str,
        decision: str,
        team_id: int,
        terms: dict[str, Any],
        proposal_id: UUID,
        now: datetime,
        **others: Any,  # noqa: ARG002 a decision may come to say more
    ) -> None:
        """Set them in the transaction that decides. Raises ``LabError`` to refuse it."""
        if (kind, decision) == (services.LIMITS, "approve") and "values" in terms:
            services.set_agreed(
                actor=system("decisions", team_id),
                terms=terms,
                reason=f"proposal {proposal_id}",
                now=now,
            )
