"""Every read of backtests: runs, their curves and figures, studies."""

from apps.backtests.kernel.files import measure_file
from apps.backtests.kernel.indicator_files import indicator_file, read_params
from apps.backtests.selectors.comparisons import comparison, runs_to_compare
from apps.backtests.selectors.evidence import measured_of
from apps.backtests.selectors.exports import export_of
from apps.backtests.selectors.inputs import (
    benchmark_of,
    check_assets,
    panel_of,
    request_to_begin,
    simulate,
    title_of,
)
from apps.backtests.selectors.reruns import reruns_of, state_of_rerun
from apps.backtests.selectors.results import (
    artifact_of,
    curves_of,
    equity_json,
    get_curves,
    iso,
    monthly_rows,
    open_positions,
    positions_of,
    price_panel,
    rows_of,
    subtitle_of,
    symbols_traded,
    table_of,
)
from apps.backtests.selectors.runs import (
    count_trials,
    get_done_run,
    get_run,
    list_runs,
    list_strategy_names,
    list_studies,
    run_detail,
    run_summary,
    sorted_runs,
    status_of,
    study_row,
)

__all__ = [
    "artifact_of",
    "benchmark_of",
    "check_assets",
    "comparison",
    "count_trials",
    "curves_of",
    "equity_json",
    "export_of",
    "get_curves",
    "get_done_run",
    "get_run",
    "indicator_file",
    "iso",
    "list_runs",
    "list_strategy_names",
    "list_studies",
    "measure_file",
    "measured_of",
    "monthly_rows",
    "open_positions",
    "panel_of",
    "positions_of",
    "price_panel",
    "read_params",
    "request_to_begin",
    "reruns_of",
    "rows_of",
    "run_detail",
    "run_summary",
    "runs_to_compare",
    "simulate",
    "sorted_runs",
    "state_of_rerun",
    "status_of",
    "study_row",
    "subtitle_of",
    "symbols_traded",
    "table_of",
    "title_of",
]
