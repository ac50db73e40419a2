"""SMA 10/30 with fills, equity and trades, against vectorbt and backtesting.py.

The bars are a seeded random walk, so that every run measures the same work. The averages of the
lab decide at a close and fill at the next open; the peers are told to do the same, all cash, no
costs, fractional units for vectorbt, whole ones for backtesting.py.
"""

import json
import resource
import subprocess
import sys
import time
import warnings
from statistics import median

import numpy as np

FAST, SLOW, CASH = 10, 30, 1e6
ROUNDS = 7


def bars(n, freq):
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01 if freq == "1d" else 0.0005, n)))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0, 0.0005, n))
    step = 86_400_000_000 if freq == "1d" else 60_000_000
    ts = 946_684_800_000_000 + np.arange(n, dtype=np.int64) * step
    return ts, open_, close


def panel_of(ts, open_, close, freq):
    from apps.market.kernel.bars import Panel

    o, c = open_[:, None], close[:, None]
    high, low = np.maximum(o, c), np.minimum(o, c)
    return Panel(("X",), ts, o, high, low, c, np.ones_like(c), freq)


def lab(ts, open_, close, freq, units="fractional"):
    """Return a function from bars to final equity and number of trades."""
    from apps.backtests.kernel import engine
    from apps.strategies.kernel.decisions import decisions_of
    from apps.strategies.library.sma_crossover import SmaCrossover

    strategy, params = SmaCrossover(), {"fast": FAST, "slow": SLOW, "short": False}
    panel = panel_of(ts, open_, close, freq)

    def once():
        decided = decisions_of(strategy, panel, params)
        result = engine.run(panel, decided, cash=CASH, units=units)
        return result.equity[-1], len(result.trades)

    return once


def vectorbt(ts, open_, close, freq):
    import pandas as pd
    import vectorbt as vbt

    index = pd.DatetimeIndex(ts.astype("datetime64[us]"))
    opens, closes = pd.Series(open_, index), pd.Series(close, index)

    def once():
        fast, slow = vbt.MA.run(closes, FAST), vbt.MA.run(closes, SLOW)
        entries = fast.ma_above(slow).vbt.signals.fshift(1)
        exits = fast.ma_below(slow).vbt.signals.fshift(1)
        found = vbt.Portfolio.from_signals(
            closes, entries, exits, price=opens, init_cash=CASH, freq=freq.replace("m", "min")
        )
        return found.value().iloc[-1], found.trades.count()

    return once


def backtesting_py(ts, open_, close):
    import pandas as pd
    from backtesting import Backtest, Strategy
    from backtesting.test import SMA

    index = pd.DatetimeIndex(ts.astype("datetime64[us]"))
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    frame = pd.DataFrame({"Open": open_, "High": high, "Low": low, "Close": close}, index)

    class State(Strategy):
        def init(self):
            self.fast = self.I(SMA, self.data.Close, FAST)
            self.slow = self.I(SMA, self.data.Close, SLOW)

        def next(self):
            above = self.fast[-1] > self.slow[-1]
            if above and not self.position:
                self.buy()
            elif not above and self.position:
                self.position.close()

    def once():
        found = Backtest(frame, State, cash=CASH).run()
        still_open = int(found["_trades"].shape[0] != found["# Trades"])
        return found["Equity Final [$]"], found["# Trades"] + still_open

    return once


def timed(once):
    started = time.perf_counter()
    once()
    return time.perf_counter() - started


def compared(name, ours, theirs, peer, goal, rounds=ROUNDS):
    """Compare results, then time both in turns, warm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, other = ours(), theirs()
        apart = abs(mine[0] / other[0] - 1.0)
        assert apart < 1e-9, (mine, other)
        times = [(timed(ours), timed(theirs)) for _ in range(rounds)]
    value, peer_value = (1000 * median(column) for column in zip(*times, strict=True))
    return {
        "name": name,
        "value": round(value, 4),
        "unit": "ms",
        "peer": peer,
        "peer_value": round(peer_value, 2),
        "ratio": round(peer_value / value, 1),
        "goal": goal,
        "checked": apart,
        "trades": [int(mine[1]), int(other[1])],
    }


def backtest_1m_bars():
    data = bars(1_000_000, "1m")
    return compared(
        "backtest_1m_bars", lab(*data, "1m"), vectorbt(*data, "1m"), "vectorbt", 8.0, rounds=11
    )


def backtest_rss():
    """Peak memory of a process that does one run of 1 M bars and nothing else."""
    mine, theirs = (_peak(side) for side in ("lab", "vectorbt"))
    apart = abs(mine["equity"] / theirs["equity"] - 1.0)
    assert apart < 1e-9, (mine, theirs)
    return {
        "name": "backtest_rss",
        "value": round(mine["mib"], 1),
        "unit": "MiB",
        "peer": "vectorbt",
        "peer_value": round(theirs["mib"], 1),
        "ratio": round(theirs["mib"] / mine["mib"], 2),
        "goal": 2.0,
        "checked": apart,
    }


def _peak(side):
    code = f"from tests.speed.backtest import one_run; one_run({side!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=300
    )
    return json.loads(done.stdout.splitlines()[-1])


def one_run(side):
    """Run once and print the final equity and this process's peak memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = bars(1_000_000, "1m")
        equity, _ = (lab if side == "lab" else vectorbt)(*data, "1m")()
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"equity": float(equity), "mib": mib}) + "\n")


def backtest_5k_bars():
    data = bars(5_000, "1d")
    return compared(
        "backtest_5k_bars", lab(*data, "1d"), vectorbt(*data, "1d"), "vectorbt", 20.0, rounds=21
    )


def backtest_5k_bars_bt():
    data = bars(5_000, "1d")
    ours = lab(*data, "1d", units="whole")
    return compared("backtest_5k_bars_bt", ours, backtesting_py(*data), "backtesting.py", 80.0)
