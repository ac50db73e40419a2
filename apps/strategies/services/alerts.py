"""Scans that have ended are told: what is news for a rule becomes a message, sent by a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core import jobs, notices, secrets
from apps.core.actors import system
from apps.core.errors import LabError, Unavailable
from apps.strategies.kernel.alerting import Mark, Wanted, body_of, decide, title_of
from apps.strategies.models import AlertMark, AlertMessage, AlertRule, AlertTarget, Scan
from apps.strategies.selectors import alerts as reads
from apps.strategies.selectors import get_scan, list_consensus
from apps.strategies.services.alert_targets import note_delivery, sender

ATTEMPTS = 5


def finish_scans(*, now: datetime) -> int:
    """End the scans of which no job is open, and queue what rules have to tell; return how many.

    A batch that was killed can't say that it was the last one; so somebody comes by and looks.
    """
    found = reads.list_ended_scans()
    return sum(_finish(scan_id, now) for scan_id in found)


def _finish(scan_id: int, now: datetime) -> int:
    with transaction.atomic():
        rows = Scan.objects.select_for_update(of=("self",), skip_locked=True)
        scan = rows.filter(pk=scan_id, finished_at=None).first()
        if scan is None:
            return 0
        scan.finished_at = now
        scan.save(update_fields=["finished_at"])
        rules = AlertRule.objects.filter(
            team_id=scan.team_id, is_on=True, universe__in=("", scan.universe)
        )
        told = [_tell(rule, scan, now) for rule in rules.select_related("target").order_by("pk")]
        view = get_scan(scan.pk, scan.team_id)
        body = {"status": view.status, "batches": view.batches, "messages": sum(told)}
        actor, subject = system("scanner", scan.team_id), f"scan:{scan.pk}"
        record(actor=actor, action="scan.finished", subject=subject, body=body, now=now)
    return 1


def _tell(rule: AlertRule, scan: Scan, now: datetime) -> int:
    """Store and queue a message when the scan has news for the rule; return how many."""
    agreed = {one.symbol: one for one in list_consensus(team_id=scan.team_id, scan_id=scan.pk)}
    wanted = Wanted(frozenset(rule.strategies), rule.universe, rule.min_score, rule.min_agree)
    marks = reads.read_marks(rule_id=rule.pk, universe=scan.universe)
    found = decide(wanted, reads.read_scan(scan.pk), agreed, marks)
    _keep_marks(rule, scan, found.marks)
    if not found.news:
        return 0
    message = AlertMessage.objects.create(
        team_id=scan.team_id,
        target=rule.target,
        target_name=rule.target.name,
        rule=rule,
        rule_name=rule.name,
        scan=scan,
        title=title_of(scan.universe, found.news)[:200],
        body=body_of(found.news, agreed),
        signals=len(found.news),
        created_at=now,
    )
    jobs.enqueue(
        actor=sender(scan.team_id),
        kind="signal_alert",
        title=f"Message to {rule.target.name}: {message.title}",
        task="strategies.send_alert",
        queue="mail",
        payload={"message_id": message.pk},
        subject=f"alert_message:{message.pk}",
        now=now,
        max_attempts=ATTEMPTS,
    )
    return 1


def _keep_marks(rule: AlertRule, scan: Scan, marks: dict[tuple[str, str], Mark]) -> None:
    AlertMark.objects.bulk_create(
        (
            AlertMark(
                team_id=scan.team_id,
                rule=rule,
                universe=scan.universe,
                strategy=strategy,
                symbol=symbol,
                side=mark.side,
                seen_at=mark.seen_at,
            )
            for (strategy, symbol), mark in marks.items()
        ),
        update_conflicts=True,
        unique_fields=("rule", "universe", "strategy", "symbol"),
        update_fields=("side", "seen_at"),
    )


def send_alert(progress: jobs.Progress) -> dict[str, Any]:
    """Send a message unless it was sent; what passes is tried again, what does not is told.

    A worker that dies between the answer of the service and the note of it sends twice.
    """
    rows = AlertMessage.objects.select_related("target")
    message = rows.get(pk=progress.payload["message_id"])
    if message.status != AlertMessage.Status.QUEUED:
        return {"status": str(message.status)}
    if message.target is None:
        gone = "The target was deleted."
        return _note(message, None, AlertMessage.Status.FAILED, gone, progress)
    try:
        address = secrets.unseal(message.target.sealed)
        notices.send(address=address, title=message.title, body=message.body)
    except Unavailable as error:
        if progress.attempt >= ATTEMPTS:
            _fail(message, AlertTarget.Status.UNREACHABLE, error.message, progress)
        else:
            _wait(message, error.message, progress)
        raise
    except LabError as error:
        _fail(message, AlertTarget.Status.REFUSED, error.message, progress)
        raise
    return _note(message, AlertTarget.Status.WORKS, AlertMessage.Status.SENT, "", progress)


def _wait(message: AlertMessage, reason: str, progress: jobs.Progress) -> None:
    rows = AlertMessage.objects.filter(pk=message.pk)
    rows.update(attempts=progress.attempt, reason=reason[:400])


def _fail(message: AlertMessage, worth: str, reason: str, progress: jobs.Progress) -> None:
    _note(message, worth, AlertMessage.Status.FAILED, reason, progress)


def _note(
    message: AlertMessage, worth: str | None, status: str, reason: str, progress: jobs.Progress
) -> dict[str, Any]:
    now, actor = progress.now(), sender(message.team_id)
    with transaction.atomic():
        message.status, message.reason = status, reason[:400]
        message.attempts = progress.attempt
        message.sent_at = now if status == AlertMessage.Status.SENT else None
        message.save(update_fields=["status", "reason", "attempts", "sent_at"])
        body = {
            "target": message.target_name,
            "rule": message.rule_name,
            "signals": message.signals,
            "reason": message.reason,
        }
        subject = f"alert_message:{message.pk}"
        record(actor=actor, action=f"alert_message.{status}", subject=subject, body=body, now=now)
        if worth and message.target_id:
            note = reason or "The last message was taken."
            note_delivery(
                actor=actor, target_id=message.target_id, status=worth, note=note, now=now
            )
    return {"status": status}
