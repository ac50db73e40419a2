"""Writes of risk: limits, reports, breaches."""

from apps.risk.services.breaches import note_breaches
from apps.risk.services.limits import (
    LIMITS,
    MIN_REASON,
    Change,
    change_limits,
    set_agreed,
    set_limits,
)
from apps.risk.services.reports import (
    MAX_COLUMNS,
    create_report,
    keep_live_report,
    measure_columns,
)
from apps.risk.services.stops import end_cool_downs, propose_stop_resume, resume_stop, watch

__all__ = [
    "LIMITS",
    "MAX_COLUMNS",
    "MIN_REASON",
    "Change",
    "change_limits",
    "create_report",
    "end_cool_downs",
    "keep_live_report",
    "measure_columns",
    "note_breaches",
    "propose_stop_resume",
    "resume_stop",
    "set_agreed",
    "set_limits",
    "watch",
]
