"""Null worlds: drawn alone, and with a strategy run in each, against plain numpy and pandas."""

import numpy as np

from tests.speed.risk import timed_both

WORLDS, BARS, ASSETS, BLOCK = 1_000, 400, 10, 12.0


def plain(returns, rng):
    """The stationary bootstrap as it is written down: a draw a bar, a row a bar."""
    n = len(returns)
    out = np.empty((WORLDS, *returns.shape))
    for world in out:
        at = 0
        for i in range(n):
            at = rng.integers(n) if i == 0 or rng.random() < 1.0 / BLOCK else (at + 1) % n
            world[i] = returns[at]
    return out


def by_columns(returns, rng):
    """The same with numpy over all worlds at once, a bar at a time."""
    n = len(returns)
    at = rng.integers(n, size=(WORLDS, n))
    ends = rng.random((WORLDS, n)) < 1.0 / BLOCK
    for i in range(1, n):
        at[:, i] = np.where(ends[:, i], at[:, i], (at[:, i - 1] + 1) % n)
    return returns[at]


def null_worlds():
    """Stationary bootstrap, one processor; ``checked`` is the gap of the lag-1 correlations."""
    from apps.backtests.kernel.integrity.worlds import bootstrapped

    rng = np.random.default_rng(0)
    returns = rng.normal(0.0, 0.01, (BARS, ASSETS)).cumsum(axis=0) * 0.1

    def lab():
        return bootstrapped(returns, WORLDS, 1, block=BLOCK, threads=1)

    def numpy():
        return plain(returns, np.random.default_rng(1))

    def kept(worlds):
        gaps = worlds - worlds.mean(axis=1, keepdims=True)
        return float(np.mean(np.sum(gaps[:, 1:] * gaps[:, :-1], axis=1) / np.sum(gaps**2, axis=1)))

    checked = abs(kept(lab()) - kept(numpy()))
    if checked > 0.01:
        message = f"The worlds differ: lag-1 correlations {checked:.3f} apart"
        raise ValueError(message)
    ours, theirs = timed_both(lab, numpy, 3)
    _, columns = timed_both(lab, lambda: by_columns(returns, np.random.default_rng(1)), 5)
    return {
        "name": "null_worlds",
        "value": WORLDS / ours,
        "unit": "worlds/s",
        "peer": "numpy",
        "peer_value": WORLDS / theirs,
        "ratio": theirs / ours,
        "goal": 10.0,
        "ratio_by_columns": columns / ours,
        "checked": checked,
    }


# --- A world drawn, a strategy run in it with costs, its Sharpe ratio ----------------------------

RUN_BARS, RUN_WORLDS, MEAN, FAST, SLOW, FEE = 2_500, 400, 10.0, 10, 50, 5e-4
PERIODS = 252.0


def resampled(panel, rows):
    """The bars of one world by numpy: closes by the returns drawn, the rest by their shapes."""
    close, n = panel.close[:, 0], panel.n_bars
    returns = np.diff(np.log(close))
    drawn = returns[rows]
    drawn += returns.mean() - drawn.mean()
    path = close[0] * np.exp(np.concatenate(([0.0], drawn.cumsum())))
    shapes = {name: getattr(panel, name)[1:, 0] / close[1:] for name in ("open", "high", "low")}
    bars = {name: np.empty(n) for name in shapes}
    for name, shape in shapes.items():
        bars[name][0] = getattr(panel, name)[0, 0]
        bars[name][1:] = path[1:] * shape[rows]
    volume = np.concatenate((panel.volume[:1, 0], panel.volume[1:, 0][rows]))
    return bars | {"close": path, "volume": volume}


def blocks(n, rng):
    """Rows of a stationary bootstrap, in numpy without a loop over bars."""
    starts = rng.random(n) < 1.0 / MEAN
    starts[0] = True
    at = np.flatnonzero(starts)
    places = rng.integers(n, size=len(at))
    number = np.cumsum(starts) - 1
    return (places[number] + np.arange(n) - at[number]) % n


def in_pandas(bars):
    """The crossover with costs at the next open, as it is written in pandas."""
    import pandas as pd

    frame = pd.DataFrame(bars)
    fast = frame["close"].rolling(FAST).mean()
    slow = frame["close"].rolling(SLOW).mean()
    held = (fast > slow).astype(float).shift(1).fillna(0.0)
    before = held.shift(1).fillna(0.0)
    overnight = frame["open"] / frame["close"].shift(1)
    within = frame["close"] / frame["open"]
    cost = (1.0 - FEE) ** ((before > held).astype(float))
    cost /= (1.0 + FEE) ** ((held > before).astype(float))
    growth = (1.0 + before * (overnight - 1.0)) * cost * (1.0 + held * (within - 1.0))
    returns = growth.iloc[1:] - 1.0
    return float(returns.mean() / returns.std() * np.sqrt(PERIODS))


def null_world_runs():
    """Worlds of ten years of days: drawn, a crossover run with costs in each, its Sharpe ratio.

    Results are compared first: the lab's worlds are given to the peer's backtest, and every
    Sharpe ratio must agree to 1e-9. The rate counts all kinds of work on one processor.
    """
    from apps.backtests.kernel.integrity import gauntlet
    from apps.backtests.kernel.integrity.gauntlet_bars import BOOTSTRAPPED, Bars, past_of
    from apps.backtests.kernel.integrity.worlds import keys_of
    from apps.backtests.kernel.requests import read_request
    from apps.strategies.kernel.interface import check_params
    from apps.strategies.library.sma_crossover import SmaCrossover
    from tests.speed.nulls import noise_panel

    panel = noise_panel("drift", RUN_BARS, 1, 0)
    strategy = SmaCrossover()
    body = {"strategy": "sma_crossover", "costs": {"fee_bps": FEE * 1e4}}
    params = check_params(strategy.spec, {"fast": FAST, "slow": SLOW})
    setting = gauntlet.Setting(panel, strategy, params, read_request(body, panel_given=True))
    _, result = gauntlet.run_of(setting)
    past = past_of(panel)

    def lab():
        return gauntlet.nulls_of(setting, result, BOOTSTRAPPED, RUN_WORLDS, "bench", past=past)

    def pandas(count=RUN_WORLDS // 8):
        rng = np.random.default_rng(1)
        n = RUN_BARS - 1
        return [in_pandas(resampled(panel, blocks(n, rng))) for _ in range(count)]

    maker = Bars(past, BOOTSTRAPPED)
    keys = keys_of(gauntlet.seed_of("bench", BOOTSTRAPPED), 20)
    worlds = (maker.panel(key) for key in keys)
    theirs = [
        in_pandas({name: getattr(w, name)[:, 0] for name in ("open", "high", "low", "close")})
        for w in worlds
    ]
    checked = float(np.max(np.abs(np.array(lab().sharpe[:20]) - theirs)))
    if checked > 1e-9:
        message = f"The Sharpe ratios differ by {checked:.2e}"
        raise ValueError(message)
    ours, plain_seconds = timed_both(lab, pandas, 5)
    rate, peer = RUN_WORLDS / ours, RUN_WORLDS // 8 / plain_seconds
    return {
        "name": "null_world_runs",
        "value": rate,
        "unit": "worlds/s",
        "peer": "numpy and pandas",
        "peer_value": peer,
        "ratio": rate / peer,
        "goal": 10.0,
        "checked": checked,
    }
