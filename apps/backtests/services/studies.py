"""Studies: named sets of runs."""

from __future__ import annotations

import re
import uuid
from datetime import datetime

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.models import Run, Study
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


def create_study(*, actor: Actor, name: str, title: str, now: datetime, note: str = "") -> Study:
    """Store a study. Raises ``Invalid`` for a bad name, ``Conflict`` for one taken."""
    actor.require("research.write")
    if not NAME.fullmatch(name):
        message = f"study = {name!r}; lower-case letters, digits, - and _ are expected."
        raise Invalid(message, code="study.name", details={"field": "name"})
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
        message = f"There is a study {name!r} already; use it or choose another name."
        raise Conflict(message, code="study.name_taken", details={"field": "name"}) from error
    return study


def add_to_study(*, actor: Actor, study_id: int, run_ids: list[uuid.UUID], now: datetime) -> Study:
    """Put runs into a study. Raises ``NotFound`` for another team's."""
    actor.require("research.write")
    study = Study.objects.filter(pk=study_id, team_id=actor.team).first()
    if study is None:
        raise NotFound(f"There is no study {study_id}.", code="study.not_found")
    runs = [selectors.get_run(run_id, actor.team) for run_id in run_ids]
    with transaction.atomic():
        Run.objects.filter(pk__in=[run.pk for run in runs]).update(study=study)
        body = {"runs": [str(run.pk) for run in runs]}
        subject = f"study:{study.pk}"
        record(actor=actor, action="study.runs_added", subject=subject, body=body, now=now)
    return study
