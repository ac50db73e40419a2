"""What ops writes: samples of health, alerts raised, ended and acknowledged."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, NotFound
from apps.ops import selectors
from apps.ops.kernel.alert_rules import End, Raise, decide_alerts
from apps.ops.kernel.health import State, worst
from apps.ops.models import Alert, HealthSample

HEALTH = "health"
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
    health = Alert.objects.filter(team=None, kind=HEALTH, ended_at__isnull=True)
    open_keys = frozenset(health.values_list("key", flat=True))
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
        last_at=now,
    )
    body = {"severity": alert.severity, "title": alert.title}
    audit.record(actor=actor, action="alert.raised", subject=intent.key, body=body, now=now)
    _tell(alert, "raised")


def _end(intent: End, actor: Actor, now: datetime) -> None:
    _end_all(_open(None, intent.key), actor, now)


def _end_all(rows: QuerySet[Alert], actor: Actor, now: datetime) -> int:
    ended = list(rows.select_for_update())
    for alert in ended:
        alert.ended_at = now
        alert.save(update_fields=["ended_at"])
        audit.record(actor=actor, action="alert.ended", subject=alert.key, body={}, now=now)
        _tell(alert, "ended")
    return len(ended)


def _tell(alert: Alert, what: str) -> None:
    data = {
        "id": alert.pk,
        "kind": alert.kind,
        "subject": alert.subject,
        "severity": alert.severity,
        "title": alert.title,
        "count": alert.count,
    }
    events.emit(team_id=alert.team_id, topic="alerts", kind=f"ops.alert.{what}", data=data)


@transaction.atomic
def raise_alert(
    *,
    team_id: int | None,
    kind: str,
    subject: str,
    severity: str,
    title: str,
    advice: str,
    now: datetime,
) -> Alert:
    """Store that something needs a person; the same trouble going on counts once more."""
    told = {"severity": severity, "title": title[:250], "advice": advice[:400], "last_at": now}
    made = {"team_id": team_id, "kind": kind, "subject": subject[:120], "raised_at": now, **told}
    key = f"{kind}:{subject}"[:170]
    rows = _open(team_id, key).select_for_update(of=("self",))
    alert, is_new = rows.get_or_create(key=key, defaults=made)
    if not is_new:
        alert.severity, alert.title, alert.advice = severity, title[:250], advice[:400]
        alert.last_at, alert.count = now, alert.count + 1
        alert.acknowledged_at, alert.acknowledged_by = None, ""
        alert.save()
    body = {"severity": severity, "title": alert.title, "count": alert.count}
    actor = system("alerts", team_id)
    audit.record(actor=actor, action="alert.raised", subject=key, body=body, now=now)
    _tell(alert, "raised")
    return alert


@transaction.atomic
def end_alert(*, team_id: int | None, kind: str, subject: str, now: datetime) -> int:
    """End the open alert about a trouble that is over; return how many there were."""
    rows = _open(team_id, f"{kind}:{subject}"[:170])
    return _end_all(rows, system("alerts", team_id), now)


def _open(team_id: int | None, key: str) -> QuerySet[Alert]:
    whose = Q(team=None) if team_id is None else Q(team_id=team_id)
    return Alert.objects.filter(whose, key=key, ended_at=None)


@transaction.atomic
def acknowledge_alert(*, actor: Actor, alert_id: int, now: datetime) -> Alert:
    """Say that a person has seen the alert.

    What concerns the whole lab is for those who run it, a team's data for those who write it.

    Raises
    ------
    NotFound
        ``alert.not_found``.
    Denied
        Without ``ops.manage``; ``data.write`` is enough for an alert of one's team.
    Conflict
        ``alert.acknowledged``.
    """
    actor.require("team.read")
    rows = Alert.objects.select_for_update(of=("self",))
    alert = rows.filter(Q(team=None) | Q(team_id=actor.team), pk=alert_id).first()
    if alert is None:
        raise NotFound(f"There is no alert {alert_id}.", code="alert.not_found")
    if alert.team_id is None or not actor.may("data.write"):
        actor.require("ops.manage")
    if alert.acknowledged_at:
        message = f"The alert was acknowledged by {alert.acknowledged_by} already."
        raise Conflict(message, code="alert.acknowledged")
    alert.acknowledged_at, alert.acknowledged_by = now, actor.label or actor.name
    alert.save(update_fields=["acknowledged_at", "acknowledged_by"])
    body = {"title": alert.title}
    audit.record(actor=actor, action="alert.acknowledged", subject=alert.key, body=body, now=now)
    _tell(alert, "acknowledged")
    return alert
