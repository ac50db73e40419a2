"""Where messages about signals go, and which signals are told there."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core import notices, secrets
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied, Invalid, Unavailable
from apps.core.hooks import trouble_found, trouble_over
from apps.market.selectors import get_universe
from apps.strategies.models import AlertRule, AlertTarget
from apps.strategies.selectors import alerts as told
from apps.strategies.selectors import signal_name

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
UNDELIVERED = "alerts.undelivered"
MOST_SCORE = 100.0
MOST_AGREE = 1000
MOST_STRATEGIES = 100


def save_alert_target(*, actor: Actor, name: str, address: str, now: datetime) -> AlertTarget:
    """Store where messages go, in place of what had the name; the address is never read back.

    Raises
    ------
    Invalid
        ``alert.name``; ``notice.address``, ``notice.private`` for an address that can't be.
    """
    actor.require("keys.manage")
    _check_name(name)
    address = address.strip()
    service = notices.check_address(address)
    with transaction.atomic():
        row, made = AlertTarget.objects.update_or_create(
            team_id=actor.team,
            name=name,
            defaults={
                "scheme": service.scheme,
                "sealed": secrets.seal(address),
                "status": AlertTarget.Status.UNTESTED,
                "note": "",
                "checked_at": None,
                "created_by": actor.name,
                "created_by_label": actor.label,
                "created_at": now,
            },
        )
        _note_target(actor, "created" if made else "replaced", row, now)
    return row


def try_alert_target(*, actor: Actor, name: str, now: datetime) -> AlertTarget:
    """Send a message that says it is a test, and note what came of it. Raises ``NotFound``."""
    actor.require("keys.manage")
    row = told.get_alert_target(team_id=actor.team, name=name)
    status, note = AlertTarget.Status.WORKS, "A test message was taken."
    try:
        notices.send(
            address=secrets.unseal(row.sealed),
            title="Test from the lab",
            body=f"Messages about signals reach {name}. Sent for {actor.label or actor.name}.",
        )
    except Unavailable as error:
        status, note = AlertTarget.Status.UNREACHABLE, error.message
    except (Denied, Invalid) as error:
        status, note = AlertTarget.Status.REFUSED, error.message
    return note_delivery(actor=actor, target_id=row.pk, status=status, note=note, now=now)


def note_delivery(
    *, actor: Actor, target_id: int, status: str, note: str, now: datetime
) -> AlertTarget:
    """Note what a message to a target came to; trouble is told to whoever keeps alerts."""
    with transaction.atomic():
        row = AlertTarget.objects.select_for_update(of=("self",)).get(pk=target_id)
        row.status, row.note, row.checked_at = status, note[:400], now
        row.save(update_fields=["status", "note", "checked_at"])
        _note_target(actor, "checked", row, now)
        trouble: dict[str, Any] = {
            "team_id": row.team_id,
            "kind": UNDELIVERED,
            "subject": f"alert_target:{row.pk}",
            "now": now,
        }
        if status == AlertTarget.Status.WORKS:
            trouble_over.send(None, **trouble)
        else:
            trouble_found.send(
                None,
                severity="warning",
                title=f"Messages about signals do not reach {row.name}"[:250],
                advice=f"{note} Test the target on the scanner's page Alerts."[:400],
                **trouble,
            )
    return row


def delete_alert_target(*, actor: Actor, name: str, now: datetime) -> None:
    """Forget a target. Raises ``Conflict`` while a rule sends to it."""
    actor.require("keys.manage")
    row = told.get_alert_target(team_id=actor.team, name=name)
    with transaction.atomic():
        rules = sorted(row.rules.values_list("name", flat=True))
        if rules:
            message = f"Rules send to {name}: {', '.join(rules)}; delete or change them first."
            raise Conflict(message, code="alert.target_used")
        _note_target(actor, "deleted", row, now)
        trouble_over.send(
            None,
            team_id=row.team_id,
            kind=UNDELIVERED,
            subject=f"alert_target:{row.pk}",
            now=now,
        )
        row.delete()


def save_alert_rule(
    *,
    actor: Actor,
    name: str,
    target: str,
    now: datetime,
    strategies: list[str] | None = None,
    universe: str = "",
    min_score: float | None = None,
    min_agree: int = 1,
    is_on: bool = True,
) -> AlertRule:
    """Store which signals are told to a target, in place of the rule that had the name.

    Raises ``NotFound`` for an unknown target, strategy or universe, ``Invalid`` for a number out
    of its range.
    """
    actor.require("research.write")
    _check_name(name)
    _check_range("min_score", min_score, 0.0, MOST_SCORE)
    _check_range("min_agree", min_agree, 1, MOST_AGREE)
    names = [signal_name(one, actor.team) for one in strategies or []]
    if universe:
        get_universe(team_id=actor.team, name=universe)
    values = {
        "strategies": sorted(set(names)),
        "universe": universe,
        "min_score": min_score,
        "min_agree": min_agree,
        "is_on": is_on,
    }
    with transaction.atomic():
        row, made = AlertRule.objects.update_or_create(
            team_id=actor.team,
            name=name,
            defaults={
                **values,
                "target": told.get_alert_target(team_id=actor.team, name=target),
                "created_by": actor.name,
                "created_by_label": actor.label,
                "created_at": now,
            },
        )
        body = {**values, "name": name, "target": target}
        action = f"alert_rule.{'created' if made else 'changed'}"
        record(actor=actor, action=action, subject=f"alert_rule:{row.pk}", body=body, now=now)
    return row


def delete_alert_rule(*, actor: Actor, name: str, now: datetime) -> None:
    """Remove a rule; what it told stays in the list of messages. Raises ``NotFound``."""
    actor.require("research.write")
    row = told.get_alert_rule(team_id=actor.team, name=name)
    with transaction.atomic():
        subject, body = f"alert_rule:{row.pk}", {"name": name}
        record(actor=actor, action="alert_rule.deleted", subject=subject, body=body, now=now)
        row.delete()


@transaction.atomic
def reseal_alert_targets(*, actor: Actor, now: datetime) -> int:
    """Seal every team's targets under the newest SEAL_KEY; return how many there were."""
    actor.require("ops.manage")
    rows = list(AlertTarget.objects.select_for_update().order_by("pk"))
    for row in rows:
        row.sealed = secrets.reseal(row.sealed)
    AlertTarget.objects.bulk_update(rows, ["sealed"], batch_size=500)
    body = {"alert_targets": len(rows)}
    record(actor=actor, action="keys.resealed", subject="lab", body=body, now=now)
    return len(rows)


def sender(team_id: int) -> Actor:
    """Return the lab itself where it sends messages."""
    return system("alerts", team_id)


def _note_target(actor: Actor, what: str, row: AlertTarget, now: datetime) -> None:
    body = {"name": row.name, "service": row.scheme, "status": str(row.status)}
    subject = f"alert_target:{row.pk}"
    record(actor=actor, action=f"alert_target.{what}", subject=subject, body=body, now=now)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name here: use 1-63 of a-z, 0-9 and hyphens."
        raise Invalid(message, code="alert.name", details={"field": "name"})


def _check_range(field: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        message = f"{field} = {value}; it is {low:g} to {high:g}."
        raise Invalid(message, code="alert.out_of_range", details={"field": field})
