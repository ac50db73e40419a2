"""Writes of risk: limits, reports, breaches."""

from apps.risk.services.breaches import note_breaches
from apps.risk.services.grading import ask_for_grades, grade_book, run_grading, start_nightly
from apps.risk.services.limits import (
    LIMITS,
    MIN_REASON,
    Change,
    change_limits,
    set_agreed,
    set_limits,
)
from apps.risk.services.live import (
    LIVE_CHANGED,
    Teller,
    do_later,
    note_change,
    note_watch,
    start_teller,
    tell_changes,
)
from apps.risk.services.reports import (
    MAX_COLUMNS,
    create_report,
    keep_live_report,
    measure_columns,
    measure_held,
)
from apps.risk.services.scenarios import archive_scenario, save_scenario
from apps.risk.services.stops import end_cool_downs, propose_stop_resume, resume_stop, watch

__all__ = [
    "LIMITS",
    "LIVE_CHANGED",
    "MAX_COLUMNS",
    "MIN_REASON",
    "Change",
    "Teller",
    "archive_scenario",
    "ask_for_grades",
    "change_limits",
    "create_report",
    "do_later",
    "end_cool_downs",
    "grade_book",
    "keep_live_report",
    "measure_columns",
    "measure_held",
    "note_breaches",
    "note_change",
    "note_watch",
    "propose_stop_resume",
    "resume_stop",
    "run_grading",
    "save_scenario",
    "set_agreed",
    "set_limits",
    "start_nightly",
    "start_teller",
    "tell_changes",
    "watch",
]
