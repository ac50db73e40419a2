"""What people make of hypotheses: accept, kill with a note, make a strategy of one."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.assistant.models import Hypothesis
from apps.audit.services import record
from apps.backtests.services import follow_hypothesis
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.strategies import services as strategies
from apps.strategies.selectors import VersionView

VERDICTS = {"accept": "accepted", "kill": "killed"}
MIN_NOTE, MAX_NOTE, MAX_TITLE = 10, 2000, 160


def judge_hypothesis(
    *, actor: Actor, hypothesis_id: int, verdict: str, note: str, now: datetime
) -> Hypothesis:
    """Accept a candidate, or kill it with a note that says why.

    Raises ``Invalid`` for another verdict or a note too short, ``Conflict`` when it is over.
    """
    actor.require("research.write")
    note = note.strip()
    if verdict not in VERDICTS:
        message = f"{verdict!r} is no verdict; accept or kill."
        raise Invalid(message, code="hypothesis.verdict", details={"field": "verdict"})
    if len(note) > MAX_NOTE or (verdict == "kill" and len(note) < MIN_NOTE):
        message = (
            f"The note has {len(note)} characters; killing needs {MIN_NOTE} to {MAX_NOTE}, so "
            "that nobody repeats the mistake."
        )
        raise Invalid(message, code="hypothesis.note", details={"field": "note"})
    with transaction.atomic():
        row = _lock(actor, hypothesis_id)
        if row.status in {Hypothesis.Status.KILLED, Hypothesis.Status.PROMOTED}:
            message = f"The hypothesis is {row.status} already; start another search instead."
            raise Conflict(message, code="hypothesis.over")
        _set(row, actor, VERDICTS[verdict], now, note=note)
        return row


def promote_hypothesis(
    *, actor: Actor, hypothesis_id: int, now: datetime
) -> tuple[Hypothesis, VersionView]:
    """Make a strategy with a version of a hypothesis; asked again, return the one there is.

    Raises ``Conflict`` for one that was killed.
    """
    actor.require("research.write")
    with transaction.atomic():
        row = _lock(actor, hypothesis_id)
        if row.status == Hypothesis.Status.KILLED:
            message = "The hypothesis was killed; start another search instead."
            raise Conflict(message, code="hypothesis.over")
        version = _version(actor, row, now)
        follow_hypothesis(
            actor=actor,
            search_id=row.search_id,
            strategy_id=version.strategy_id,
            name=version.strategy,
            now=now,
        )
        if row.version_id != version.id:
            row.version_id = version.id
            _set(row, actor, Hypothesis.Status.PROMOTED, now, note=row.note)
        return row, version


def _version(actor: Actor, row: Hypothesis, now: datetime) -> VersionView:
    if row.version_id is not None:
        return strategies.ensure_version(actor=actor, name=str(row.version_id), params={}, now=now)
    plan = row.search.plan
    names = ("share", "rebalance_days", "long_short")
    return strategies.create_strategy(
        actor=actor,
        name=f"forge_{row.pk}",
        title=f"Forge {row.pk}: {row.expression}"[:MAX_TITLE],
        kind="expression",
        plug="",
        params={"expression": row.expression, **{name: plan[name] for name in names}},
        about=f"{row.statement}\n\n{row.economic_reason}",
        note=f"From hypothesis {row.pk}, the best of {row.trials} trials",
        now=now,
    )


def _lock(actor: Actor, hypothesis_id: int) -> Hypothesis:
    rows = Hypothesis.objects.select_for_update(of=("self",)).select_related("search")
    row = rows.filter(pk=hypothesis_id, team_id=actor.team).first()
    if row is None:
        message = f"There is no hypothesis {hypothesis_id} in this team; see /assistant."
        raise NotFound(message, code="hypothesis.not_found")
    return row


def _set(row: Hypothesis, actor: Actor, status: str, now: datetime, *, note: str) -> None:
    row.status, row.note = status, note
    row.judged_by, row.judged_at = actor.name, now
    row.save(update_fields=["status", "note", "judged_by", "judged_at", "version_id"])
    body = {"expression": row.expression, "note": note, "version": row.version_id}
    subject = f"hypothesis:{row.pk}"
    record(actor=actor, action=f"hypothesis.{status}", subject=subject, body=body, now=now)
