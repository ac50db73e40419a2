"""What ops writes: samples of health, alerts raised, ended and acknowledged."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, NotFound
from apps.ops import selectors
from apps.ops.kernel.alert_rules import End, Raise, decide_alerts
from apps.ops.kernel.health import State, worst
from apps.ops.models import Alert, HealthSample

KEEP_SAMPLES = timedelta(days=7)


@transaction.atomic
def sample_health(*, now: datetime) -> str:
    """Store how every subsystem is, raise and end alerts; return the worst status."""
    before = selectors.latest_statuses()
    states = selectors.get_health(now)
    HealthSample.objects.bulk_create(
        HealthSample(
            at=now,
            name=state.name,
            status=state.status,
            summary=state.summary[:200],
            latency_ms=state.latency_ms,
        )
        for state in states
    )
    HealthSample.objects.filter(at__lt=now - KEEP_SAMPLES).delete()
    _apply_alerts(states, before, now)
    data = selectors.as_dict(states, now)
    events.emit(team_id=None, topic="health", kind="ops.health.sampled", data=data)
    return worst(states)


def _apply_alerts(states: list[State], before: dict[str, str], now: datetime) -> None:
    actor = system("health")
    open_keys = frozenset(
        Alert.objects.filter(ended_at__isnull=True).values_list("key", flat=True)
    )
    for intent in decide_alerts(states, open_keys, before=before):
        if isinstance(intent, Raise):
            _raise(intent, actor, now)
        else:
            _end(intent, actor, now)


def _raise(intent: Raise, actor: Actor, now: datetime) -> None:
    alert = Alert.objects.create(
        key=intent.key,
        severity=intent.severity,
        title=intent.title[:250],
        advice=intent.advice[:400],
        raised_at=now,
    )
    body = {"severity": alert.severity, "title": alert.title}
    audit.record(actor=actor, action="alert.raised", subject=intent.key, body=body, now=now)


def _end(intent: End, actor: Actor, now: datetime) -> None:
    Alert.objects.filter(key=intent.key, ended_at__isnull=True).update(ended_at=now)
    audit.record(actor=actor, action="alert.ended", subject=intent.key, body={}, now=now)


@transaction.atomic
def acknowledge_alert(*, actor: Actor, alert_id: int, now: datetime) -> Alert:
    """Say that a person has seen the alert. Raises ``NotFound`` or ``Conflict``."""
    actor.require("ops.manage")
    alert = Alert.objects.select_for_update().filter(pk=alert_id).first()
    if alert is None:
        raise NotFound(f"There is no alert {alert_id}.", code="alert.not_found")
    if alert.acknowledged_at:
        message = f"The alert was acknowledged by {alert.acknowledged_by} already."
        raise Conflict(message, code="alert.acknowledged")
    alert.acknowledged_at, alert.acknowledged_by = now, actor.label or actor.name
    alert.save(update_fields=["acknowledged_at", "acknowledged_by"])
    body = {"title": alert.title}
    audit.record(actor=actor, action="alert.acknowledged", subject=alert.key, body=body, now=now)
    return alert
