"""Walk-forwards where there is nothing to find, and where there is: worlds of prices.

In a world of noise the next bar owes nothing to those before, and nothing is charged for trading:
the Sharpe ratio of any rule is 0 but for chance. What a walk-forward tells of it must be too; what
naive slicing tells shows by how much choosing on the bars that judge flatters. In a world with
trends a rule that follows them earns something, and a walk-forward must see it.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from apps.backtests.kernel.requests import read_request
from apps.backtests.kernel.validation.ground import Ground
from apps.backtests.kernel.validation.kinds import KINDS, combinations_of
from apps.market.kernel.bars import Panel
from apps.strategies.library.sma_crossover import SmaCrossover

WORLDS, DAYS = 200, 1_500
DAY = 86_400_000_000
SPACE = {"fast": [2, 4, 8, 16], "slow": [20, 40, 60]}
MODES = ("rolling", "anchored")
PLAN = {"train": 500, "test": 125, "purge": 5, "embargo": 5}
# How much of today's drift is tomorrow's, and its deviation beside that of the noise.
TREND = (0.97, 0.15)


def world(rng, days, *, trend=False):
    """Return a panel of one instrument: noise, or noise about a drift that lasts for weeks."""
    noise = rng.standard_normal(days)
    if trend:
        lasting, size = TREND
        drift = np.zeros(days)
        for day in range(1, days):
            shock = rng.standard_normal() * size * np.sqrt(1.0 - lasting**2)
            drift[day] = lasting * drift[day - 1] + shock
        noise = noise + drift
    close = (100.0 * np.cumprod(1.0 + 0.01 * noise))[:, None]
    open_ = np.concatenate((close[:1] * 0.0 + 100.0, close[:-1]))
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    ts = np.arange(days, dtype=np.int64) * DAY
    return Panel(("NOISE",), ts, open_, high, low, close, np.ones_like(close), "1d")


def quiet(_share):
    """Tell nobody."""


def walked(panel, mode):
    """Return the Sharpe ratios, per year, that walking forward and naive slicing tell."""
    kind, strategy = KINDS["walk_forward"], SmaCrossover()
    space, every = combinations_of(SPACE, strategy.spec, {"short": False})
    asked = read_request({"strategy": "sma_crossover", "instruments": ["NOISE"]})
    plan = kind.read({**PLAN, "mode": mode})
    ground = Ground(panel, strategy, asked, space, every, "sharpe", plan)
    done = [(step, kind.work(ground, step, quiet)) for step in kind.steps(ground)]
    found = kind.finish(ground, done)
    return [found["sharpe"] or 0.0, found["naive"]["sharpe"] or 0.0]


def mean_and_error(values):
    """Return the mean over worlds and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def ratios(worlds, mode, *, trend=False, days=DAYS):
    """Return ``(worlds, 2)``: what walking and slicing tell of each world."""
    seeds = np.random.default_rng([31, MODES.index(mode), int(trend)]).spawn(worlds)

    def one(rng):
        return walked(world(rng, days, trend=trend), mode)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return np.array(list(pool.map(one, seeds)))


def main(worlds=WORLDS):
    """Tell the means; 1 when walking finds something in noise, or nothing where there is."""
    failed = False
    for mode in MODES:
        for trend in (False, True):
            began = time.monotonic()
            found = ratios(worlds, mode, trend=trend)
            honest, error = mean_and_error(found[:, 0])
            naive, naive_error = mean_and_error(found[:, 1])
            bias, bias_error = mean_and_error(found[:, 1] - found[:, 0])
            passed = honest > 3.0 * error if trend else abs(honest) <= 2.0 * error
            failed |= not passed or (not trend and bias <= 3.0 * bias_error)
            facts = {
                "row": f"walk_forward_{'trend' if trend else 'noise'}_{mode}",
                "worlds": worlds,
                "days": DAYS,
                "sharpe": round(honest, 4),
                "error": round(error, 4),
                "naive": round(naive, 4),
                "naive_error": round(naive_error, 4),
                "bias": round(bias, 4),
                "bias_error": round(bias_error, 4),
                "passed": bool(passed),
                "seconds": round(time.monotonic() - began, 1),
            }
            sys.stdout.write(json.dumps(facts) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS))
