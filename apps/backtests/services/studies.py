"""Studies: named sets of runs."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.models import Run, Study
from apps.backtests.selectors.studies import OBJECTIVES
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


def create_study(*, actor: Actor, name: str, title: str, now: datetime, note: str = "") -> Study:
    """Store a study. Raises ``Invalid`` for a bad name, ``Conflict`` for one taken."""
    actor.require("research.write")
    _check_name(name)
    try:
        with transaction.atomic():
            study = Study.objects.create(
                team_id=actor.team,
                name=name,
                title=(title or name)[:200],
                note=note,
                created_by=actor.name,
                created_at=now,
            )
            body = {"name": name, "title": study.title}
            subject = f"study:{study.pk}"
            record(actor=actor, action="study.created", subject=subject, body=body, now=now)
    except IntegrityError as error:
        raise _taken(name) from error
    return study


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        message = f"study = {name!r}; lower-case letters, digits, - and _ are expected."
        raise Invalid(message, code="study.name", details={"field": "name"})


def _taken(name: str) -> Conflict:
    message = f"There is a study {name!r} already; use it or choose another name."
    return Conflict(message, code="study.name_taken", details={"field": "name"})


def change_study(
    *,
    actor: Actor,
    study_id: int,
    now: datetime,
    name: str | None = None,
    title: str | None = None,
    note: str | None = None,
    objective: str | None = None,
    closed: bool | None = None,
) -> Study:
    """Rename a study, say what it is about and what its best is judged by, close or reopen it.

    Raises ``NotFound``, ``Invalid``, ``Conflict`` for a name taken.
    """
    actor.require("research.write")
    study = selectors.get_study(study_id, actor.team)
    changed = _changes(study, name=name, title=title, note=note, objective=objective)
    if closed is not None and closed != (study.closed_at is not None):
        changed["closed_at"] = now if closed else None
    if not changed:
        return study
    try:
        with transaction.atomic():
            for field, value in changed.items():
                setattr(study, field, value)
            study.save(update_fields=list(changed))
            body = {**changed, "closed_at": study.closed_at and study.closed_at.isoformat()}
            body.pop("note", None)
            subject = f"study:{study.pk}"
            record(actor=actor, action="study.changed", subject=subject, body=body, now=now)
    except IntegrityError as error:
        raise _taken(study.name) from error
    return study


def _changes(study: Study, **given: str | None) -> dict[str, Any]:
    """Return what differs of what was given, checked."""
    if given["name"] is not None:
        _check_name(given["name"])
    if given["objective"] is not None and given["objective"] not in OBJECTIVES:
        message = f"objective = {given['objective']!r}; choose one of {', '.join(OBJECTIVES)}."
        raise Invalid(message, code="study.objective", details={"field": "objective"})
    if given["title"] is not None and not given["title"].strip():
        message = "A study has a title."
        raise Invalid(message, code="study.title", details={"field": "title"})
    return {
        field: value
        for field, value in given.items()
        if value is not None and value != getattr(study, field)
    }


def find_open_study(name: str, team_id: int) -> Study:
    """Return a study by name that takes runs. Raises ``NotFound``, ``Conflict``."""
    study = Study.objects.filter(team_id=team_id, name=name).first()
    if study is None:
        raise NotFound(f"There is no study {name!r} here.", code="study.not_found")
    check_open(study)
    return study


def check_open(study: Study) -> None:
    """Raise ``Conflict`` for a study that was closed."""
    if study.closed_at is not None:
        message = f"The study {study.name!r} is closed; reopen it, or put the runs into another."
        raise Conflict(message, code="study.closed", details={"field": "study"})


def add_to_study(*, actor: Actor, study_id: int, run_ids: list[uuid.UUID], now: datetime) -> Study:
    """Put runs into a study. Raises ``NotFound`` for another team's, ``Conflict`` if closed."""
    actor.require("research.write")
    study = Study.objects.filter(pk=study_id, team_id=actor.team).first()
    if study is None:
        raise NotFound(f"There is no study {study_id}.", code="study.not_found")
    check_open(study)
    runs = [selectors.get_run(run_id, actor.team) for run_id in run_ids]
    with transaction.atomic():
        Run.objects.filter(pk__in=[run.pk for run in runs]).update(study=study)
        body = {"runs": [str(run.pk) for run in runs]}
        subject = f"study:{study.pk}"
        record(actor=actor, action="study.runs_added", subject=subject, body=body, now=now)
    return study
