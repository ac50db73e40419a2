"""Settings changed at run time: every change is a new version, judged, audited, reversible."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from apps.approvals import selectors
from apps.approvals.kernel import policy
from apps.approvals.kernel.changes import changes_of
from apps.approvals.models import Proposal, Setting
from apps.approvals.services.confirmations import check_confirmation, confirmation_of
from apps.approvals.services.proposals import propose
from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.kernel.hashing import digest_json

GATES = "approvals.gates"
CONFIGURATION = "configuration"
SYSTEM = "system"


def set_setting(
    *,
    actor: Actor,
    key: str,
    value: Any,
    now: datetime,
    note: str = "",
    expected_version: int | None = None,
) -> selectors.SettingView:
    """Store a new value; it holds from the commit on, in running workers too.

    Raises
    ------
    Invalid
        For an unknown key or a value that can't be.
    Conflict
        When somebody else has changed it since ``expected_version``.
    Denied
        For a policy: that is proposed (``propose_setting``).
    """
    actor.require("settings.write")
    check_value(key, value)
    _refuse_policy(actor, key)
    return _store(actor, key, value, note, expected_version, None, now)


def attempt_setting(
    *, actor: Actor, key: str, change: Mapping[str, Any], given: str, now: datetime
) -> str:
    """Store what the same person was shown and has confirmed within a minute.

    Without a confirmation nothing is stored: what is returned confirms exactly this change.
    Raises as ``set_setting``, and ``Conflict`` for one that is late or of something else.
    """
    actor.require("settings.write")
    if not given:
        check_value(key, change["value"])
        return confirmation_of(who=actor, act=key, content=change, now=now)
    check_confirmation(who=actor, act=key, content=change, given=given, now=now)
    set_setting(actor=actor, key=key, now=now, **change)
    return ""


def roll_back_setting(
    *, actor: Actor, key: str, version: int, now: datetime, note: str = ""
) -> selectors.SettingView:
    """Store the value of an earlier version anew; version 0 is the default.

    Raises ``NotFound`` for a version that never was, ``Invalid`` for a value no longer allowed.
    """
    actor.require("settings.write")
    spec = selectors.get_spec(key)
    row = selectors.list_setting_versions(actor.team, key).filter(version=version).first()
    if row is None and version != 0:
        message = f"{key} has no version {version}; see its history."
        raise NotFound(message, code="setting.no_version")
    value = row.value if row else deepcopy(spec.default)
    check_value(key, value)
    _refuse_policy(actor, key)
    return _store(actor, key, value, note, None, version, now)


def propose_setting(
    *, actor: Actor, key: str, value: Any, rationale: str, now: datetime
) -> Proposal:
    """Propose a setting's new value; it holds once others have approved it.

    Raises ``Invalid`` for an unknown key or a value that can't be, ``Conflict`` when the same is
    proposed already.
    """
    actor.require("proposals.create")
    check_value(key, value)
    before = selectors.get_setting_view(actor.team, key)
    terms = {"key": key, "value": value, "from_version": before.version, "from": before.value}
    return propose(
        actor=actor,
        kind=CONFIGURATION,
        subject=f"setting:{key}",
        title=f"{before.label}: another value",
        digest=digest_json(terms),
        evidence={
            "facts": {"setting": key, "version now": before.version},
            "changes": {"settings": changes_of(before.value, value)},
        },
        rationale=rationale,
        terms=terms,
        now=now,
    )


def store_agreed(*, actor: Actor, terms: Mapping[str, Any], note: str, now: datetime) -> None:
    """Store the value that people agreed to. Raises ``Conflict`` when another came between."""
    check_value(terms["key"], terms["value"])
    _store(actor, terms["key"], terms["value"], note, terms["from_version"], None, now)


def _refuse_policy(actor: Actor, key: str) -> None:
    if selectors.get_spec(key).by_proposal and actor.role != SYSTEM:
        message = (
            f"{key} is a policy: nobody changes it alone. Propose the new value; a validator and "
            "a risk manager decide."
        )
        raise Denied(message, code="setting.by_proposal", details={"key": key})


def check_value(key: str, value: Any) -> None:
    """Raise ``Invalid`` for an unknown key or a value that the setting can't have."""
    try:
        selectors.get_spec(key).check(value)
        if key == GATES:
            policy.check_gates(policy.read_gates(value), selectors.known_figures())
    except ValueError as error:
        message = f"{key}: {error}."
        raise Invalid(message, code="setting.value", details={"field": "value"}) from error


def _store(
    actor: Actor,
    key: str,
    value: Any,
    note: str,
    expected_version: int | None,
    rolled_back_to: int | None,
    now: datetime,
) -> selectors.SettingView:
    before = selectors.get_setting_view(actor.team, key)
    if expected_version is not None and before.version != expected_version:
        message = f"{key} is at version {before.version}, not {expected_version}; look again."
        raise Conflict(message, code="setting.changed")
    try:
        with transaction.atomic():
            Setting.objects.create(
                team_id=actor.team,
                key=key,
                version=before.version + 1,
                value=value,
                note=note[:200],
                rolled_back_to=rolled_back_to,
                created_by=actor.name,
                created_at=now,
            )
            body = {
                "version": before.version + 1,
                "from": before.value,
                "to": value,
                "note": note[:200],
                "rolled_back_to": rolled_back_to,
            }
            subject = f"setting:{key}"
            audit.record(
                actor=actor, action="setting.changed", subject=subject, body=body, now=now
            )
            _announce(actor.team, key, before.version + 1)
    except IntegrityError as error:
        message = f"Somebody else changed {key} at this moment; look again."
        raise Conflict(message, code="setting.changed") from error
    return selectors.get_setting_view(actor.team, key)


def _announce(team_id: int, key: str, version: int) -> None:
    events.emit(
        team_id=team_id,
        topic="approvals",
        kind="approvals.setting.changed",
        data={"key": key, "version": version},
    )
