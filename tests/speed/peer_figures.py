"""What other backtesters make of the same bars, kept in tests/data/peers: fills, cash, equity.

``python -m tests.speed.peer_figures`` runs the peers that are installed and writes their files. It
sees nothing of the lab but the bundled bars, which pandas reads; averages and ranks are the
peers' own, or plain pandas.
"""

import importlib.metadata
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
BARS = ROOT / "data" / "sample" / "sp500_daily.parquet"
FOLDER = ROOT / "tests" / "data" / "peers"
FAST, SLOW, SHARES, CASH, FEE = 20, 100, 100, 100_000.0, 0.001
SYMBOL, START, END = "XOM", "2007-01-01", "2017-01-01"
NAMES, HELD, BACK, SKIP, CAPITAL = 40, 5, 252, 21, 1_000_000.0
PORTFOLIO_END = "2011-01-01"
FIELDS = ("open", "high", "low", "close", "volume")


def one():
    """Return the raw bars of one share without a split, by day."""
    bars = pd.read_parquet(BARS, columns=["symbol", "ts", *FIELDS])
    days = (bars["ts"] >= START) & (bars["ts"] < END) & (bars["symbol"] == SYMBOL)
    found = bars[days].set_index("ts")[list(FIELDS)].astype(float)
    found.index = found.index.tz_localize(None).as_unit("ns")
    return found


def many():
    """Return opens and closes of the shares that have every bar."""
    bars = pd.read_parquet(BARS, columns=["symbol", "ts", "open", "close"])
    names = sorted(bars["symbol"].unique())[:NAMES]
    days = (bars["ts"] >= START) & (bars["ts"] < PORTFOLIO_END) & bars["symbol"].isin(names)
    wide = bars[days].pivot_table(index="ts", columns="symbol", values=["open", "close"])
    wide.index = wide.index.tz_localize(None).as_unit("ns")
    whole = wide["close"].notna().all() & wide["open"].notna().all()
    return tuple(wide[n].loc[:, whole].astype(float) for n in ("open", "close"))


def momentum(close):
    """Return equal weights on the winners at the first close of each month, by plain pandas."""
    score = (close.shift(SKIP) / close.shift(BACK) - 1.0).dropna()
    months = score.index.to_period("M")
    first = score[np.r_[True, months[1:] != months[:-1]]]
    rank = first.rank(axis=1, ascending=False, method="first")
    return (rank <= HELD) / HELD


def _day(moment):
    return str(pd.Timestamp(moment).date())


def _told(fills, equity, cash=None):
    return {
        "fills": [[_day(d), float(q), float(p)] for d, q, p in fills],
        "equity": [round(float(value), 6) for value in equity],
        "cash": None if cash is None else [round(float(value), 6) for value in cash],
    }


def backtesting_shares():
    """Return the crossover in whole shares by backtesting.py."""
    from backtesting import Backtest, Strategy

    bars = one().rename(columns=str.capitalize)

    class Cross(Strategy):
        def init(self):
            mean = lambda values, n: pd.Series(values).rolling(n).mean()  # noqa: E731
            self.fast = self.I(mean, self.data.Close, FAST)
            self.slow = self.I(mean, self.data.Close, SLOW)

        def next(self):
            if self.fast[-1] > self.slow[-1] and not self.position:
                self.buy(size=SHARES)
            elif self.fast[-1] < self.slow[-1] and self.position:
                self.position.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Backtest(bars, Cross, cash=CASH, commission=FEE, finalize_trades=False).run()
    trades = found["_trades"]
    fills = [(t.EntryTime, t.Size, t.EntryPrice) for t in trades.itertuples()]
    fills += [(t.ExitTime, -t.Size, t.ExitPrice) for t in trades.itertuples()]
    for trade in found["_strategy"].trades:  # still open at the end
        fills.append((trade.entry_time, trade.size, trade.entry_price))
    return _told(sorted(fills), found["_equity_curve"]["Equity"])


def vectorbt_shares():
    """Return the crossover in whole shares by vectorbt."""
    return _vectorbt(size=SHARES, size_type="amount")


def vectorbt_all_in():
    """Return the crossover with all cash by vectorbt."""
    return _vectorbt()


def _vectorbt(**size):
    import vectorbt as vbt

    bars = one()
    fast = vbt.MA.run(bars["close"], FAST).ma
    slow = vbt.MA.run(bars["close"], SLOW).ma
    above = (fast > slow).shift(1, fill_value=False)
    below = (fast < slow).shift(1, fill_value=False)
    found = vbt.Portfolio.from_signals(
        bars["close"],
        above,
        below,
        price=bars["open"],
        init_cash=CASH,
        fees=FEE,
        freq="1D",
        **size,
    )
    orders = found.orders.records
    sign = np.where(orders["side"] == 0, 1.0, -1.0)
    fills = zip(bars.index[orders["idx"]], orders["size"] * sign, orders["price"], strict=True)
    return _told(fills, found.value(), found.cash())


