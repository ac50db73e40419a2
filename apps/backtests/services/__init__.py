"""Every write of backtests: runs, sweeps, studies, proposals."""

from apps.backtests.services.holdouts import mark_holdout
from apps.backtests.services.lanes import run_sweep
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
from apps.backtests.services.sweeps import (
    cancel_sweep,
    create_sweep,
    pause_sweep,
    resume_sweep,
    run_trial,
)
from apps.backtests.services.trials import count_search, follow_hypothesis, join_families

__all__ = [
    "add_to_study",
    "archive_run",
    "cancel_sweep",
    "count_search",
    "create_backtest",
    "create_study",
    "create_sweep",
    "follow_hypothesis",
    "join_families",
    "mark_holdout",
    "pause_sweep",
    "propose_run",
    "rerun_after",
    "rerun_left",
    "rerun_readers",
    "resume_sweep",
    "run_backtest",
    "run_reruns",
    "run_sweep",
    "run_trial",
]
