"""Grades: every model on every book, every night; who turns red hands over to the next best."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.core import events, jobs
from apps.core.actors import Actor, system
from apps.core.errors import LabError
from apps.core.kernel.hashing import digest_arrays
from apps.core.models import Job
from apps.risk import selectors
from apps.risk.kernel.grades import MOST_DAYS, choose, grade_models
from apps.risk.models import GradeRun
from apps.risk.selectors.books import History
from apps.risk.selectors.positions import find_positions
from apps.risk.services.live import note_change

KIND, TASK = "risk_grades", "risk.grade"
# The model a book begins with.
FIRST = "historical"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Grading begins every day at this hour, UTC, when no market of the lab is about to open.
HOUR = 2
DIGITS = 8


def ask_for_grades(*, actor: Actor, subject: str, now: datetime) -> Job:
    """Queue the grading of one book or run now. Raises ``NotFound``, ``Conflict``."""
    actor.require("team.read")
    history = selectors.get_history(team_id=actor.team, subject=subject)
    with transaction.atomic():
        job = _enqueue(actor, f"Risk models on {history.title}", subject, [subject], now)
        body = {"job": str(job.pk), "returns": len(history.returns)}
        audit.record(actor=actor, action="risk.grading.asked", subject=subject, body=body, now=now)
    return job


def _enqueue(actor: Actor, title: str, subject: str, subjects: list[str], now: datetime) -> Job:
    return jobs.enqueue(
        actor=actor,
        kind=KIND,
        title=title,
        task=TASK,
        queue="compute",
        payload={"subjects": subjects},
        subject=subject,
        now=now,
    )


def start_nightly(*, now: datetime) -> int:
    """Queue the night's grading of every team, once a day; return how many teams it was.

    May be called at any time and again: a team whose grading of the day is queued is left alone.
    """
    if now.hour < HOUR:
        return 0
    return sum(_start(team_id, now) for team_id in accounts.list_team_ids())


def _start(team_id: int, now: datetime) -> int:
    about = f"grades:{now.date()}"
    actor = system("grading", team_id)
    with transaction.atomic():
        if Job.objects.filter(team_id=team_id, kind=KIND, subject=about).exists():
            return 0
        found = [subject for subject, _ in selectors.list_subjects(team_id=team_id)]
        if not found:
            return 0
        job = _enqueue(actor, f"Risk models of the night, {len(found)} books", about, found, now)
        body = {"job": str(job.pk), "subjects": found}
        audit.record(actor=actor, action="risk.grading.begun", subject=about, body=body, now=now)
    return 1


def run_grading(progress: jobs.Progress) -> dict[str, Any]:
    """Grade the books a job names. One that can't be graded is told and holds up no other."""
    team_id, subjects = progress.team_id, list(progress.payload["subjects"])
    if team_id is None:
        return {}
    actor = system("grading", team_id)
    graded: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for done, subject in enumerate(subjects):
        progress.tell(done, len(subjects), subject, stage=True)
        try:
            history = selectors.get_history(team_id=team_id, subject=subject)
            row = grade_book(actor=actor, history=history, now=progress.now())
            graded[subject] = {"grade": row.pk, "colour": row.colour, "model": row.in_force}
        except LabError as error:
            refused[subject] = error.message
    progress.tell(len(subjects), len(subjects), "done", stage=True)
    return {"graded": graded, "refused": refused}


def grade_book(*, actor: Actor, history: History, now: datetime) -> GradeRun:
    """Grade every model on a history and keep it; returns graded before are not graded again.

    A model in force that is red or cannot be graded hands over to the next best, which is told
    and recorded.

    Raises
    ------
    Invalid
        As ``grade_models``.
    """
    actor.require("team.read")
    known = np.isfinite(history.returns)
    ts, returns = history.ts[known], history.returns[known]
    digest = digest_arrays(ts=ts, returns=returns)
    mine = GradeRun.objects.filter(team_id=actor.team, subject=history.subject)
    done = mine.filter(digest=digest).first()
    if done is not None:
        return done
    held = find_positions(team_id=actor.team, subject=history.subject)
    found = grade_models(returns, positions=held)
    before = selectors.model_in_force(team_id=actor.team, subject=history.subject)
    in_force, why = choose(found["models"], before)
    with transaction.atomic():
        mine.exclude(series={}).update(series={})
        row = GradeRun.objects.create(
            team_id=actor.team,
            subject=history.subject,
            title=history.title[:200],
            digest=digest,
            until=_moment(int(ts[-1])),
            days=found["days"],
            window=found["window"],
            colour=found["models"][in_force]["colour"],
            in_force=in_force,
            before=before,
            reason=why[:500],
            body={"models": found["models"]},
            series=_series(ts, returns, found),
            created_by=actor.name,
            created_at=now,
        )
        _tell(actor, row, now)
    return row


def _moment(ts: int) -> datetime:
    return EPOCH + timedelta(microseconds=ts)


def _series(ts: Any, returns: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Return what the chart draws: days, returns and what every model told of them."""
    days = min(found["days"], MOST_DAYS)
    return {
        "ts": [_moment(int(at)).isoformat() for at in ts[-days:]],
        "returns": np.round(returns[-days:], DIGITS).tolist(),
        "models": {
            model: {
                level: {name: np.round(row, DIGITS).tolist() for name, row in told.items()}
                for level, told in by_level.items()
            }
            for model, by_level in found["forecasts"].items()
        },
    }


def _tell(actor: Actor, row: GradeRun, now: datetime) -> None:
    colours = {name: model["colour"] for name, model in row.body["models"].items()}
    body = {
        "until": row.until.isoformat(),
        "digest": row.digest,
        "colours": colours,
        "in_force": row.in_force,
        "before": row.before,
        "reason": row.reason,
    }
    audit.record(actor=actor, action="risk.graded", subject=row.subject, body=body, now=now)
    if row.in_force == row.before:
        return
    audit.record(actor=actor, action="risk.model.demoted", subject=row.subject, body=body, now=now)
    data = {"subject": row.subject, "from": row.before, "to": row.in_force, "why": row.reason}
    events.emit(team_id=actor.team, topic="alerts", kind="risk.model.demoted", data=data)
    # Live figures are those of the model in force: they switch with it.
    note_change(team_id=actor.team, subject=row.subject)
