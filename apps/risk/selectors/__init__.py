"""Reads of risk: limits in force, reports, breaches."""

from apps.risk.selectors.breaches import list_breaches
from apps.risk.selectors.limits import (
    LimitsView,
    check_subject,
    get_guard_limits,
    get_limits,
    limits_as_dict,
    list_limit_versions,
)
from apps.risk.selectors.reports import (
    get_report,
    list_books,
    list_reports,
    report_as_dict,
    shown_books,
)

__all__ = [
    "LimitsView",
    "check_subject",
    "get_guard_limits",
    "get_limits",
    "get_report",
    "limits_as_dict",
    "list_books",
    "list_breaches",
    "list_limit_versions",
    "list_reports",
    "report_as_dict",
    "shown_books",
]
