"""Bars and metrics in and out of the database as arrays, by binary COPY."""

from apps.market.store.access import check_owner, lock_dataset
from apps.market.store.actions import Factored, write_actions
from apps.market.store.bars import Written, withdraw_bars, write_bars
from apps.market.store.cards import write_cards
from apps.market.store.metrics import Figures, read_metric, write_metric
from apps.market.store.panel_cache import Laid, find_panel, keep_panel
from apps.market.store.provenance import Change, Stretch, changes_of, stretches_of
from apps.market.store.reading import read_bars

__all__ = [
    "Change",
    "Factored",
    "Figures",
    "Laid",
    "Stretch",
    "Written",
    "changes_of",
    "check_owner",
    "find_panel",
    "keep_panel",
    "lock_dataset",
    "read_bars",
    "read_metric",
    "stretches_of",
    "withdraw_bars",
    "write_actions",
    "write_bars",
    "write_cards",
    "write_metric",
]