def backtrader_shares():
    """Return the crossover in whole shares by backtrader."""
    import backtrader as bt

    class Cross(bt.Strategy):
        def __init__(self):
            self.fast = bt.ind.SMA(self.data.close, period=FAST)
            self.slow = bt.ind.SMA(self.data.close, period=SLOW)
            self.curve, self.fills = [], []

        def prenext(self):
            self.curve.append((self.broker.getvalue(), self.broker.getcash()))

        def next(self):
            self.prenext()
            if self.fast[0] > self.slow[0] and not self.position:
                self.buy(size=SHARES)
            elif self.fast[0] < self.slow[0] and self.position:
                self.close()

        def notify_order(self, order):
            if order.status == order.Completed:
                done = order.executed
                self.fills.append((bt.num2date(done.dt), done.size, done.price))

    cerebro = bt.Cerebro()
    cerebro.adddata(bt.feeds.PandasData(dataname=one()))
    cerebro.addstrategy(Cross)
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(commission=FEE)
    ran = cerebro.run()[0]
    equity, cash = zip(*ran.curve, strict=True)
    return _told(ran.fills, equity, cash)


def vectorbt_momentum():
    """Return the monthly portfolio by vectorbt: target shares at the next open, free of costs."""
    import vectorbt as vbt

    opens, close = many()
    wanted = momentum(close).reindex(close.index).shift(1)
    found = vbt.Portfolio.from_orders(
        close,
        size=wanted,
        size_type="targetpercent",
        price=opens,
        init_cash=CAPITAL,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1d",
    )
    orders = found.orders.records
    sign = np.where(orders["side"] == 0, 1.0, -1.0)
    days, names = close.index[orders["idx"]], close.columns[orders["col"]]
    told = _told([], found.value(), found.cash())
    sizes = zip(days, names, orders["size"] * sign, orders["price"], strict=True)
    told["fills"] = sorted([_day(d), str(n), float(q), float(p)] for d, n, q, p in sizes)
    return told


def bt_momentum():
    """Return the monthly portfolio by bt, which trades at the close that decides."""
    return _bt(0.0)


def bt_momentum_fees():
    """Return the same with a fee on every trade."""
    return _bt(FEE)


def _bt(fee):
    import bt

    _, close = many()
    weights = momentum(close)
    steps = [bt.algos.RunOnDate(*weights.index), bt.algos.WeighTarget(weights)]
    strategy = bt.Strategy("momentum", [*steps, bt.algos.Rebalance()])
    charged = (lambda quantity, price: abs(quantity) * price * fee) if fee else None
    test = bt.Backtest(
        strategy,
        close,
        initial_capital=CAPITAL,
        commissions=charged,
        integer_positions=False,
        progress_bar=False,
    )
    bt.run(test)
    # bt puts a day before the first one.
    worth, cash = test.strategy.values, test.strategy.cash  # noqa: PD011 a series of bt's
    told = _told([], worth.iloc[1:], cash.iloc[1:])
    held = test.positions.iloc[1:]
    moved = held.diff().fillna(held)
    told["fills"] = sorted(
        [_day(day), str(name), float(size), float(close.loc[day, name])]
        for (day, name), size in moved.stack().items()  # noqa: PD013 a series is wanted
        if abs(size) > 1e-9
    )
    return told


CASES = {
    "backtesting_shares": ("backtesting", backtesting_shares),
    "vectorbt_shares": ("vectorbt", vectorbt_shares),
    "vectorbt_all_in": ("vectorbt", vectorbt_all_in),
    "backtrader_shares": ("backtrader", backtrader_shares),
    "vectorbt_momentum": ("vectorbt", vectorbt_momentum),
    "bt_momentum": ("bt", bt_momentum),
    "bt_momentum_fees": ("bt", bt_momentum_fees),
}


def version_of(package):
    """Return the installed version; None when it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    for name, (package, figure) in CASES.items():
        version = version_of(package)
        if version is None:
            sys.stderr.write(f"{package} is not installed: {name}.json stays as it is\n")
            continue
        body = {"peer": package, "version": version, **figure()}
        (FOLDER / f"{name}.json").write_text(json.dumps(body) + "\n", encoding="utf-8")
        sys.stdout.write(f"{name}: {package} {version}, {len(body['fills'])} fills, "
                         f"{body['equity'][-1]:.2f}\n")  # fmt: skip


if __name__ == "__main__":
    main()
