"""How often luck passes the deflated Sharpe gate, and how often skill does: worlds of trials.

Each world has so many runs without skill; the best of them is judged as the run page judges it:
by all trials, their effective number from their returns, and the variance of their Sharpe ratios.
"""

import json
import sys

import numpy as np

from apps.backtests.kernel.integrity.effective import effective_trials
from apps.backtests.kernel.integrity.families import judge
from apps.backtests.kernel.integrity.sharpe import moments

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
    number = effective_trials(returns).number
    return judge(moments(returns[:, column]), ratios, number, PERIODS).deflated_sharpe


def passes(rng, worlds, trials, days, kind, *, tails=0.0):
    """Return in how many worlds the best of the trials without skill passes the gate."""
    return sum(
        deflated_of(draw(rng, trials, days, kind, tails=tails)) >= GATE for _ in range(worlds)
    )


def power(rng, worlds, trials, days, sharpe):
    """Return how often a run of that true Sharpe ratio per year passes among others without."""
    found = 0
    for _ in range(worlds):
        returns = draw(rng, trials, days, "independent")
        returns[:, 0] += 0.01 * sharpe / np.sqrt(PERIODS)
        found += deflated_of(returns, column=0) >= GATE
    return found / worlds


WORLDS, TRIALS, DAYS = 200, 1_000, 500


def main(worlds=WORLDS):
    """Tell how often luck and skill pass; 1 when luck passes in more than 5 % of worlds."""
    failed = False
    for place, kind in enumerate(KINDS):
        for tails in (0.0, 4.0):
            rng = np.random.default_rng([place, int(tails)])
            passed = passes(rng, worlds, TRIALS, DAYS, kind, tails=tails)
            failed |= passed > 0.05 * worlds
            facts = {"worlds": worlds, "trials": TRIALS, "days": DAYS, "passed": passed}
            _tell("luck", kind=kind, tails=tails or "normal", **facts)
    for sharpe in (1.0, 1.5, 2.0):
        for trials in (1, 10, 100, 1_000):
            rng = np.random.default_rng([9, trials])
            found = power(rng, max(worlds // (1 + trials // 500), 1), trials, 2_520, sharpe)
            _tell("power", sharpe=sharpe, trials=trials, years=10, passed=round(found, 3))
    return int(failed)


def _tell(row, **facts):
    sys.stdout.write(json.dumps({"row": f"deflation_{row}", **facts}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS))
