"""Stopping long work: whoever started it may, and who runs the lab."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.audit import services as audit
from apps.core import jobs
from apps.core.actors import Actor
from apps.core.models import Job


@transaction.atomic
def cancel_job(*, actor: Actor, job_id: str, now: datetime) -> Job:
    """Ask a job to stop. Raises ``NotFound``, ``Denied``, or ``Conflict`` when it is over."""
    found = jobs.find_job(job_id, team_id=actor.team)
    if found.created_by != actor.name:
        actor.require("ops.manage")
    job = jobs.cancel(found.pk, actor=actor, now=now)
    body = {"kind": job.kind, "status": str(job.status)}
    audit.record(actor=actor, action="job.cancelled", subject=f"job:{job.pk}", body=body, now=now)
    return job
