"""Periodic work of audit."""

from __future__ import annotations

from celery import shared_task

from apps.audit.services import drills
from apps.core import clock
from apps.core.actors import system


@shared_task(name="audit.drill_restore")
def drill_restore() -> bool:
    """Restore the last backup aside when that is due; tell whether it was done."""
    return drills.drill_when_due(actor=system("backups"), now=clock.now()) is not None
