"""Every write of backtests: runs, sweeps, studies, proposals."""

from apps.backtests.services.artifacts import attach_file, keep_plot
from apps.backtests.services.deflation import refresh_deflated
from apps.backtests.services.gauntlets import create_gauntlet, run_gauntlet
from apps.backtests.services.holdouts import mark_holdout
from apps.backtests.services.lanes import run_sweep
from apps.backtests.services.marks import (
    edit_note,
    mark_runs,
    remove_view,
    save_view,
    tag_study,
    write_note,
)
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
from apps.backtests.services.studies import add_to_study, change_study, create_study
from apps.backtests.services.sweeps import (
    cancel_sweep,
    create_sweep,
    pause_sweep,
    resume_sweep,
    run_trial,
)
from apps.backtests.services.trials import count_search, follow_hypothesis, join_families
from apps.backtests.services.validations import (
    archive_validation,
    cancel_validation,
    create_validation,
    run_validation,
)

__all__ = [
    "add_to_study",
    "archive_run",
    "archive_validation",
    "attach_file",
    "cancel_sweep",
    "cancel_validation",
    "change_study",
    "count_search",
    "create_backtest",
    "create_gauntlet",
    "create_study",
    "create_sweep",
    "create_validation",
    "edit_note",
    "follow_hypothesis",
    "join_families",
    "keep_plot",
    "mark_holdout",
    "mark_runs",
    "pause_sweep",
    "propose_run",
    "refresh_deflated",
    "remove_view",
    "rerun_after",
    "rerun_left",
    "rerun_readers",
    "resume_sweep",
    "run_backtest",
    "run_gauntlet",
    "run_reruns",
    "run_sweep",
    "run_trial",
    "run_validation",
    "save_view",
    "tag_study",
    "write_note",
]
