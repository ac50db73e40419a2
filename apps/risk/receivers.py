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


class StopEnd:
    """Ends an emergency stop when two people want it."""

    def carry_out(
        self,
        *,
        kind: str,
        decision: str,
        team_id: int,
        terms: dict[str, Any],
        proposal_id: UUID,
        now: datetime,
        **others: Any,  # noqa: ARG002
    ) -> None:
        """End it in the transaction that decides. Raises ``LabError`` to refuse it."""
        if (kind, decision) == ("resume", "approve") and "stop" in terms:
            services.resume_stop(
                actor=system("decisions", team_id),
                scope=terms["stop"],
                trips=terms["trips"],
                reason=f"proposal {proposal_id}",
                now=now,
            )
