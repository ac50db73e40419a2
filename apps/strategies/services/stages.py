"""Stages of versions, which people decide."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.approvals.kernel.states import LAPSED_TO, steps
from apps.approvals.selectors import find_approval
from apps.audit.services import record
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict, NotFound
from apps.strategies.models import StrategyVersion
from apps.strategies.selectors import VersionView, view_of

PROMOTION = "promotion"


def set_stage(*, actor: Actor, version_id: int, stage: str, now: datetime) -> VersionView:
    """Move a version to the stage that people decided.

    Only the lab itself holds the permission, when a proposal was approved: there is no side door.
    Raises ``Conflict`` for a step the order of stages does not have.
    """
    actor.require("strategies.set_stage")
    with transaction.atomic():
        row = _lock_version(actor, version_id)
        return _move(actor, row, stage, row.tier, now)


def promote_version(
    *, actor: Actor, version_id: int, digest: str, stage: str, tier: int, now: datetime
) -> VersionView:
    """Carry out an approved promotion of exactly the version whose ``digest`` was approved.

    Raises ``Conflict`` when the version's digest is another, or there is no such step.
    """
    actor.require("strategies.set_stage")
    with transaction.atomic():
        row = _lock_version(actor, version_id)
        if row.digest != digest:
            message = (
                f"The approval is for {digest[:12]}…, but version {version_id} is "
                f"{row.digest[:12]}…; propose it anew."
            )
            raise Conflict(message, code="version.digest")
        return _move(actor, row, stage, tier, now)


def step_back(
    *, actor: Actor, version_id: int, stage: str, reason: str, now: datetime
) -> VersionView:
    """Move a version back from ``stage`` since its approval lapsed; the only way back.

    A version that stands elsewhere by now, or whose approval was renewed, stays where it is.
    """
    actor.require("strategies.set_stage")
    with transaction.atomic():
        row = _lock_version(actor, version_id)
        renewed = find_approval(
            team_id=row.team_id,
            kind=PROMOTION,
            subject=f"version:{row.pk}",
            digest=row.digest,
            target_stage=stage,
            now=now,
        )
        if row.stage != stage or stage not in LAPSED_TO or renewed is not None:
            return view_of(row)
        return _put(actor, row, LAPSED_TO[stage], row.tier, {"reason": reason}, now)


def _lock_version(actor: Actor, version_id: int) -> StrategyVersion:
    rows = StrategyVersion.objects.select_for_update(of=("self",)).select_related("strategy")
    row = rows.filter(pk=version_id, team_id=actor.team).first()
    if row is None:
        message = f"There is no strategy version {version_id} in this team; see /strategies."
        raise NotFound(message, code="version.not_found")
    return row


def _move(actor: Actor, row: StrategyVersion, stage: str, tier: int, now: datetime) -> VersionView:
    if row.stage == stage:
        return view_of(row)
    return _put(actor, row, stage, tier, {"steps": _steps(row.stage, stage)}, now)


def _put(
    actor: Actor,
    row: StrategyVersion,
    stage: str,
    tier: int,
    more: dict[str, Any],
    now: datetime,
) -> VersionView:
    body = {"from": row.stage, "to": stage, **more, "tier": tier, "digest": row.digest}
    row.stage, row.tier = stage, tier
    row.save(update_fields=["stage", "tier"])
    subject = f"version:{row.pk}"
    record(actor=actor, action="version.stage_set", subject=subject, body=body, now=now)
    events.emit(
        team_id=row.team_id,
        topic="approvals",
        kind="strategies.version.moved",
        data={"version_id": row.pk, "stage": stage, "digest": row.digest},
    )
    return view_of(row)


def _steps(before: str, stage: str) -> list[str]:
    try:
        return list(steps(before, stage))
    except ValueError as error:
        message = f"The version can't move: {error}."
        raise Conflict(message, code="version.stage") from error
