"""Null-world p-values on noise: 200 strategies without skill, each on noise of its own.

``python -m tests.speed.nulls`` (part of ``make soak``) prints a JSON line for every kind of world
on every law of noise: the p-value of Kolmogorov and Smirnov that the strategies' p-values are
uniform, and how many lie at or below 0.05. It fails (exit code 1) when one that should be uniform
is not at 0.001, which chance alone does in one of a hundred runs of all the lines.

Random entries are exact where entries know nothing of prices (``coins``); those of trends on few
bars are a little too high: what a trend holds goes with how the whole of the bars ended.
"""

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import stats

STRATEGIES, WORLDS = 200, 99
DAY = 86_400_000_000
WORST, UNIFORM = 0.001, True
# Law of noise, bars, instruments, kind, whether it is uniform there.
LINES = [
    *(("normal", 500, 1, kind, UNIFORM) for kind in ("bootstrapped", "phase_randomised")),
    ("normal", 500, 1, "sign_flipped", UNIFORM),
    ("normal", 500, 1, "garch", UNIFORM),
    *(("drift", 500, 1, kind, UNIFORM) for kind in ("bootstrapped", "phase_randomised", "garch")),
    *(("tails", 500, 1, kind, UNIFORM) for kind in ("bootstrapped", "sign_flipped")),
    *(("garch", 500, 1, kind, UNIFORM) for kind in ("bootstrapped", "sign_flipped", "garch")),
    *(("normal", 500, 5, kind, UNIFORM) for kind in ("bootstrapped", "sign_flipped")),
    ("coins", 500, 1, "random_entries", UNIFORM),
    # What a kind does not keep, it finds: no fault of it, and shown here.
    ("autocorrelated", 500, 1, "bootstrapped", False),
    ("autocorrelated", 500, 1, "phase_randomised", UNIFORM),
    ("garch", 500, 1, "phase_randomised", False),
    ("drift", 500, 1, "sign_flipped", False),
    # What a trend held goes with where the bars ended; the fewer the bars, the more.
    ("normal", 500, 1, "random_entries", False),
    ("normal", 2500, 1, "random_entries", False),
]


def noise_panel(law, n_bars, n_assets, seed):
    """Bars without anything to find but what the law says: opens, ranges and volumes at random."""
    from apps.market.kernel.bars import Panel

    rng = np.random.default_rng(seed)
    shape = (n_bars, n_assets)
    returns = _returns(law, shape, rng)
    close = 100.0 * np.exp(returns.cumsum(axis=0))
    opened = close * np.exp(rng.normal(0.0, 0.003, shape))
    high = np.fmax(opened, close) * np.exp(np.abs(rng.normal(0.0, 0.002, shape)))
    low = np.fmin(opened, close) * np.exp(-np.abs(rng.normal(0.0, 0.002, shape)))
    symbols = tuple(f"N{k}" for k in range(n_assets))
    volume = rng.uniform(1e5, 1e6, shape)
    return Panel(symbols, np.arange(n_bars) * DAY, opened, high, low, close, volume, "1d")


def _returns(law, shape, rng):
    if law == "tails":
        return 0.006 * rng.standard_t(3, shape)
    drift = 0.0006 if law == "drift" else 0.0
    shocks = rng.standard_normal(shape)
    if law not in {"garch", "autocorrelated"}:
        return drift + 0.01 * shocks
    out, wide = np.zeros(shape), np.full(shape[1], 1e-4)
    for t in range(shape[0]):
        before = 0.2 * out[t - 1] if t and law == "autocorrelated" else 0.0
        out[t] = before + np.sqrt(wide) * shocks[t]
        if law == "garch":
            wide = 2e-6 + 0.10 * out[t] ** 2 + 0.88 * wide
    return out


class Coins:
    """Holds by lot: long, short or nothing, for as long as another lot says."""

    def __init__(self, number):
        from apps.strategies.kernel.interface import Spec

        self.spec, self.number = Spec("coins", "Coins", "", ""), number

    def warmup(self, _params):
        return 0

    def targets(self, panel, _params):
        rng = np.random.default_rng([11, self.number])
        wanted = np.full(panel.close.shape, np.nan)
        for bar in np.flatnonzero(rng.random(panel.n_bars) < rng.uniform(0.05, 0.2)):
            wanted[bar] = rng.choice([-1.0, 0.0, 1.0], p=[0.2, 0.4, 0.4])
        return wanted


def zero_skill(number, panel, law=""):
    """A strategy of three kinds with parameters by lot; nothing to find, so it has no skill."""
    from apps.backtests.kernel.integrity.gauntlet import Setting
    from apps.backtests.kernel.requests import read_request
    from apps.strategies.kernel.interface import check_params
    from apps.strategies.selectors import get_strategy

    body = {"strategy": "coins", "costs": {"fee_bps": 1, "slippage_bps": 1}}
    if law == "coins":
        return Setting(panel, Coins(number), {}, read_request(body, panel_given=True))
    rng = np.random.default_rng([7, number])
    fast = int(rng.integers(2, 15))
    slow = fast + int(rng.integers(3, 30))
    name, params = (
        ("sma_crossover", {"fast": fast, "slow": slow}),
        ("sma_crossover", {"fast": fast, "slow": slow, "short": True}),
        ("donchian_breakout", {"entry": slow, "exit": fast}),
    )[number % 3]
    if panel.n_assets > 1:
        name, params = (
            "time_series_momentum",
            {"lookback": int(rng.integers(20, 60)), "vol_mass": 20.0},
        )
    strategy = get_strategy(name)
    asked = read_request({**body, "strategy": name}, panel_given=True)
    return Setting(panel, strategy, check_params(strategy.spec, params), asked)


def p_of(law, n_bars, n_assets, kind, number):
    """The p-value of one strategy in its own noise; None when it never traded."""
    from apps.backtests.kernel.integrity import gauntlet
    from apps.core.errors import Invalid

    seed = [LAWS.index(law), n_bars, n_assets, number]
    setting = zero_skill(number, noise_panel(law, n_bars, n_assets, seed), law)
    try:
        _, result = gauntlet.run_of(setting)
    except Invalid:
        return None
    nulls = gauntlet.nulls_of(setting, result, kind, WORLDS, f"{law}{number}")
    real = gauntlet.score_of(result, setting.periods)
    return gauntlet.p_value(real.sharpe, nulls.sharpe)


LAWS = ["normal", "drift", "tails", "garch", "autocorrelated", "coins"]


def line(law, n_bars, n_assets, kind, is_uniform):
    """Measure one kind on one law and return its row."""
    started()
    found = [p_of(law, n_bars, n_assets, kind, number) for number in range(STRATEGIES)]
    known = np.array([p for p in found if p is not None])
    ks = float(stats.kstest(known, "uniform").pvalue)
    return {
        "row": "null_uniform", "kind": kind, "noise": law, "bars": n_bars, "assets": n_assets,
        "strategies": len(known), "worlds": WORLDS, "ks_p": round(ks, 4),
        "mean_p": round(float(known.mean()), 3), "at_05": round(float(np.mean(known <= 0.05)), 3),
        "uniform_by_nature": is_uniform, "ok": ks >= WORST or not is_uniform,
    }  # fmt: skip


def started():
    """Make Django ready in a process of its own."""
    os.environ.setdefault("QUANTSITE_ENV", "test")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")
    import django

    django.setup()


def main():
    """Print every line; 1 when one that should be uniform is not."""
    with ProcessPoolExecutor(2) as pool:
        rows = []
        for row in pool.map(line, *zip(*LINES, strict=True)):
            rows.append(row)
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
    return int(not all(row["ok"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
