"""Combinatorial purged CV of 500 combinations over 2,500 days: skfolio's splits and numpy."""

from types import SimpleNamespace

import numpy as np

from tests.speed.integrity import medians
from tests.speed.risk import line

DAYS, TRIALS = 2_500, 500
GROUPS, TESTED, PURGE, EMBARGO = 10, 3, 10, 5
PERIODS = 252.0
ROUNDS = 6


def sharpes(returns):
    """Sharpe ratios by column."""
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1) * np.sqrt(PERIODS)


def peer_paths(returns):
    """Splits of skfolio; each training read whole, the best by column, paths put together."""
    from skfolio.model_selection import CombinatorialPurgedCV

    cv = CombinatorialPurgedCV(GROUPS, TESTED, purged_size=PURGE, embargo_size=EMBARGO)
    told, tests = [], []
    for train, parts in cv.split(returns):
        best = int(np.argmax(sharpes(returns[train])))
        outside = sharpes(returns[np.concatenate(parts)])
        told.append((outside < outside[best]).sum())
        tests.append([returns[part, best] for part in parts])
    places = {(s, g): k for s, row in enumerate(cv.test_set_index) for k, g in enumerate(row)}
    telling = cv.recombined_paths.T
    return np.stack(
        [
            np.concatenate([tests[s][places[s, g]] for g, s in enumerate(row.tolist())])
            for row in telling
        ]
    )


def purged_cv():
    """120 splits of 10 groups, 36 paths: what each split chooses and what the paths come to."""
    from apps.backtests.kernel.validation import combinatorial
    from apps.backtests.kernel.validation.splits import SplitPlan

    rng = np.random.default_rng(11)
    returns = rng.normal(2e-4, 0.01, (DAYS, TRIALS))
    ts = np.arange(DAYS, dtype=np.int64) * 86_400_000_000
    plan = SplitPlan(GROUPS, TESTED, PURGE, EMBARGO)
    every = ({},) * TRIALS
    ground = SimpleNamespace(
        objective="sharpe", periods=PERIODS, combinations=every, space=SimpleNamespace(axes=())
    )

    def lab():
        _, chosen = combinatorial.split_rows(ground, plan, returns, ts)
        return combinatorial.path_returns(plan, returns, chosen)

    def peer():
        return peer_paths(returns)

    checked = float(np.abs(lab() - peer()).max())
    return line("purged_cv", "skfolio's splits, numpy", medians(lab, peer, ROUNDS), 10, checked)
