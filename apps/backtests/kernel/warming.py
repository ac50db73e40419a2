"""Compiled loops are built before anybody waits for them; the machine code is kept on disk."""

from __future__ import annotations

import numpy as np

from apps.backtests.kernel import engine
from apps.backtests.kernel.integrity.effective import effective_trials
from apps.backtests.kernel.integrity.gauntlet import score_of
from apps.backtests.kernel.integrity.gauntlet_bars import (
    BOOTSTRAPPED,
    FLIPPED,
    PHASES,
    Bars,
    past_of,
)
from apps.backtests.kernel.integrity.overfitting import block_sums, overfitting
from apps.backtests.kernel.integrity.reshuffles import METHODS, reshuffle
from apps.backtests.kernel.integrity.worlds import keys_of
from apps.backtests.kernel.intervals import return_intervals
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.orders import Intents, Order

DAY = 86_400_000_000


def warm() -> int:
    """Play a few bars through every loop of the engine; return how many fills that made.

    What was compiled before is only read from the disk.
    """
    found = 0
    for n_assets in (1, 2):
        panel = _bars(n_assets)
        targets = np.full(panel.close.shape, np.nan)
        targets[0] = 0.5
        for full in (False, True):
            result = engine.run(panel, targets, cash=1e4, fee_bps=5.0, full=full)
            found += len(result.fills) + len(result.trades)
            score_of(result, 252.0)
            _ = result.curve, result.positions
        guard = Order(0, -np.inf, "stop", price=1.0, reduce_only=True)
        intents = Intents(targets[0], (guard,))
        for answer in (targets[0], intents):
            by_bar = engine.run_events(
                panel,
                {},
                lambda view, answer=answer: answer if view.i == 0 else None,  # type: ignore[misc]
                cash=1e4,
                full=isinstance(answer, Intents),
            )
            found += len(by_bar.fills)
    waves = np.sin(np.outer(np.arange(1.0, 33.0), np.arange(1.0, 5.0)))
    for method in METHODS:
        reshuffle(waves[:, 0] * 0.01, method, None, 0)
    _ = overfitting(block_sums(waves)), effective_trials(waves)
    ts, some = np.arange(32, dtype=np.int64) * DAY, waves[:, 0] * 0.01
    return_intervals(some, waves[:, 1] * 0.01, ts, periods=252.0, seed=0, worlds=2)
    past = past_of(_bars(2, 32))
    for kind in (BOOTSTRAPPED, FLIPPED, PHASES):
        Bars(past, kind).panel(keys_of(0, 1)[0])
    return found


def _bars(n_assets: int, n_bars: int = 8) -> Panel:
    prices = np.tile(np.linspace(10.0, 12.0, n_bars)[:, None], (1, n_assets))
    ts = np.arange(n_bars, dtype=np.int64) * DAY
    names = tuple(f"A{k}" for k in range(n_assets))
    return Panel(
        names, ts, prices, prices + 0.1, prices - 0.1, prices.copy(), np.ones_like(prices), "1d"
    )
