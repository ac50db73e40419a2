"""Null worlds: a thousand of a year and a half of ten assets, against plain numpy."""

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
