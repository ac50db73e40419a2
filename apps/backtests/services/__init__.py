"""Every write of backtests: runs, studies, proposals."""

from apps.backtests.services.reruns import (
    rerun_after,
    rerun_left,
    rerun_readers,
    run_reruns,
)
from apps.backtests.services.runs import (
    archive_run,
    create_backtest,
    propose_run,
    run_backtest,
)
from apps.backtests.services.studies import add_to_study, create_study

__all__ = [
    "add_to_study",
    "archive_run",
    "create_backtest",
    "create_study",
    "propose_run",
    "rerun_after",
    "rerun_left",
    "rerun_readers",
    "run_backtest",
    "run_reruns",
]
