"""The nightly report by mail: once a team, night and member."""

from __future__ import annotations

import smtplib
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import Denied, LabError, Unavailable
from apps.core.hooks import trouble_found, trouble_over
from apps.core.models import FINAL_STATES, Job
from apps.risk.models import BookReport, ReportMail, ReportWish
from apps.risk.selectors.book_reports import file_name, list_receivers, summary_text
from apps.risk.selectors.books import list_subjects
from apps.risk.services.book_reports import write_report
from apps.risk.services.grading import HOUR
from apps.risk.services.grading import KIND as GRADING

KIND, TASK = "risk_reports", "risk.write_night"
MAIL_KIND, MAIL_TASK = "risk_report_mail", "risk.send_report"
ATTEMPTS, RETRY_SECONDS = 8, 60.0
UNDELIVERED = "risk.report_undelivered"
# Answers of a mail server from here on are for good.
FOR_GOOD = 500
DAY = timedelta(days=1)


def set_report_wish(*, actor: Actor, is_wanted: bool, now: datetime) -> None:
    """Keep whether the actor wants the nightly report, whatever their role would get.

    Raises ``Denied`` for who is no person.
    """
    actor.require("team.read")
    if actor.user_id is None:
        raise Denied("Only a member gets mail; sign in as a person.", code="risk.report.nobody")
    with transaction.atomic():
        ReportWish.objects.update_or_create(
            team_id=actor.team,
            user_id=actor.user_id,
            defaults={"is_wanted": is_wanted, "changed_at": now},
        )
        body, about = {"wanted": is_wanted}, f"user:{actor.user_id}"
        audit.record(actor=actor, action="risk.report.wished", subject=about, body=body, now=now)


def start_reports(*, now: datetime) -> int:
    """Queue the night's reports of every team that has graded, once a night; return how many.

    May be called at any time and again: a team whose reports of the night are queued, or whose
    models are still being graded, is left alone. Teams of which nobody wants a report make none.
    """
    if now.hour < HOUR:
        return 0
    return sum(_start(team_id, now) for team_id in accounts.list_team_ids())


def _start(team_id: int, now: datetime) -> int:
    night, mine = now.date(), Job.objects.filter(team_id=team_id)
    about = f"reports:{night}"
    if mine.filter(kind=KIND, subject=about).exists():
        return 0
    graded = mine.filter(kind=GRADING, subject=f"grades:{night}", status__in=FINAL_STATES)
    if not graded.exists() or not list_receivers(team_id=team_id):
        return 0
    actor = system("reports", team_id)
    with transaction.atomic():
        job = jobs.enqueue(
            actor=actor,
            kind=KIND,
            title=f"Risk reports of the night {night}",
            task=TASK,
            queue="compute",
            payload={"night": night.isoformat()},
            subject=about,
            now=now,
        )
        body = {"job": str(job.pk)}
        audit.record(actor=actor, action="risk.reports.begun", subject=about, body=body, now=now)
    return 1


def run_night(progress: jobs.Progress) -> dict[str, Any]:
    """Write the reports of a team's accounts, and queue a mail to each who gets them."""
    team_id, night = progress.team_id, date.fromisoformat(progress.payload["night"])
    if team_id is None:
        return {}
    actor, now = system("reports", team_id), progress.now()
    subjects = [one for one, _ in list_subjects(team_id=team_id) if one.startswith("account:")]
    made: list[int] = []
    refused: dict[str, str] = {}
    for done, subject in enumerate(subjects):
        progress.tell(done, len(subjects), subject, stage=True)
        try:
            made.append(write_report(actor=actor, subject=subject, now=now).pk)
        except LabError as error:
            refused[subject] = error.message
    sent = queue_mails(actor=actor, night=night, reports=made, refused=refused, now=now)
    return {"reports": made, "refused": refused, "mails": sent}


def queue_mails(
    *,
    actor: Actor,
    night: date,
    reports: list[int],
    refused: dict[str, str],
    now: datetime,
) -> int:
    """Queue the night's mail to each receiver who has none yet; return how many are new."""
    actor.require("team.read")
    count = 0
    for member in list_receivers(team_id=actor.team):
        with transaction.atomic():
            row, is_new = ReportMail.objects.get_or_create(
                team_id=actor.team,
                night=night,
                user_id=member.user_id,
                defaults={"reports": reports, "created_at": now},
            )
            if not is_new:
                continue
            jobs.enqueue(
                actor=actor,
                kind=MAIL_KIND,
                title=f"Risk report of {night} by mail",
                task=MAIL_TASK,
                queue="mail",
                payload={"mail": row.pk, "refused": refused},
                subject=f"report_mail:{row.pk}",
                now=now,
                max_attempts=ATTEMPTS,
            )
            _record(actor, row, "queued", now)
            count += 1
    return count


