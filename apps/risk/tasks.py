"""Work of risk on the queues."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.core import clock, jobs
from apps.risk import services
from apps.risk.services import book_reports, report_mails


@shared_task(name="risk.grade", bind=True)
def grade(self: Any, job_id: str) -> str:
    """Grade the risk models of the books a job names."""
    return jobs.execute(job_id, services.run_grading, worker=self.request.hostname or "worker")


@shared_task(name="risk.grade_nightly")
def grade_nightly() -> int:
    """Queue the night's grading of every team, once a day."""
    return services.start_nightly(now=clock.now())


@shared_task(name="risk.write_report", bind=True)
def write_report(self: Any, job_id: str) -> str:
    """Write the report of a book as PDF."""
    return jobs.execute(job_id, book_reports.run_report, worker=self.request.hostname or "worker")


@shared_task(name="risk.report_nightly")
def report_nightly() -> int:
    """Queue the night's reports of every team that has graded, once a day."""
    return report_mails.start_reports(now=clock.now())


@shared_task(name="risk.write_night", bind=True)
def write_night(self: Any, job_id: str) -> str:
    """Write the reports of a team's accounts, and queue the mails."""
    return jobs.execute(job_id, report_mails.run_night, worker=self.request.hostname or "worker")


@shared_task(name="risk.send_report", bind=True)
def send_report(self: Any, job_id: str) -> str:
    """Send a night's mail to one member."""
    return jobs.execute(job_id, report_mails.send_report, worker=self.request.hostname or "worker")
