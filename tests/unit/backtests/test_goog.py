"""SMA 10/30 on GOOG, long and short in whole shares: backtesting.py run beside the engine.

The figures named REFERENCE are asserted by backtesting.py's own suite (test_compute_stats).
"""

import warnings

import numpy as np
import pytest

from apps.backtests.kernel import engine
from apps.market.kernel.bars import Panel
from apps.strategies.library.sma_crossover import SmaCrossover

REFERENCE = {
    "trades": 66,
    "equity_final": 51422.98999999996,
    "equity_peak": 75787.44,
    "best": 0.5359595229490424,
    "worst": -0.1839887353835481,
    "win_rate": 0.4696969696969697,
    "max_drawdown": 0.4798012707005589,
}
PARAMS = {"fast": 10, "slow": 30, "short": True}


@pytest.fixture(scope="module")
def goog():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting.test import GOOG
    return GOOG


@pytest.fixture(scope="module")
def panel(goog):
    columns = {n.lower(): goog[[n]].to_numpy(float) for n in ("Open", "High", "Low", "Close")}
    volume = goog[["Volume"]].to_numpy(float)
    ts = goog.index.as_unit("us").asi8
    return Panel(("GOOG",), ts, volume=volume, timeframe="1d", **columns)


def peer(goog, *, finalize, commission=0.0, cash=10_000):
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover
    from backtesting.test import SMA

    class Cross(Strategy):
        def init(self):
            self.fast = self.I(SMA, self.data.Close, 10)
            self.slow = self.I(SMA, self.data.Close, 30)

        def next(self):
            if crossover(self.fast, self.slow):
                self.position.close()
                self.buy()
            elif crossover(self.slow, self.fast):
                self.position.close()
                self.sell()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test = Backtest(goog, Cross, cash=cash, commission=commission, finalize_trades=finalize)
        return test.run()


def ours(panel, **terms):
    targets = SmaCrossover().targets(panel, PARAMS)
    return engine.run(panel, targets, cash=10_000.0, units="whole", **terms)


def test_finalized_run_equals_the_reference(panel):
    result = ours(panel, finalize=True)
    trades = result.trades
    drawdown = 1 - result.equity / np.maximum.accumulate(result.equity)
    assert {
        "trades": len(trades),
        "equity_final": result.equity[-1],
        "equity_peak": result.equity.max(),
        "best": trades.returns.max(),
        "worst": trades.returns.min(),
        "win_rate": (trades.pnl > 0).mean(),
        "max_drawdown": drawdown.max(),
    } == pytest.approx(REFERENCE, rel=1e-8)


def test_trades_equal_backtesting_py_one_by_one(panel, goog):
    theirs, mine = peer(goog, finalize=True)["_trades"], ours(panel, finalize=True).trades
    for name, values in {
        "Size": mine.size,
        "EntryBar": mine.entry_bar,
        "EntryPrice": mine.entry_price,
        "ExitPrice": mine.exit_price,
        "PnL": mine.pnl,
    }.items():
        np.testing.assert_allclose(values, theirs[name].to_numpy(), rtol=1e-12, atol=1e-9)


def test_run_marked_at_the_last_close_equals_backtesting_py_left_open(panel, goog):
    theirs, mine = peer(goog, finalize=False), ours(panel)
    curve = theirs["_equity_curve"]["Equity"].to_numpy()
    np.testing.assert_allclose(mine.equity, curve, rtol=1e-12)
    assert theirs["# Trades"] == len(mine.trades) - mine.trades.is_open.sum()
    assert mine.equity[-1] == pytest.approx(theirs["Equity Final [$]"], rel=1e-12)
