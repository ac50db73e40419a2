"""Fields and rows of the pages of backtests."""

from apps.backtests.forms.asking import new_run, own_entry
from apps.backtests.forms.gauntlets import gauntlet_part
from apps.backtests.forms.listing import column_choices, objectives, run_cells, run_columns
from apps.backtests.forms.pages import (
    STATUSES,
    headlines,
    metric_rows,
    swept,
    tail_rows,
    trial_cells,
    trial_columns,
)
from apps.backtests.forms.reshuffles import reshuffled_part
from apps.backtests.forms.run_tabs import factor_rows, run_tabs
from apps.backtests.forms.shares import share_choices, shared_rows
from apps.backtests.forms.tables import run_table, table_cells

__all__ = [
    "STATUSES",
    "column_choices",
    "factor_rows",
    "gauntlet_part",
    "headlines",
    "metric_rows",
    "new_run",
    "objectives",
    "own_entry",
    "reshuffled_part",
    "run_cells",
    "run_columns",
    "run_table",
    "run_tabs",
    "share_choices",
    "shared_rows",
    "swept",
    "table_cells",
    "tail_rows",
    "trial_cells",
    "trial_columns",
]
