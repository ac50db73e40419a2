"""Bars and metrics in and out of the database as arrays, by binary COPY."""

from apps.market.store.access import check_owner, lock_dataset
from apps.market.store.bars import Written, withdraw_bars, write_bars
from apps.market.store.cards import write_cards
from apps.market.store.metrics import Figures, read_metric, write_metric
from apps.market.store.reading import read_bars

__all__ = [
    "Figures",
    "Written",
    "check_owner",
    "lock_dataset",
    "read_bars",
    "read_metric",
    "withdraw_bars",
    "write_bars",
    "write_cards",
    "write_metric",
]
