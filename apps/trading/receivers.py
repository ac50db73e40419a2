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


class Resumption:
    """Lets a halted scope trade again when two people want it."""

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
        """Resume it in the transaction that decides. Raises ``LabError`` to refuse it."""
        if (kind, decision) == ("resume", "approve") and "scope" in terms:
            services.resume(
                actor=system("decisions", team_id),
                reason=f"proposal {proposal_id}",
                now=now,
                **terms,
            )


class Trade:
    """Places the single trade that was approved before it expired."""

    def carry_out(
        self,
        *,
        kind: str,
        decision: str,
        team_id: int,
        terms: dict[str, Any],
        now: datetime,
        **others: Any,  # noqa: ARG002
    ) -> None:
        """Store it in the transaction that decides. Raises ``LabError`` to refuse it."""
        if (kind, decision) == ("order", "approve") and "client_id" in terms:
            services.place_agreed(actor=system("decisions", team_id), terms=terms, now=now)


class Rebalance:
    """Places the trades of a rebalancing that was approved before it expired."""

    def carry_out(
        self,
        *,
        kind: str,
        decision: str,
        team_id: int,
        terms: dict[str, Any],
        now: datetime,
        **others: Any,  # noqa: ARG002
    ) -> None:
        """Store them in the transaction that decides. Raises ``LabError`` to refuse it."""
        if (kind, decision) == ("rebalance", "approve"):
            services.place_rebalance(actor=system("balancer", team_id), terms=terms, now=now)


class BalancerChange:
    """Sets a balancer as agreed; one whose approval ended proposes again."""

    def carry_out(
        self,
        *,
        kind: str,
        decision: str,
        team_id: int,
        terms: dict[str, Any],
        proposal_id: UUID,
        now: datetime,
        reason: str = "",
        **others: Any,  # noqa: ARG002
    ) -> None:
        """Set it in the transaction that decides. Raises ``LabError`` to refuse it."""
        if kind != "balancer":
            return
        actor = system("decisions", team_id)
        if decision == "approve":
            services.set_agreed_balancer(
                actor=actor, terms=terms, proposal_id=proposal_id, now=now
            )
        elif decision == "lapse":
            services.end_agreed_balancer(
                actor=actor,
                account_id=int(terms["account_id"]),
                proposal_id=proposal_id,
                reason=reason,
                now=now,
            )
