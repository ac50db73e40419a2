"""Reads of risk: limits in force, reports, breaches."""

from apps.risk.selectors.books import (
    History,
    Holding,
    get_history,
    get_holding,
    list_subjects,
)
from apps.risk.selectors.breaches import list_breaches
from apps.risk.selectors.grades import (
    fan_of,
    get_grade,
    grade_as_dict,
    grade_rows,
    list_grades,
    model_in_force,
    newest_grades,
)
from apps.risk.selectors.guard import guard_page
from apps.risk.selectors.limits import (
    LimitsView,
    check_subject,
    get_limits,
    limits_as_dict,
    list_limit_versions,
    list_sets,
    strategy_limits,
)
from apps.risk.selectors.live import find_books, live_state, models_in_force
from apps.risk.selectors.pages import grades_page, stress_page
from apps.risk.selectors.reports import (
    get_report,
    list_books,
    list_reports,
    report_as_dict,
    shown_books,
)
from apps.risk.selectors.stops import (
    blocking_among,
    get_stop,
    hold_blocking,
    list_blocking,
    list_stops,
    stop_json,
    watch_of,
)
from apps.risk.selectors.stress import (
    factors_of,
    get_scenario,
    list_scenarios,
    scenario_versions,
    stress_book,
    try_shocks,
)
from apps.risk.selectors.what_if import get_what_if, what_if_proposed
from apps.risk.selectors.what_if_shown import show_orders, show_proposed

__all__ = [
    "History",
    "Holding",
    "LimitsView",
    "blocking_among",
    "check_subject",
    "factors_of",
    "fan_of",
    "find_books",
    "get_grade",
    "get_history",
    "get_holding",
    "get_limits",
    "get_report",
    "get_scenario",
    "get_stop",
    "get_what_if",
    "grade_as_dict",
    "grade_rows",
    "grades_page",
    "guard_page",
    "hold_blocking",
    "limits_as_dict",
    "list_blocking",
    "list_books",
    "list_breaches",
    "list_grades",
    "list_limit_versions",
    "list_reports",
    "list_scenarios",
    "list_sets",
    "list_stops",
    "list_subjects",
    "live_state",
    "model_in_force",
    "models_in_force",
    "newest_grades",
    "report_as_dict",
    "scenario_versions",
    "show_orders",
    "show_proposed",
    "shown_books",
    "stop_json",
    "strategy_limits",
    "stress_book",
    "stress_page",
    "try_shocks",
    "watch_of",
    "what_if_proposed",
]
