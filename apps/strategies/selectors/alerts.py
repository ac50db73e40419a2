"""Reads of alerts about signals: targets without their addresses, rules, messages, schedules."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat

from apps.core.errors import NotFound
from apps.core.models import FINAL_STATES, Job
from apps.core.notices import SERVICES
from apps.strategies.kernel.alerting import Mark, Read
from apps.strategies.models import (
    AlertMark,
    AlertMessage,
    AlertRule,
    AlertTarget,
    Scan,
    ScanSchedule,
    Signal,
)

MOST_ENDED = 50
MESSAGES_SHOWN = 50


def list_ended_scans() -> list[int]:
    """Return the scans that nobody has looked at since their last job ended, the oldest first."""
    subject = Concat(Value("scan:"), Cast(OuterRef("pk"), models.CharField()))
    open_jobs = Job.objects.filter(
        team_id=OuterRef("team_id"), kind__in=("scan", "scan_batch"), subject=subject
    ).exclude(status__in=FINAL_STATES)
    rows = Scan.objects.filter(finished_at=None).filter(~Exists(open_jobs))
    return list(rows.order_by("created_at").values_list("pk", flat=True)[:MOST_ENDED])


def read_scan(scan_id: int) -> list[Read]:
    """Return what a scan read, for rules to look at."""
    names = ("strategy", "symbol", "side", "bar_at", "signal_at", "price", "score", "components")
    rows = Signal.objects.filter(scan_id=scan_id).order_by("symbol", "strategy")
    return [Read(*row) for row in rows.values_list(*names, "refusal")]


def read_marks(*, rule_id: int, universe: str) -> dict[tuple[str, str], Mark]:
    """Return what a rule has told of a universe, by strategy and symbol."""
    rows = AlertMark.objects.filter(rule_id=rule_id, universe=universe)
    found = rows.values_list("strategy", "symbol", "side", "seen_at")
    return {(strategy, symbol): Mark(side, seen) for strategy, symbol, side, seen in found}


def list_alert_targets(*, team_id: int) -> QuerySet[AlertTarget]:
    """Return the team's targets by name; what leaves the lab of them is ``target_row``."""
    return AlertTarget.objects.filter(team_id=team_id).defer("sealed").order_by("name")


def get_alert_target(*, team_id: int, name: str) -> AlertTarget:
    """Return a target of the team. Raises ``NotFound``."""
    row = AlertTarget.objects.filter(team_id=team_id, name=name).first()
    if row is None:
        raise NotFound(f"There is no target {name!r} in this team.", code="alert_target.not_found")
    return row


def target_row(row: AlertTarget) -> dict[str, Any]:
    """Return a target as every door shows it: never its address."""
    return {
        "name": row.name,
        "service": SERVICES.get(row.scheme, row.scheme),
        "status": str(row.status),
        "note": row.note,
        "checked_at": row.checked_at,
        "created_by": row.created_by_label or row.created_by,
        "created_at": row.created_at,
    }


def list_alert_rules(*, team_id: int) -> QuerySet[AlertRule]:
    """Return the team's rules by name."""
    rows = AlertRule.objects.filter(team_id=team_id).select_related("target")
    return rows.defer("target__sealed").order_by("name")


def get_alert_rule(*, team_id: int, name: str) -> AlertRule:
    """Return a rule of the team. Raises ``NotFound``."""
    row = list_alert_rules(team_id=team_id).filter(name=name).first()
    if row is None:
        raise NotFound(f"There is no rule {name!r} in this team.", code="alert_rule.not_found")
    return row


def rule_row(row: AlertRule) -> dict[str, Any]:
    """Return a rule as lists show it."""
    return {
        "name": row.name,
        "target": row.target.name,
        "strategies": row.strategies,
        "universe": row.universe,
        "min_score": row.min_score,
        "min_agree": row.min_agree,
        "is_on": row.is_on,
        "created_by": row.created_by_label or row.created_by,
        "created_at": row.created_at,
    }


def list_alert_messages(
    *, team_id: int, status: str = "", scan_id: int | None = None
) -> QuerySet[AlertMessage]:
    """Return the team's messages, newest first."""
    rows = AlertMessage.objects.filter(team_id=team_id)
    rows = rows.filter(status=status) if status else rows
    rows = rows if scan_id is None else rows.filter(scan_id=scan_id)
    return rows.order_by("-created_at", "-id")


def message_row(row: AlertMessage) -> dict[str, Any]:
    """Return a message as lists show it."""
    return {
        "id": row.pk,
        "target": row.target_name,
        "rule": row.rule_name,
        "scan_id": row.scan_id,
        "title": row.title,
        "body": row.body,
        "signals": row.signals,
        "status": str(row.status),
        "attempts": row.attempts,
        "reason": row.reason,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
    }


def list_schedules(*, team_id: int) -> QuerySet[ScanSchedule]:
    """Return the team's schedules of scans, what is due first."""
    return ScanSchedule.objects.filter(team_id=team_id).order_by(
        F("next_at").asc(nulls_last=True), "pk"
    )


def get_schedule(schedule_id: int, team_id: int) -> ScanSchedule:
    """Return a schedule of the team. Raises ``NotFound``."""
    row = ScanSchedule.objects.filter(pk=schedule_id, team_id=team_id).first()
    if row is None:
        message = f"There is no schedule {schedule_id} in this team."
        raise NotFound(message, code="scan_schedule.not_found")
    return row


def schedule_row(row: ScanSchedule) -> dict[str, Any]:
    """Return a schedule as lists show it."""
    return {
        "id": row.pk,
        "universe": row.universe,
        "strategies": row.strategies,
        "every": str(row.every),
        "at_utc": f"{row.at_utc:%H:%M}",
        "is_on": row.is_on,
        "next_at": row.next_at,
        "last_scan_id": row.last_scan_id,
        "error": row.error,
        "created_by": row.created_by_label or row.created_by,
        "created_at": row.created_at,
    }


def alerts_page(team_id: int) -> dict[str, Any]:
    """Return what the page of alerts shows."""
    targets = [target_row(row) for row in list_alert_targets(team_id=team_id)]
    messages = list_alert_messages(team_id=team_id)[:MESSAGES_SHOWN]
    return {
        "targets": targets,
        "target_names": [(one["name"], one["name"]) for one in targets],
        "rules": [rule_row(row) for row in list_alert_rules(team_id=team_id)],
        # Not ``messages``: that is what the frame shows on top of the page.
        "told": [message_row(row) for row in messages],
    }
