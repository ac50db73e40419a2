"""HALT and RESUME. A halt takes the fence alone: once it has committed, no intent can appear."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts import selectors as accounts
from apps.approvals import services as approvals
from apps.audit import selectors as ledger
from apps.audit import services as audit
from apps.core import events
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.kernel.hashing import digest_json
from apps.core.plugs import load_plug
from apps.trading import selectors, store
from apps.trading.brokers.base import Broker
from apps.trading.kernel.scopes import ALL, Scope, covering, parse_scope
from apps.trading.models import Deployment, Halt, Order
from apps.trading.selectors.halts import team_of_scope
from apps.trading.services.changes import close_order
from apps.trading.services.deployments import tell_changed

BROKERS = "BROKERS"
RESUME = "resume"
MIN_REASON = 3
SYSTEM = "system"
COVERS = {"deployment": "deployment_id", "account": "account_id", "team": "team_id"}


def halt(*, actor: Actor, scope: str, reason: str, now: datetime) -> Halt:
    """Stop trading of a scope: no new intents, open orders cancelled, the rest read back.

    Parameters
    ----------
    scope
        ``deployment:<id>``, ``account:<id>``, ``team`` (the actor's) or, for the lab itself,
        ``team:<id>`` and ``all``.

    Raises
    ------
    Denied, Invalid, NotFound
    """
    actor.require("trading.halt")
    found, words = _check(actor, scope, reason, "halt.reason")
    with transaction.atomic():
        store.close_fence()
        _set_halted(actor, found, words, now)
        _mark_deployments(found, now)
    return _finish(actor, found, now)


def _finish(actor: Actor, scope: Scope, now: datetime) -> Halt:
    """Cancel what is open in a halted scope and read it back; may be repeated."""
    cancelled = _cancel_open(scope, now)
    with transaction.atomic():
        row = Halt.objects.select_for_update().get(scope=str(scope))
        row.cancelled_orders += cancelled
        row.open_after = _open_orders(scope).count()
        row.save(update_fields=["cancelled_orders", "open_after"])
        body = {"scope": row.scope, "cancelled": cancelled, "still_open": row.open_after}
        _record(actor, row, "halt.read_back", body, now)
    return row


def finish_halts(*, now: datetime) -> int:
    """Finish halts whose process died between the fence and the read-back; return how many.

    Nothing is done, and nothing filed, for a halt that left no more open than it read back.
    """
    _halt_for_lost_events(now)
    finished = 0
    for row in Halt.objects.filter(is_halted=True).order_by("id"):
        scope = parse_scope(row.scope)
        if row.open_after is None or _open_orders(scope).count() > row.open_after:
            _finish(system("halts", row.team_id), scope, now)
            finished += 1
    return finished


def _halt_for_lost_events(now: datetime) -> None:
    """Halt everything when the ledger lacks what was signed: an older backup runs here."""
    lost = ledger.find_rollback()
    if lost is not None and ALL not in selectors.list_halted_scopes():
        halt(actor=system("ledger"), scope=ALL, reason=lost.says, now=now)


def _check(actor: Actor, scope: str, reason: str, code: str) -> tuple[Scope, str]:
    """Return the parsed scope and the reason; a foreign scope is not found."""
    words = reason.strip()
    if len(words) < MIN_REASON:
        message = f"The reason has {len(words)} characters; say in a few words why."
        raise Invalid(message, code=code, details={"field": "reason"})
    found = parse_scope(scope, actor.team_id)
    if actor.role == SYSTEM and actor.team_id is None:
        team_of_scope(found.kind, found.number)
        return found, words[:500]
    if found.kind == ALL:
        message = "Only the lab's own command can halt every team: manage.py halt all."
        raise Denied(message, code="halt.all")
    if team_of_scope(found.kind, found.number) != actor.team:
        message = f"There is no {found.kind} {found.number} in this team."
        raise NotFound(message, code=f"{found.kind}.not_found")
    return found, words[:500]


def _set_halted(actor: Actor, scope: Scope, reason: str, now: datetime) -> None:
    row, _ = Halt.objects.get_or_create(
        scope=str(scope),
        defaults={
            "team_id": team_of_scope(scope.kind, scope.number),
            "is_halted": True,
            "reason": reason,
            "halted_by": actor.name,
            "halted_at": now,
        },
    )
    row.is_halted, row.fence, row.reason = True, row.fence + 1, reason
    row.halted_by, row.halted_by_label, row.halted_at = actor.name, actor.label[:160], now
    row.cancelled_orders, row.open_after = 0, None
    row.resume_reason, row.resumed_by, row.resumed_at = "", "", None
    row.save()
    _record(actor, row, "halt.set", {"reason": reason, "fence": row.fence}, now)


def _record(actor: Actor, row: Halt, action: str, body: dict[str, Any], now: datetime) -> None:
    # The command line acts above teams; the event belongs to the team that is halted.
    mine = replace(actor, team_id=row.team_id) if actor.team_id is None else actor
    audit.record(actor=mine, action=action, subject=f"halt:{row.scope}", body=body, now=now)
    data = {"scope": row.scope, "is_halted": row.is_halted, "reason": row.reason}
    kind = "trading.halt.changed"
    for team_id in accounts.list_team_ids() if row.team_id is None else [row.team_id]:
        events.emit(team_id=team_id, topic="alerts", kind=kind, data=data)


def _covered(rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
    if scope.kind == ALL:
        return rows
    own = rows.model is Deployment and scope.kind == "deployment"
    field = "id" if own else COVERS[scope.kind]
    return rows.filter(**{field: scope.number})


def _mark_deployments(scope: Scope, now: datetime) -> None:
    rows = _covered(Deployment.objects.all(), scope).filter(status=Deployment.Status.RUNNING)
    for row in rows.select_for_update():
        row.status = Deployment.Status.HALTED
        row.note = f"{scope} halted at {now:%Y-%m-%d %H:%M:%S} UTC"
        row.save(update_fields=["status", "note"])
        tell_changed(row)


def _open_orders(scope: Scope) -> QuerySet[Order]:
    rows: QuerySet[Order] = _covered(Order.objects.filter(finished_at=None), scope)
    return rows


def _cancel_open(scope: Scope, now: datetime) -> int:
    """Ask the brokers to take back what is open; what is on the wire can't be unsent."""
    cancelled = 0
    for order in _open_orders(scope).select_related("account").order_by("created_at"):
        broker: Broker = load_plug(BROKERS, order.account.broker)
        answer = broker.cancel(order.client_id)
        if answer.accepted:
            cancelled += _note_cancelled(order, scope, now)
    return cancelled


def _note_cancelled(order: Order, scope: Scope, now: datetime) -> int:
    with transaction.atomic():
        row = Order.objects.select_for_update().get(pk=order.pk)
        if row.finished_at is not None:
            return 0
        close_order(row, "cancel", now, [("limit.halted", f"{scope} was halted.")])
        actor, subject = system("halts", row.team_id), f"order:{row.pk}"
        body = {"scope": str(scope)}
        audit.record(actor=actor, action="order.cancelled", subject=subject, body=body, now=now)
    return 1


def propose_resume(*, actor: Actor, scope: str, reason: str, now: datetime) -> Any:
    """Propose that a halted scope trades again; a risk manager who is somebody else decides.

    Raises
    ------
    Denied, Invalid, NotFound
    Conflict
        ``halt.not_halted``, or when that is proposed already.
    """
    actor.require("trading.resume")
    found, words = _check(actor, scope, reason, "resume.reason")
    row = _halted(found, Halt.objects.filter(scope=str(found)).first())
    terms = {"scope": str(found), "fence": row.fence}
    return approvals.propose(
        actor=actor,
        kind=RESUME,
        subject=f"halt:{found}",
        title=f"Resume {found}",
        digest=digest_json(terms),
        evidence={
            "facts": {
                "halted by": row.halted_by_label or row.halted_by,
                "halted at": f"{row.halted_at:%Y-%m-%d %H:%M:%S} UTC",
                "reason of the halt": row.reason,
                "orders cancelled": row.cancelled_orders,
                "orders open when read back": row.open_after,
            }
        },
        rationale=words,
        terms=terms,
        now=now,
    )


def resume(
    *, actor: Actor, scope: str, reason: str, now: datetime, fence: int | None = None
) -> Halt:
    """Let a halted scope trade again from the next bar on; strategies take up their last targets.

    A person proposes that (``propose_resume``); this carries it out, or serves the command line of
    who runs the lab. With ``fence`` it is refused when the scope was halted again since.

    Raises
    ------
    Denied, Invalid, NotFound
    Conflict
        ``halt.not_halted``, ``halt.changed``, or ``halt.not_read_back`` while orders may be open.
    """
    actor.require("trading.resume")
    if actor.role != SYSTEM:
        message = "Nobody resumes alone: propose it, and a risk manager decides."
        raise Denied(message, code="resume.two_people")
    found, words = _check(actor, scope, reason, "resume.reason")
    with transaction.atomic():
        store.close_fence()
        _refuse_while_events_are_lost(found)
        row = _halted(found, Halt.objects.select_for_update().filter(scope=str(found)).first())
        _check_agreed(row, fence)
        row.is_halted = False
        row.resume_reason, row.resumed_by, row.resumed_at = words, actor.name, now
        row.save(update_fields=["is_halted", "resume_reason", "resumed_by", "resumed_at"])
        _free_deployments(found)
        _record(actor, row, "halt.resumed", {"reason": words, "fence": row.fence}, now)
    return row


def _refuse_while_events_are_lost(scope: Scope) -> None:
    lost = ledger.find_rollback()
    if lost is not None and scope.kind == ALL:
        message = f"{lost.says} Reconcile first: manage.py reconcile_ledger, or the Audit page."
        raise Conflict(message, code="halt.ledger_rolled_back")


def _halted(scope: Scope, row: Halt | None) -> Halt:
    if row is None or not row.is_halted:
        message = f"{scope} is not halted; there is nothing to resume."
        raise Conflict(message, code="halt.not_halted")
    return row


def _check_agreed(row: Halt, fence: int | None) -> None:
    """Refuse what people agreed to when another halt came since, or orders may be open."""
    if fence is None:
        return
    if row.fence != fence:
        message = f"{row.scope} was halted again since that was proposed; look at it anew."
        raise Conflict(message, code="halt.changed")
    if row.open_after != 0:
        message = f"{row.scope} was not read back as without open orders yet; wait for that."
        raise Conflict(message, code="halt.not_read_back")


def _free_deployments(scope: Scope) -> None:
    rows = _covered(Deployment.objects.all(), scope).filter(status=Deployment.Status.HALTED)
    for row in rows.select_for_update():
        scopes = covering(team_id=row.team_id, account_id=row.account_id, deployment_id=row.pk)
        if selectors.halted_among(scopes):
            continue
        row.status, row.note = Deployment.Status.RUNNING, ""
        # Its open orders were cancelled; at the next bar it asks for its last targets again.
        row.state = {**row.state, "restate": "targets" in row.state}
        row.save(update_fields=["status", "note", "state"])
        tell_changed(row)
