"""Bars and metrics in and out of the database as arrays, by binary COPY."""

from apps.market.store.access import check_owner, lock_dataset
from apps.market.store.actions import (
    Factored,
    Noted,
    read_amounts,
    read_factors,
    withdraw_actions,
    write_actions,
)
from apps.market.store.bars import Written, withdraw_bars, write_bars
from apps.market.store.cards import write_cards
from apps.market.store.edition import Edition, find_edition
from apps.market.store.longer import read_longer_bars
from apps.market.store.metrics import Figures, metric_kinds, read_metric, write_metric
from apps.market.store.opens import count_opens, next_open
from apps.market.store.overview import Hypertable, Storage, describe_storage
from apps.market.store.panel_cache import Laid, find_panel, keep_panel
from apps.market.store.provenance import (
    ActionChange,
    Change,
    FigureChange,
    Stretch,
    actions_changed,
    changes_of,
    figures_changed,
    rows_by_batch,
    stretches_of,
)
from apps.market.store.reading import read_bars
from apps.market.store.reference import (
    Spell,
    Ticker,
    withdraw_members,
    write_members,
    write_renames,
)
from apps.market.store.retention import Dropped, drop_minutes, list_outlived
from apps.market.store.rollups import note_rollups
from apps.market.store.setting_up import set_up
from apps.market.store.touched import Touched

__all__ = [
    "ActionChange",
    "Change",
    "Dropped",
    "Edition",
    "Factored",
    "FigureChange",
    "Figures",
    "Hypertable",
    "Laid",
    "Noted",
    "Spell",
    "Storage",
    "Stretch",
    "Ticker",
    "Touched",
    "Written",
    "actions_changed",
    "changes_of",
    "check_owner",
    "count_opens",
    "describe_storage",
    "drop_minutes",
    "figures_changed",
    "find_edition",
    "find_panel",
    "keep_panel",
    "list_outlived",
    "lock_dataset",
    "metric_kinds",
    "next_open",
    "note_rollups",
    "read_amounts",
    "read_bars",
    "read_factors",
    "read_longer_bars",
    "read_metric",
    "rows_by_batch",
    "set_up",
    "stretches_of",
    "withdraw_actions",
    "withdraw_bars",
    "withdraw_members",
    "write_actions",
    "write_bars",
    "write_cards",
    "write_members",
    "write_metric",
    "write_renames",
]
