"""The same rules played by vectorbt and backtrader on real bars, where they are installed."""

import datetime

import numpy as np
import pytest

from apps.backtests.kernel import engine
from apps.strategies.kernel.decisions import decisions_of
from apps.strategies.library.momentum_12_1 import Momentum121
from apps.strategies.library.sma_crossover import SmaCrossover
from tests.unit.backtests.test_goog import goog as goog
from tests.unit.backtests.test_goog import panel as panel
from tests.unit.strategies.panels import sp500

FEE = 10.0


def test_crossover_equals_vectorbt_to_the_cent(panel, goog):
    vbt = pytest.importorskip("vectorbt")
    closes, opens = goog["Close"], goog["Open"]
    fast, slow = closes.rolling(10).mean(), closes.rolling(30).mean()
    entries = (fast > slow).shift(1, fill_value=False)
    exits = (fast < slow).shift(1, fill_value=False)
    theirs = vbt.Portfolio.from_signals(
        closes, entries, exits, price=opens, init_cash=1e4, fees=FEE / 1e4, freq="1D"
    )
    params = {"fast": 10, "slow": 30, "short": False}
    mine = engine.run(panel, decisions_of(SmaCrossover(), panel, params), cash=1e4, fee_bps=FEE)
    np.testing.assert_allclose(mine.equity, theirs.value().to_numpy(), atol=0.005, rtol=0)
    assert len(mine.trades) == theirs.trades.count()


def test_crossover_equals_backtrader_to_the_cent(panel, goog):
    bt = pytest.importorskip("backtrader")

    class Cross(bt.Strategy):
        def __init__(self):
            self.fast = bt.ind.SMA(self.data.close, period=10)
            self.slow = bt.ind.SMA(self.data.close, period=30)

        def next(self):
            above = self.fast[0] > self.slow[0]
            if above and not self.position:
                self.buy(size=7)
            elif self.fast[0] < self.slow[0] and self.position:
                self.close()

    class Equity(bt.Analyzer):
        def start(self):
            self.values = []

        def prenext(self):
            self.values.append(self.strategy.broker.getvalue())

        next = nextstart = prenext

        def get_analysis(self):
            return self.values

    cerebro = bt.Cerebro()
    cerebro.adddata(bt.feeds.PandasData(dataname=goog))
    cerebro.addstrategy(Cross)
    cerebro.addanalyzer(Equity, _name="equity")
    cerebro.broker.setcash(1e4)
    cerebro.broker.setcommission(commission=FEE / 1e4)
    theirs = np.array(cerebro.run()[0].analyzers.equity.get_analysis())
    from apps.strategies.kernel.orders import Order

    params = {"fast": 10, "slow": 30, "short": False}
    decided = decisions_of(SmaCrossover(), panel, params)
    orders = [
        (int(bar), Order(0, 7.0 if weight else -7.0))
        for bar, weight in zip(decided.bars, decided.weights[:, 0], strict=True)
    ]
    none = np.full(panel.close.shape, np.nan)
    mine = engine.run(panel, none, cash=1e4, fee_bps=FEE, orders=orders)
    np.testing.assert_allclose(mine.equity, theirs, atol=0.005, rtol=0)
    assert isinstance(goog.index[0], datetime.datetime)


def test_monthly_momentum_equals_vectorbt_to_the_cent():
    vbt = pytest.importorskip("vectorbt")
    import pandas as pd

    bars = sp500(40, "2007-01-01", "2011-01-01")
    whole = np.isfinite(bars.close).all(axis=0) & np.isfinite(bars.open).all(axis=0)
    names = tuple(np.array(bars.symbols)[whole])
    fields = {n: getattr(bars, n)[:, whole].copy() for n in ("open", "high", "low", "close")}
    from apps.market.kernel.bars import Panel

    held = Panel(names, bars.ts, volume=bars.volume[:, whole].copy(), timeframe="1d", **fields)
    params = {"top": 5, "rebalance": "monthly", "lookback": 252, "skip": 21}
    mine = engine.run(held, decisions_of(Momentum121(), held, params), cash=1e6, fee_bps=FEE)
    # vectorbt sizes a target before its fee; it is asked for the units sized after it.
    units = np.full(held.close.shape, np.nan)
    traded = np.unique(mine.fills.bar)
    units[traded] = mine.positions[traded]
    index = pd.DatetimeIndex(held.ts.astype("datetime64[us]"))
    theirs = vbt.Portfolio.from_orders(
        pd.DataFrame(held.close, index, names),
        size=units,
        size_type="targetamount",
        price=pd.DataFrame(held.open, index, names),
        fees=FEE / 1e4,
        init_cash=1e6,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1d",
    )
    assert len(traded) > 30
    np.testing.assert_allclose(mine.equity, theirs.value().to_numpy(), atol=0.005, rtol=0)
