"""Limits: set, or proposed where they allow more than before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.approvals.kernel.changes import changes_of
from apps.approvals.services import propose
from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.kernel.hashing import digest_json
from apps.risk import selectors
from apps.risk.kernel.limits import NAMED, Limits, as_values, limits_from, loosened
from apps.risk.models import LimitSet
from apps.risk.selectors import LimitsView

MIN_REASON = 3
LIMITS, SYSTEM = "limits", "system"


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of limits came to: in force at once, or waiting for a decision."""

    view: LimitsView
    proposal_id: UUID | None = None


def change_limits(
    *,
    actor: Actor,
    values: Mapping[str, Any],
    reason: str,
    now: datetime,
    subject: str = "",
    base: str = "",
) -> Change:
    """Set limits that allow no more than before at once; propose those that do.

    Raises as ``set_limits``, and ``Conflict`` when a change of these limits is proposed already.
    """
    actor.require("limits.write")
    selectors.check_subject(subject)
    before = selectors.get_limits(team_id=actor.team, subject=subject)
    limits = limits_from(values, base=_base(base) or before.limits)
    looser = loosened(before.limits, limits)
    if not looser:
        view = set_limits(
            actor=actor, values=values, reason=reason, now=now, subject=subject, base=base
        )
        return Change(view)
    about = subject or f"team:{actor.team}"
    terms = {"subject": subject, "values": as_values(limits), "from_version": before.version}
    proposal = propose(
        actor=actor,
        kind=LIMITS,
        subject=f"limits:{about}",
        title=f"Wider limits for {about}",
        digest=digest_json(terms),
        evidence={
            "facts": {"limits of": about, "version now": before.version, "wider": looser},
            "changes": {"settings": changes_of(as_values(before.limits), as_values(limits))},
        },
        rationale=reason,
        terms=terms,
        now=now,
    )
    return Change(before, proposal.pk)


def set_agreed(*, actor: Actor, terms: Mapping[str, Any], reason: str, now: datetime) -> None:
    """Set the limits that people agreed to. Raises ``Conflict`` when others came between."""
    before = selectors.get_limits(team_id=actor.team, subject=terms["subject"])
    if before.version != terms["from_version"]:
        message = f"The limits are at version {before.version} by now; propose the change anew."
        raise Conflict(message, code="limits.changed")
    set_limits(
        actor=actor, values=terms["values"], reason=reason, now=now, subject=terms["subject"]
    )


def _base(name: str) -> Limits | None:
    if name and name not in NAMED:
        message = f"There is no set {name!r}; there are {', '.join(NAMED)}."
        raise Invalid(message, code="limits.base", details={"field": "base"})
    return NAMED[name] if name else None


def set_limits(
    *,
    actor: Actor,
    values: Mapping[str, Any],
    reason: str,
    now: datetime,
    subject: str = "",
    base: str = "",
) -> LimitsView:
    """Store a new version of the limits of ``subject`` (empty: the team).

    Parameters
    ----------
    values
        Limits that change; null switches one off.
    base
        ``default`` or ``wide`` to start from; otherwise from the limits in force.

    Raises
    ------
    Denied, Invalid
    """
    actor.require("limits.write")
    selectors.check_subject(subject)
    if len(reason.strip()) < MIN_REASON:
        message = "Say in a few words why the limits change; the trail keeps it."
        raise Invalid(message, code="limits.reason", details={"field": "reason"})
    start = _base(base)
    with transaction.atomic():
        before = selectors.get_limits(team_id=actor.team, subject=subject)
        limits = limits_from(values, base=start or before.limits)
        _refuse_loosening(actor, before.limits, limits)
        newest = selectors.list_limit_versions(team_id=actor.team, subject=subject).first()
        row = LimitSet.objects.create(
            team_id=actor.team,
            subject=subject,
            version=newest.version + 1 if newest else 1,
            values=as_values(limits),
            reason=reason.strip()[:500],
            created_by=actor.name,
            created_by_label=actor.label[:160],
            created_at=now,
        )
        body = {"version": row.version, "values": row.values, "reason": row.reason}
        about = f"limits:{subject or f'team:{actor.team}'}"
        audit.record(actor=actor, action="limits.set", subject=about, body=body, now=now)
    return selectors.get_limits(team_id=actor.team, subject=subject)


def _refuse_loosening(actor: Actor, before: Limits, after: Limits) -> None:
    """Only what people agreed to may allow more: there is no way round the decision."""
    looser = loosened(before, after)
    if looser and actor.role != SYSTEM:
        message = f"Wider than before: {', '.join(looser)}. Propose that; another person decides."
        raise Denied(message, code="limits.by_proposal", details={"limits": looser})
