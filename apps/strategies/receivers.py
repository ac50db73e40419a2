"""What strategies do when people have decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.core.actors import system
from apps.strategies import services


class StageMove:
    """Moves a version to the stage that an approved promotion names."""

    def carry_out(
        self,
        *,
        kind: str,
        subject: str,
        digest: str,
        decision: str,
        team_id: int,
        target_stage: str,
        tier: int,
        now: datetime,
        reason: str = "",
        **others: Any,  # noqa: ARG002 a decision may come to say more
    ) -> None:
        """Move the version, in the transaction that decides. Raises ``LabError`` to refuse it."""
        name, _, version_id = subject.partition(":")
        if (kind, name) != ("promotion", "version") or not version_id.isdecimal():
            return
        actor, number = system("decisions", team_id), int(version_id)
        if decision == "approve":
            services.promote_version(
                actor=actor,
                version_id=number,
                digest=digest,
                stage=target_stage,
                tier=tier,
                now=now,
            )
        elif decision == "lapse":
            services.step_back(
                actor=actor, version_id=number, stage=target_stage, reason=reason, now=now
            )


class ProbeOfText:
    """Has the versions with a text probed once people let that text run."""

    def carry_out(
        self,
        *,
        kind: str,
        digest: str,
        decision: str,
        team_id: int,
        now: datetime,
        **others: Any,  # noqa: ARG002 what else a decision says
    ) -> None:
        """Queue the probes, in the transaction that decides."""
        if (kind, decision) == ("code", "approve"):
            actor = system("probe", team_id)
            services.probe_approved_text(actor=actor, digest=digest, now=now)
