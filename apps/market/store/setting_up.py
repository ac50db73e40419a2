"""The server is asked for what its edition offers; what fails is kept, and stops nothing."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, connection, transaction

from apps.market.models import StorageStep
from apps.market.store.edition import find_edition
from apps.market.store.features import Step, steps_for

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of the steps: how many were there, how many were done now, which failed."""

    edition: str
    there: int
    done: int
    failed: tuple[str, ...]


def set_up(*, minutes_kept_days: int, now: datetime) -> Done:
    """Ask the server for all that its edition offers; a second call finds all of it there.

    Must be run by the role that owns the tables. Each step is a transaction of its own, or a
    savepoint of the caller's.
    """
    edition = find_edition()
    steps = steps_for(edition, minutes_kept_days=minutes_kept_days)
    outcomes = {step.name: _take(step, now) for step in steps}
    StorageStep.objects.exclude(name__in=outcomes).delete()
    failed = tuple(name for name, outcome in outcomes.items() if outcome == "failed")
    counts = list(outcomes.values())
    return Done(edition.title, counts.count("there"), counts.count("done"), failed)


def _take(step: Step, now: datetime) -> str:
    """Take a step unless it is done; return ``there``, ``done`` or ``failed``."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(step.done)
            row = cursor.fetchone()
            if row is not None and row[0]:
                outcome = "there"
            else:
                for statement in _statements(step):
                    cursor.execute(statement)
                outcome = "done"
    except DatabaseError as error:
        logger.warning("storage.step_failed", extra={"step": step.name, "error": str(error)})
        _keep(step, str(error).strip(), now)
        return "failed"
    _keep(step, "", now)
    return outcome


def _statements(step: Step) -> list[str]:
    """Return the statements of a step; a function's body holds semicolons of its own."""
    return [step.statement] if "$$" in step.statement else step.statement.split(";\n")


def _keep(step: Step, error: str, now: datetime) -> None:
    StorageStep.objects.update_or_create(
        name=step.name, defaults={"statement": step.statement, "error": error, "at": now}
    )
