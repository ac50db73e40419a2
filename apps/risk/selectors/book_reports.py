"""Reports of books as PDF: the list, who gets them by mail, how the mails went."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.accounts import selectors as accounts
from apps.accounts.selectors import Member
from apps.approvals import selectors as approvals
from apps.core.errors import NotFound
from apps.risk.kernel.settings import REPORT_ROLES
from apps.risk.models import BookReport, ReportMail, ReportWish

HEAVY = ("pdf", "body")
SHOWN = 30
SHOWN_MAILS = 20


def list_book_reports(*, team_id: int, subject: str = "") -> QuerySet[BookReport]:
    """Return the reports of the team, newest first, without their contents."""
    rows = BookReport.objects.filter(team_id=team_id).defer(*HEAVY)
    return (rows.filter(subject=subject) if subject else rows).order_by("-created_at", "-id")


def get_book_report(report_id: int, team_id: int) -> BookReport:
    """Return a report with its contents. Raises ``NotFound``, also for another team's."""
    row = BookReport.objects.filter(pk=report_id, team_id=team_id).first()
    if row is None:
        message = f"There is no report {report_id}; see GET /api/v1/risk/reports."
        raise NotFound(message, code="risk.report.not_found")
    return row


def book_report_line(row: BookReport) -> dict[str, Any]:
    """Return a report as a list tells it."""
    return {
        "id": row.pk,
        "subject": row.subject,
        "title": row.title,
        "as_of": row.as_of,
        "digest": row.digest,
        "pdf": f"/api/v1/risk/reports/{row.pk}.pdf",
        "pdf_digest": row.pdf_digest,
        "pages": row.pages,
        "created_by": row.created_by,
        "created_at": row.created_at,
    }


def book_report_as_dict(row: BookReport) -> dict[str, Any]:
    """Return a report with every figure that stands in its PDF."""
    return {**book_report_line(row), "body": row.body}


def file_name(row: BookReport) -> str:
    """Return what the PDF is called once it is saved."""
    about = row.subject.replace(":", "-")
    return f"risk-{about}-{row.as_of:%Y%m%d-%H%M}-{row.digest[:8]}.pdf"


def list_receivers(*, team_id: int) -> list[Member]:
    """Return the members who get the nightly report: by their role, or as they wish."""
    roles = set(approvals.get_setting(team_id, REPORT_ROLES))
    wishes = dict(ReportWish.objects.filter(team_id=team_id).values_list("user_id", "is_wanted"))
    return [
        member
        for member in accounts.list_members(team_id)
        if member.is_active and wishes.get(member.user_id, member.role in roles)
    ]


def list_mails(*, team_id: int) -> list[ReportMail]:
    """Return the newest mails, by night."""
    rows = ReportMail.objects.filter(team_id=team_id).order_by("-night", "user_id")
    return list(rows[:SHOWN_MAILS])


def reports_page(*, team_id: int, user_id: int | None, subject: str = "") -> dict[str, Any]:
    """Return the reports, how the mails of the last nights went, and what the asker gets."""
    receivers = list_receivers(team_id=team_id)
    names = {member.user_id: member.email for member in accounts.list_members(team_id)}
    mails = [
        {"mail": row, "to": names.get(row.user_id, "")} for row in list_mails(team_id=team_id)
    ]
    return {
        "reports": list(list_book_reports(team_id=team_id, subject=subject)[:SHOWN]),
        "subject": subject,
        "mails": mails,
        "receivers": [member.email for member in receivers],
        "is_receiver": user_id in {member.user_id for member in receivers},
        "is_member": user_id in names,
    }


def summary_text(body: dict[str, Any], *, since: datetime) -> list[str]:
    """Return what a mail says of a book, line by line."""
    found = next((one for one in body["measures"] if one["in_force"]), None)
    at, held = body["as_of"][:16].replace("T", " "), body["exposure"]
    exposed = f"gross exposure {held['gross']:.1%}, net {held['net']:.1%}"
    lines = [
        f"{body['title']} ({body['subject']}), as of {at} UTC",
        f"  Equity {body['equity']:,.2f} {body['currency']}, {exposed}",
    ]
    if found and found["levels"]:
        lines += [_measure_line(one, found["method"]) for one in found["levels"]]
    colour = body["grades"]["colour"] or "not graded yet"
    lines.append(f"  Model in force: {_words(body['grades']['in_force'])}, {colour}")
    if body["grades"]["reason"]:
        lines.append(f"  {body['grades']['reason']}")
    return lines + _trouble_lines(body, since)


def _measure_line(one: dict[str, Any], method: str) -> str:
    parts = [
        f"{name.upper() if name == 'es' else 'VaR'} {one[name]:.2%}"
        + (f" (± {one[f'{name}_error']:.2%})" if one[f"{name}_error"] is not None else "")
        for name in ("var", "es")
    ]
    return f"  At {one['level']:.0%} by {_words(method)}: {', '.join(parts)}"


def _trouble_lines(body: dict[str, Any], since: datetime) -> list[str]:
    used = [row for row in body["limits"]["rows"] if row["ratio"] is not None][:1]
    lines = [f"  Most used limit: {row['label']}, {row['ratio']:.0%}" for row in used]
    worst = [row for row in body["stress"]["crises"] if "loss" in row][:1]
    lines += [f"  Worst crisis: {row['title']}, loss {row['loss']:.1%}" for row in worst]
    lines += [
        f"  Emergency stop of {stop['scope']}: {stop['state']}. {stop['cause']}"
        for stop in body["stops"]
        if stop["state"] != "ok"
    ]
    new = [row for row in body["breaches"]["rows"] if row["at"] >= since.isoformat()]
    return [*lines, f"  Refused or breached since {since:%Y-%m-%d %H:%M} UTC: {len(new)}"]


def _words(code: str) -> str:
    return code.replace("_", " ")
