"""Reports of books as PDF, made by a worker."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.models import Job
from apps.risk.kernel import paper
from apps.risk.models import BookReport
from apps.risk.selectors.books import get_holding
from apps.risk.selectors.samples import get_sample
from apps.risk.selectors.summaries import book_summary

KIND, TASK = "risk_report", "risk.write_report"


def ask_for_report(*, actor: Actor, subject: str, now: datetime) -> Job:
    """Queue the report of a book as it stands when a worker takes it up.

    Raises ``NotFound``, ``Conflict``.
    """
    actor.require("team.read")
    holding = get_holding(team_id=actor.team, subject=subject)
    with transaction.atomic():
        job = jobs.enqueue(
            actor=actor,
            kind=KIND,
            title=f"Risk report of {holding.title}",
            task=TASK,
            queue="compute",
            payload={"subject": subject, "by": actor.name},
            subject=subject,
            now=now,
        )
        body = {"job": str(job.pk)}
        audit.record(actor=actor, action="risk.report.asked", subject=subject, body=body, now=now)
    return job


def run_report(progress: jobs.Progress) -> dict[str, Any]:
    """Write the report a job names."""
    team_id, subject = progress.team_id, str(progress.payload["subject"])
    if team_id is None:
        return {}
    progress.tell(0, 1, "measuring", stage=True)
    actor = system("reports", team_id)
    by = str(progress.payload.get("by", actor.name))
    row = write_report(actor=actor, subject=subject, by=by, now=progress.now())
    return {"report": row.pk, "digest": row.digest, "pages": row.pages}


def write_report(*, actor: Actor, subject: str, now: datetime, by: str = "") -> BookReport:
    """Measure a book and keep the report; the same risk is written once.

    Raises
    ------
    NotFound, Conflict, Invalid
        No such book, or nothing to measure.
    """
    actor.require("team.read")
    team_id = actor.team
    sample = get_sample(team_id=team_id, subject=subject)
    body = book_summary(team_id=team_id, sample=sample, until=now)
    mine = {"team_id": team_id, "subject": subject, "digest": body["digest"]}
    row = BookReport.objects.filter(**mine).first()
    if row is not None:
        return row
    team = accounts.get_team(team_id)
    made = paper.render(body, team=team.name, fonts=_fonts())
    with transaction.atomic():
        row, is_new = BookReport.objects.get_or_create(
            **mine,
            defaults={
                "title": sample.holding.title[:200],
                "as_of": datetime.fromisoformat(body["as_of"]),
                "body": body,
                "pdf": made.content,
                "pdf_digest": hashlib.sha256(made.content).hexdigest(),
                "pages": made.pages,
                "created_by": by or actor.name,
                "created_at": now,
            },
        )
        if is_new:
            _note(actor, row, now)
    return row


def _note(actor: Actor, row: BookReport, now: datetime) -> None:
    body = {"book": row.subject, "as_of": row.as_of.isoformat()}
    body |= {"digest": row.digest, "pdf": row.pdf_digest}
    about = f"risk_report:{row.pk}"
    audit.record(actor=actor, action="risk.report.written", subject=about, body=body, now=now)


def _fonts() -> dict[str, bytes]:
    folder = Path(settings.BASE_DIR) / "static" / "fonts"
    return {name: (folder / file).read_bytes() for name, file in paper.FACES.items()}
