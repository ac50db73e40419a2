"""Compiled loops of backtests: arrays and scalars only. Import this inside functions."""

from apps.backtests.kernel.loops.market import play_full, step_bar
from apps.backtests.kernel.loops.plain import (
    curve_2d,
    play_1d,
    play_2d,
    positions_2d,
    sparse_2d,
)
from apps.backtests.kernel.loops.steps import ask_1d, mark_1d, trade_1d
from apps.backtests.kernel.loops.sweeps import N_FIGURES, crossovers_1d, sums_2d
from apps.backtests.kernel.loops.trips import excursions_1d, round_trips_1d
from apps.backtests.kernel.loops.walking import FAULTY, NO_ROOM, step_at

__all__ = [
    "FAULTY",
    "NO_ROOM",
    "N_FIGURES",
    "ask_1d",
    "crossovers_1d",
    "curve_2d",
    "excursions_1d",
    "mark_1d",
    "play_1d",
    "play_2d",
    "play_full",
    "positions_2d",
    "round_trips_1d",
    "sparse_2d",
    "step_at",
    "step_bar",
    "sums_2d",
    "trade_1d",
]
