"""Reads of risk: limits in force, reports, breaches."""

from apps.risk.selectors.breaches import list_breaches
from apps.risk.selectors.limits import (
    LimitsView,
    check_subject,
    get_limits,
    limits_as_dict,
    list_limit_versions,
    strategy_limits,
)
from apps.risk.selectors.reports import (
    get_report,
    list_books,
    list_reports,
    report_as_dict,
    shown_books,
)
from apps.risk.selectors.stops import (
    blocking_among,
    find_marks,
    get_stop,
    hold_blocking,
    list_blocking,
    list_stops,
    stop_json,
    watch_of,
)

__all__ = [
    "LimitsView",
    "blocking_among",
    "check_subject",
    "find_marks",
    "get_limits",
    "get_report",
    "get_stop",
    "hold_blocking",
    "limits_as_dict",
    "list_blocking",
    "list_books",
    "list_breaches",
    "list_limit_versions",
    "list_reports",
    "list_stops",
    "report_as_dict",
    "shown_books",
    "stop_json",
    "strategy_limits",
    "watch_of",
]
