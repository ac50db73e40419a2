"""Emergency stops: looked at with every mark, resumed by two people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from apps.approvals import services as approvals
from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.kernel.hashing import digest_json
from apps.risk import selectors
from apps.risk.kernel import stops
from apps.risk.kernel.limits import Refusal
from apps.risk.models import Stop
from apps.risk.services.breaches import note_breaches

RESUME, SYSTEM = "resume", "system"
MIN_REASON = 3
TOLD = "risk.stop.changed"
# What the row keeps for the next look.
COOL_DOWN, MARKS = "cool_down_seconds", "accounts"


def watch(
    *,
    actor: Actor,
    scope: str,
    policy: stops.Policy,
    equity: float,
    day: date,
    now: datetime,
    parts: Mapping[str, float] | None = None,
) -> str:
    """Look at the equity of a scope; return the stop's state, and record when it changed.

    A scope without thresholds gets no stop; one that has a stop keeps it, active or not.

    Parameters
    ----------
    day
        The day of the marks, on the clock of whoever marks.
    parts
        Of a team: the equities of its accounts. What an account that is new brings in is no gain,
        what one that is gone took along no loss.
    """
    with transaction.atomic():
        row = Stop.objects.select_for_update().filter(scope=scope).first()
        if row is None:
            if not policy.is_on:
                return stops.OK
            _begin(actor, scope, equity, day, now)
            row = Stop.objects.select_for_update().get(scope=scope)
        before = selectors.watch_of(row)
        flow = _flow(row.marks.get(MARKS), parts)
        after, event = stops.look(before, policy, equity=equity, day=day, now=now, flow=flow)
        row.drawdown_limit, row.daily_loss_limit = policy.drawdown, policy.daily_loss
        kept = {COOL_DOWN: policy.cool_down.total_seconds()}
        row.marks = kept if parts is None else {**kept, MARKS: dict(parts)}
        if event == stops.TRIPPED:
            row.trips, row.tripped_at = row.trips + 1, now
        if event:
            _save(row, after, now)
            _tell(actor, row, event, now)
        else:
            _mark(row, after, now)
    return after.state


def _flow(before: Mapping[str, float] | None, parts: Mapping[str, float] | None) -> float:
    """Return what came in since the last look; read under the lock, so that it counts once."""
    if before is None or parts is None:
        return 0.0
    came = sum(equity for name, equity in parts.items() if name not in before)
    return came - sum(equity for name, equity in before.items() if name not in parts)


def _begin(actor: Actor, scope: str, equity: float, day: date, now: datetime) -> None:
    """Make the stop of a scope seen for the first time; two who see it at once make one."""
    first = _figures(stops.begin(equity, day))
    given = {"team_id": actor.team, "updated_at": now, **first}
    Stop.objects.get_or_create(scope=scope, defaults=given)


def _figures(seen: stops.Watch) -> dict[str, Any]:
    return {
        "state": seen.state,
        "equity": seen.equity,
        "peak": seen.peak,
        "day_start": seen.day_start,
        "day": seen.day,
        "cause": seen.cause[:300],
        "cool_until": seen.cool_until,
    }


def _mark(row: Stop, seen: stops.Watch, now: datetime) -> None:
    """Keep figures that follow from what is recorded elsewhere: no event of their own."""
    _set(row, seen, now)
    row.save()


def _save(row: Stop, seen: stops.Watch, now: datetime) -> None:
    _set(row, seen, now)
    row.save()


def _set(row: Stop, seen: stops.Watch, now: datetime) -> None:
    for name, value in _figures(seen).items():
        setattr(row, name, value)
    row.updated_at = now


def _tell(actor: Actor, row: Stop, event: str, now: datetime, **more: Any) -> None:
    """Record what happened; a trip is a breach as well."""
    seen = selectors.watch_of(row)
    body = {
        "state": str(row.state),
        "cause": row.cause,
        "equity": row.equity,
        "drawdown": round(seen.drawdown, 8),
        "daily_loss": round(seen.daily_loss, 8),
        "trips": row.trips,
        **more,
    }
    subject = f"stop:{row.scope}"
    audit.record(actor=actor, action=f"stop.{event}", subject=subject, body=body, now=now)
    data = {"scope": row.scope, "state": str(row.state), "event": event, "cause": row.cause}
    events.emit(team_id=row.team_id, topic="alerts", kind=TOLD, data=data)
    if event == stops.TRIPPED:
        words = f"The emergency stop of {row.scope} tripped: {row.cause}."
        breach = Refusal("limit.emergency_stop", words)
        note_breaches(team_id=row.team_id, subject=row.scope, refusals=[breach], now=now)


def end_cool_downs(*, now: datetime) -> int:
    """End the cool-downs that are over, also of scopes nobody marks just now; return how many."""
    due = Stop.objects.filter(state=stops.COOLDOWN, cool_until__lte=now)
    ended = 0
    for scope in due.order_by("scope").values_list("scope", flat=True):
        with transaction.atomic():
            row = Stop.objects.select_for_update().get(scope=scope)
            if row.state != stops.COOLDOWN or row.cool_until is None or row.cool_until > now:
                continue
            calm = replace(selectors.watch_of(row), state=stops.OK, cause="", cool_until=None)
            _save(row, calm, now)
            _tell(system("emergency-stop", row.team_id), row, stops.ENDED, now)
            ended += 1
    return ended


def propose_stop_resume(*, actor: Actor, scope: str, reason: str, now: datetime) -> Any:
    """Propose that a scope whose stop is active trades again; another risk manager decides.

    Raises
    ------
    Denied, Invalid, NotFound
    Conflict
        ``stop.not_active``, or when that is proposed already.
    """
    actor.require("trading.resume")
    words = _reason(reason)
    row = selectors.get_stop(team_id=actor.team, scope=scope)
    _check_active(row)
    terms = {"stop": row.scope, "trips": row.trips}
    seen = selectors.watch_of(row)
    return approvals.propose(
        actor=actor,
        kind=RESUME,
        subject=f"stop:{row.scope}",
        title=f"End the emergency stop of {row.scope}",
        digest=digest_json(terms),
        evidence={
            "facts": {
                "what tripped it": row.cause,
                "tripped at": f"{row.tripped_at:%Y-%m-%d %H:%M:%S} UTC",
                "times tripped": row.trips,
                "equity now": round(row.equity, 2),
                "below its peak now": round(seen.drawdown, 6),
            }
        },
        rationale=words,
        terms=terms,
        now=now,
    )


def resume_stop(
    *, actor: Actor, scope: str, reason: str, now: datetime, trips: int | None = None
) -> Stop:
    """End an active stop, as people agreed to; its cool-down begins, losses count anew.

    Raises
    ------
    Denied, NotFound
    Conflict
        ``stop.not_active``, or ``stop.changed`` when it tripped again since that was proposed.
    """
    actor.require("trading.resume")
    if actor.role != SYSTEM:
        message = "Nobody ends an emergency stop alone: propose it, and a risk manager decides."
        raise Denied(message, code="resume.two_people")
    words = _reason(reason)
    with transaction.atomic():
        selectors.get_stop(team_id=actor.team, scope=scope)
        row = Stop.objects.select_for_update().get(scope=scope)
        _check_active(row)
        if trips is not None and trips != row.trips:
            message = f"The stop of {scope} tripped again since that was proposed; look anew."
            raise Conflict(message, code="stop.changed")
        policy = stops.Policy(cool_down=timedelta(seconds=row.marks.get(COOL_DOWN, 0.0)))
        _save(row, stops.resume(selectors.watch_of(row), policy, now), now)
        _tell(actor, row, stops.RESUMED, now, reason=words)
    return row


def _reason(reason: str) -> str:
    words = reason.strip()
    if len(words) < MIN_REASON:
        message = f"The reason has {len(words)} characters; say in a few words why."
        raise Invalid(message, code="resume.reason", details={"field": "reason"})
    return words[:500]


def _check_active(row: Stop) -> None:
    if row.state != stops.ACTIVE:
        message = f"The emergency stop of {row.scope} is not active; there is nothing to resume."
        raise Conflict(message, code="stop.not_active")
