"""How often luck passes the deflated Sharpe gate, and how often skill does: worlds of trials.

Each world has so many runs without skill; the best of them is judged as the run page judges it:
by all trials, their effective number from their returns, and the variance of their Sharpe ratios.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from apps.backtests.kernel.integrity.effective import effective_trials
from apps.backtests.kernel.integrity.families import judge
from apps.backtests.kernel.integrity.sharpe import moments
from apps.backtests.kernel.integrity.streams import STEPS

PERIODS = 252.0
GATE = 0.95
# Name: how many ideas, and how alike the variants of one idea are.
KINDS = {
    "independent": (None, 0.0),
    "ten ideas, variants alike by 0.5": (10, 0.5),
    "ten ideas, variants alike by 0.9": (10, 0.9),
    "one idea, variants alike by 0.5": (1, 0.5),
    "one idea, variants alike by 0.95": (1, 0.95),
}


def draw(rng, trials, days, kind, *, tails=0.0):
    """Return daily returns of trials without skill; ``tails``: degrees of freedom, or normal."""
    ideas, alike = KINDS[kind]

    def shocks(n):
        if tails:
            return rng.standard_t(tails, (days, n)) / np.sqrt(tails / (tails - 2.0))
        return rng.standard_normal((days, n))

    if ideas is None:
        return 0.01 * shocks(trials)
    common = np.repeat(shocks(ideas), -(-trials // ideas), axis=1)[:, :trials]
    return 0.01 * (np.sqrt(alike) * common + np.sqrt(1.0 - alike) * shocks(trials))


def deflated_of(returns, column=None):
    """Return the deflated Sharpe of a column, the best without one, after all of the trials."""
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    column = int(ratios.argmax()) if column is None else column
    number = effective_trials(kept(returns)).number
    return judge(moments(returns[:, column]), ratios, number, PERIODS).deflated_sharpe


def kept(returns):
    """Return the paths by which trials are clustered, as the ledger keeps them of returns."""
    days = len(returns)
    steps = min(STEPS, days)
    edges = [days * k // steps for k in range(steps)]
    return np.add.reduceat(returns, edges, axis=0).astype("<f4").astype(np.float64)


def passes(rng, worlds, trials, days, kind, *, tails=0.0):
    """Return in how many worlds the best of the trials without skill passes the gate."""

    def is_passed(own):
        return deflated_of(draw(own, trials, days, kind, tails=tails)) >= GATE

    return sum(side_by_side(is_passed, rng.spawn(worlds)))


def power(rng, worlds, trials, days, sharpes):
    """Return how often a run of each true Sharpe ratio per year passes among others without.

    What is added to a run's every day changes its ratio and no correlation: one world serves all.
    """

    def found(own):
        returns = draw(own, trials, days, "independent")
        number = effective_trials(kept(returns)).number
        ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        skilled = []
        for sharpe in sharpes:
            one = moments(returns[:, 0] + 0.01 * sharpe / np.sqrt(PERIODS))
            ratios[0] = one.sharpe
            skilled.append(judge(one, ratios, number, PERIODS).deflated_sharpe >= GATE)
        return skilled

    return np.mean(side_by_side(found, rng.spawn(worlds)), axis=0).tolist()


def side_by_side(work, worlds):
    """Return what comes of each world, in order; the loops let one another run."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, worlds))


THREADS = os.cpu_count() or 1
WORLDS, TRIALS, DAYS = 200, 1_000, 500
SHARPES = (1.0, 1.5, 2.0)


def main(worlds=WORLDS):
    """Tell how often luck and skill pass; 1 when luck passes in more than 5 % of worlds."""
    failed = False
    for place, kind in enumerate(KINDS):
        for tails in (0.0, 4.0):
            rng = np.random.default_rng([place, int(tails)])
            began = time.monotonic()
            passed = passes(rng, worlds, TRIALS, DAYS, kind, tails=tails)
            failed |= passed > 0.05 * worlds
            facts = {"worlds": worlds, "trials": TRIALS, "days": DAYS, "passed": passed}
            seconds = round(time.monotonic() - began, 1)
            _tell("luck", kind=kind, tails=tails or "normal", **facts, seconds=seconds)
    for trials in (1, 10, 100, 1_000):
        rng = np.random.default_rng([9, trials])
        found = power(rng, worlds, trials, 2_520, SHARPES)
        by_sharpe = {str(one): round(share, 3) for one, share in zip(SHARPES, found, strict=True)}
        _tell("power", trials=trials, worlds=worlds, years=10, passed=by_sharpe)
    return int(failed)


def _tell(row, **facts):
    sys.stdout.write(json.dumps({"row": f"deflation_{row}", **facts}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS))
