"""What approvals itself does when people have decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from apps.approvals import services
from apps.core.actors import system


class SettingChange:
    """Stores the value that an approved change of configuration names."""

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
        """Store it in the transaction that decides. Raises ``LabError`` to refuse it."""
        if (kind, decision) == ("configuration", "approve"):
            services.store_agreed(
                actor=system("decisions", team_id),
                terms=terms,
                note=f"proposal {proposal_id}",
                now=now,
            )
