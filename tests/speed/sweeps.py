"""SMA crossovers over many windows, against vectorbt's own broadcasting over the same pairs.

Final equities of every pair are compared first; with figures, Sharpe and drawdown as well, both
computed here from the equity that vectorbt gives, since its Sharpe counts a first return of 0.
"""

import resource
import warnings

import numpy as np

from tests.speed.backtest import CASH, bars, panel_of, timed

BARS, CHUNK = 5_000, 1_000


def pairs_of(count):
    """The first ``count`` pairs fast < slow of windows from 5 on."""
    longest = 5
    while (longest - 5) * (longest - 4) // 2 < count:
        longest += 1
    found = [(f, s) for f in range(5, longest) for s in range(f + 1, longest + 1)]
    return found[:count]


def lab(data, pairs, *, with_figures):
    from apps.backtests.kernel.sweeps import sweep
    from apps.strategies.library.sma_crossover import SmaCrossover

    panel, strategy = panel_of(*data, "1d"), SmaCrossover()
    grid = [{"fast": fast, "slow": slow} for fast, slow in pairs]
    return lambda: sweep(panel, strategy, grid, cash=CASH, with_figures=with_figures)


def vectorbt(data, pairs, *, with_figures):
    """Return a function that gives final equities, and Sharpe and drawdown when asked."""
    import pandas as pd
    import vectorbt as vbt

    ts, open_, close = data
    index = pd.DatetimeIndex(ts.astype("datetime64[us]"))
    opens, closes = pd.Series(open_, index), pd.Series(close, index)

    def chunk(part):
        windows = sorted({window for pair in part for window in pair})
        mean = vbt.MA.run(closes, windows).ma.to_numpy()
        at = {window: column for column, window in enumerate(windows)}
        fast, slow = (mean[:, [at[pair[side]] for pair in part]] for side in (0, 1))
        above, below = np.zeros(fast.shape, bool), np.zeros(fast.shape, bool)
        above[1:], below[1:] = (fast > slow)[:-1], (fast < slow)[:-1]
        found = vbt.Portfolio.from_signals(
            closes, above, below, price=opens, init_cash=CASH, freq="1d"
        )
        if not with_figures:
            return found.final_value().to_numpy(), None, None, found
        return (
            found.final_value().to_numpy(),
            found.sharpe_ratio().to_numpy(),
            found.max_drawdown().to_numpy(),
            found,
        )

    def once():
        return [chunk(pairs[i : i + CHUNK]) for i in range(0, len(pairs), CHUNK)]

    return once


def _apart(mine, theirs, *, with_figures):
    equity = np.concatenate([part[0] for part in theirs])
    apart = np.abs(mine.equity_final / equity - 1.0).max()
    if with_figures:
        curves = np.hstack([part[3].value().to_numpy() for part in theirs])
        returns = curves[1:] / curves[:-1] - 1.0
        with np.errstate(invalid="ignore"):
            sharpe = returns.mean(axis=0) / returns.std(axis=0, ddof=1) * np.sqrt(252.0)
        drawdown = -np.concatenate([part[2] for part in theirs])
        apart = max(
            apart,
            np.nanmax(np.abs(mine.sharpe - sharpe)),
            np.abs(mine.max_drawdown - drawdown).max(),
        )
    return float(apart)


def compared(name, count, goal, rounds, *, with_figures=False):
    data, pairs = bars(BARS, "1d"), pairs_of(count)
    # What one run needs in memory is loaded and compiled before it is counted.
    lab(data, pairs[:2], with_figures=with_figures)()
    ours = lab(data, pairs, with_figures=with_figures)
    peer = vectorbt(data, pairs, with_figures=with_figures)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = _peak_mib()
        mine = ours()
        more = _peak_mib() - before
        apart = _apart(mine, peer(), with_figures=with_figures)
        assert apart < 1e-9, apart
        times = [(timed(ours), timed(peer)) for _ in range(rounds)]
    value, peer_value = (1000 * np.median(column) for column in zip(*times, strict=True))
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "ms",
        "peer": "vectorbt",
        "peer_value": round(peer_value, 1),
        "ratio": round(peer_value / value, 1),
        "goal": goal,
        "checked": apart,
        "peak_more_mib": round(more, 1),
    }


def _peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def sweep_1k():
    return compared("sweep_1k", 1_000, 100.0, 7)


def sweep_10k():
    return compared("sweep_10k", 10_000, 200.0, 5)


def sweep_1k_metrics():
    return compared("sweep_1k_metrics", 1_000, 70.0, 5, with_figures=True)