def send_report(progress: jobs.Progress) -> dict[str, Any]:
    """Send a night's mail unless it was sent; what passes is tried again, what does not is told.

    A worker that dies between the server's answer and the note of it sends twice, under the same
    Message-ID.
    """
    row = ReportMail.objects.get(pk=progress.payload["mail"])
    if row.status != ReportMail.Status.QUEUED:
        return {"status": str(row.status)}
    members = {member.user_id: member for member in accounts.list_members(row.team_id)}
    member = members.get(row.user_id)
    if member is None or not member.is_active:
        return _end(row, ReportMail.Status.SKIPPED, "The member has left.", progress)
    message = message_of(row, to=member.email, refused=progress.payload.get("refused", {}))
    try:
        _hand_over(message)
    except Unavailable as error:
        if progress.attempt >= ATTEMPTS:
            _end(row, ReportMail.Status.FAILED, error.message, progress)
        else:
            note = {"attempts": progress.attempt, "reason": error.message[:400]}
            ReportMail.objects.filter(pk=row.pk).update(**note)
        raise
    except Denied as error:
        _end(row, ReportMail.Status.FAILED, error.message, progress)
        raise
    return _end(row, ReportMail.Status.SENT, "", progress)


def message_of(row: ReportMail, *, to: str, refused: dict[str, str]) -> EmailMessage:
    """Return a night's mail: a summary in plain words, and the PDF of every book."""
    reports = list(BookReport.objects.filter(team_id=row.team_id, pk__in=row.reports))
    reports.sort(key=lambda one: (one.title, one.pk))
    team = accounts.get_team(row.team_id)
    lines = [f"Risk of {team.name}, night of {row.night}.", ""]
    for report in reports:
        lines += [*summary_text(report.body, since=row.created_at - DAY), ""]
    lines += [f"{subject}: no report. {why}" for subject, why in sorted(refused.items())]
    where = settings.SITE_URL
    lines += ["", f"Now: {where}/risk/", f"No more of these mails: {where}/risk/reports/"]
    host = urlsplit(where).hostname or "localhost"
    made = EmailMessage(
        subject=f"Risk of {team.name}, {row.night}",
        body="\n".join(lines),
        to=[to],
        headers={"Message-ID": f"<risk-{row.team_id}-{row.night}-{row.user_id}@{host}>"},
    )
    for report in reports:
        made.attach(file_name(report), bytes(report.pdf), "application/pdf")
    return made


def _hand_over(message: EmailMessage) -> None:
    """Give the mail to the server. Raises ``Denied`` for good, ``Unavailable`` for now."""
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _failure(min(codes, default=0), "refused the address") from error
    except smtplib.SMTPResponseException as error:
        raise _failure(int(error.smtp_code), "refused the mail") from error
    except (OSError, smtplib.SMTPException) as error:
        raise _failure(0, f"could not be reached ({type(error).__name__})") from error


def _failure(code: int, what: str) -> LabError:
    said = f"The mail server {what}" + (f" with {code}." if code else ".")
    if code >= FOR_GOOD:
        return Denied(f"{said} Look at the address and the server.", code="mail.refused")
    message = f"{said} It is tried again."
    return Unavailable(message, code="mail.unavailable", retry_after=RETRY_SECONDS)


def _end(row: ReportMail, status: str, reason: str, progress: jobs.Progress) -> dict[str, Any]:
    now = progress.now()
    with transaction.atomic():
        row.status, row.reason, row.attempts = status, reason[:400], progress.attempt
        row.sent_at = now if status == ReportMail.Status.SENT else None
        row.save(update_fields=["status", "reason", "attempts", "sent_at"])
        _record(system("reports", row.team_id), row, str(status), now)
        _tell_alerts(row, now)
    return {"status": str(status)}


def _tell_alerts(row: ReportMail, now: datetime) -> None:
    """Have whoever keeps alerts know of a member whom the report does not reach, or reaches."""
    about: dict[str, Any] = {
        "team_id": row.team_id,
        "kind": UNDELIVERED,
        "subject": f"user:{row.user_id}",
        "now": now,
    }
    if row.status != ReportMail.Status.FAILED:
        trouble_over.send(None, **about)
        return
    trouble_found.send(
        None,
        severity="warning",
        title=f"The risk report of {row.night} did not reach a member"[:250],
        advice=f"{row.reason} Who it is stands under Risk, Reports."[:400],
        **about,
    )


def _record(actor: Actor, row: ReportMail, what: str, now: datetime) -> None:
    body = {"night": row.night.isoformat(), "user": row.user_id, "reports": row.reports}
    if row.reason:
        body["reason"] = row.reason
    about = f"report_mail:{row.pk}"
    audit.record(actor=actor, action=f"report_mail.{what}", subject=about, body=body, now=now)
