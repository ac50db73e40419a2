"""500 names, 5,000 days, monthly the 50 of highest 12-1 momentum in equal weights, 10 bps.

The lab computes momentum, chooses, sizes and values. vectorbt is given the same choice and, since
it sizes a target before its fee, the units that were sized after it; it computes the momentum on
the days of decision, fills and values. Equity is compared on every day.

bt trades at closes only, so against it both fill at the close after the one that decided. It
ranks and chooses by its own algorithms, and is given the units that were sized after the fee too.
"""

import warnings

import numpy as np

from tests.speed.backtest import CASH, timed

NAMES, BARS, TOP, LOOKBACK, SKIP, FEE = 500, 5_000, 50, 252, 21, 10.0
ROUNDS = 7


def panel():
    from apps.market.kernel.bars import Panel

    rng = np.random.default_rng(7)
    close = 50 * np.exp(np.cumsum(rng.normal(0.0002, 0.02, (BARS, NAMES)), axis=0))
    open_ = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.003, close.shape))
    days = np.arange("2000-01-03", "2030-01-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)][:BARS].astype("datetime64[us]").astype(np.int64)
    symbols = tuple(f"S{i:03}" for i in range(NAMES))
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return Panel(symbols, days, open_, high, low, close, np.ones_like(close), "1d")


def lab(bars, fill="next_open"):
    from apps.backtests.kernel import engine
    from apps.strategies.kernel.decisions import decisions_of
    from apps.strategies.library.momentum_12_1 import Momentum121

    params = {"top": TOP, "rebalance": "monthly", "lookback": LOOKBACK, "skip": SKIP}
    strategy = Momentum121()

    def once():
        decided = decisions_of(strategy, bars, params)
        return engine.run(bars, decided, cash=CASH, fee_bps=FEE, fill=fill)

    return once


def vectorbt(bars, units):
    """Return a function to equity by day; ``units`` are wanted, NaN where nothing changes."""
    import pandas as pd
    import vectorbt as vbt

    index = pd.DatetimeIndex(bars.ts.astype("datetime64[us]"))
    closes = pd.DataFrame(bars.close, index, bars.symbols)
    opens = pd.DataFrame(bars.open, index, bars.symbols)

    def once():
        momentum = (closes.shift(SKIP) / closes.shift(LOOKBACK) - 1.0).to_numpy()
        first = np.r_[False, index.month[1:] != index.month[:-1]]
        for i in np.flatnonzero(first & np.isfinite(momentum).all(axis=1)):
            np.argpartition(-momentum[i], TOP)
        found = vbt.Portfolio.from_orders(
            closes,
            size=units,
            size_type="targetamount",
            price=opens,
            fees=FEE / 1e4,
            init_cash=CASH,
            cash_sharing=True,
            group_by=True,
            call_seq="auto",
            freq="1d",
        )
        return found.value().to_numpy()

    return once


def bt(bars, result):
    """Return a function to equity by day and what was chosen on each day of trading."""
    import bt as peer
    import pandas as pd

    index = pd.DatetimeIndex(bars.ts.astype("datetime64[us]"))
    closes = pd.DataFrame(bars.close, index, bars.symbols)
    held = np.vstack([np.zeros((1, NAMES)), result.positions])
    changes = held[1:] - held[:-1]
    days = index[np.unique(result.fills.bar)]
    units = {day: changes[index.get_loc(day)] for day in days}

    class Trade(peer.Algo):
        def __call__(self, target):
            target.perm.setdefault("chosen", {})[target.now] = target.temp["selected"]
            change = units[target.now]
            # Sales first: they pay for what is bought.
            for column in (*np.flatnonzero(change < 0.0), *np.flatnonzero(change > 0.0)):
                target.transact(change[column], child=bars.symbols[column])
            return True

    def once():
        before = pd.offsets.BDay(LOOKBACK - SKIP)
        algos = [
            peer.algos.RunOnDate(*days),
            peer.algos.SelectAll(),
            peer.algos.SelectMomentum(TOP, lookback=before, lag=pd.offsets.BDay(SKIP + 1)),
            Trade(),
        ]
        test = peer.Backtest(
            peer.Strategy("momentum", algos),
            closes,
            initial_capital=CASH,
            commissions=lambda units, price: abs(units) * price * FEE / 1e4,
            integer_positions=False,
            progress_bar=False,
        )
        test.run()
        found = test.strategy
        return np.asarray(found.values)[1:], found.perm["chosen"]

    return once


def portfolio_500():
    bars = panel()
    ours = lab(bars)
    result = ours()
    units = np.full(bars.close.shape, np.nan)
    traded = np.unique(result.fills.bar)
    units[traded] = result.positions[traded]
    theirs = vectorbt(bars, units)
    return timed_row("portfolio_500", "vectorbt", 40.0, ours, theirs, result.equity)


def portfolio_500_bt():
    bars = panel()
    ours = lab(bars, "next_close")
    result = ours()
    theirs = bt(bars, result)
    _, chosen = theirs()
    for day, names in chosen.items():
        at = np.searchsorted(bars.ts, np.datetime64(day, "us").astype(np.int64))
        held = {bars.symbols[column] for column in np.flatnonzero(result.positions[at])}
        assert held == set(names), day
    assert len(chosen) > 200
    return timed_row("portfolio_500_bt", "bt", 200.0, ours, lambda: theirs()[0], result.equity)


def timed_row(name, peer, goal, ours, theirs, equity):
    """Compare the equity of every day, then time both in turns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apart = float(np.abs(equity / theirs() - 1.0).max())
        assert apart < 1e-12, apart
        times = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
    value, peer_value = (1000 * np.median(column) for column in zip(*times, strict=True))
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "ms",
        "peer": peer,
        "peer_value": round(peer_value, 1),
        "ratio": round(peer_value / value, 1),
        "goal": goal,
        "checked": apart,
    }
