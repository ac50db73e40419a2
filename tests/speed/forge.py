"""Random formulas as a search for alphas evaluates them, against pandas and against gplearn.

Two generations of the forge's own random trees, the second crossed and mutated from the first;
each formula is evaluated on the whole panel and its rank correlation with the next return taken at
every bar. gplearn walks the same trees as its own programs, with functions written in numpy and
pandas as its users write them. Correlations are compared first, with windows taken one by one on
fewer bars.
"""

import os
import sys
import time
import warnings
from statistics import median

import numpy as np
import pandas as pd

from tests.speed.expressions import panel_of
from tests.unit.strategies.plain_alphas import Careful, Usual, digits

SEED, PEOPLE, BARS, ASSETS = 20260, 60, 2_500, 500
CHECKED_BARS, CHECKED_ASSETS, TIMED, ROUNDS = 420, 25, 12, 3
FIELDS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "returns": "r"}
WINDOWS = {
    "ts_sum": "sum", "ts_mean": "mean", "ts_std": "std", "ts_min": "min", "ts_max": "max",
    "ts_rank": "ts", "ts_argmin": "argmin", "ts_argmax": "argmax", "decay_linear": "decay",
    "correlation": "cor", "covariance": "cov", "delay": "delay", "delta": "delta",
    "ts_product": "product",
}  # fmt: skip
SINGLE = {
    "neg": np.negative, "add": np.add, "sub": np.subtract, "mul": np.multiply, "abs": np.abs,
    "sign": np.sign, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


class Exact(Careful):
    """Also pairs of windows one by one."""

    def cov(self, x, y, d):
        a, b = self._windows(x, d), self._windows(y, d)
        a, b = (w - w.mean(axis=2, keepdims=True) for w in (a, b))
        return self._spread(x, d, (a * b).sum(axis=2) / (d - 1))

    def cor(self, x, y, d):
        if d == 2:
            return np.sign(self.delta(x, 1) * self.delta(y, 1)).replace(0.0, np.nan)
        spread = self.std(x, d) * self.std(y, d)
        found = (self.cov(x, y, d) / spread).where(spread > 0).clip(-1, 1)
        # What cancels but for rounding is no correlation.
        return found.where(found.abs() > 1e-12, 0.0).where(found.notna())


def generations():
    """Return two generations of distinct trees."""
    from apps.assistant.kernel.trees import Grower, Limits

    rng = np.random.default_rng(SEED)
    grower = Grower(rng, Limits(), tuple(FIELDS))
    first = list(dict.fromkeys(grower.tree() for _ in range(PEOPLE)))
    second = []
    for _ in range(PEOPLE):
        one, other = (first[int(rng.integers(len(first)))] for _ in range(2))
        second.append(grower.cross(one, other) if rng.random() < 0.6 else grower.mutate(one))
    return first, [tree for tree in dict.fromkeys(second) if tree not in set(first)]


def clean(x):
    return x.where(np.isfinite(x))


def walked(plain, node):
    """Evaluate a tree in pandas, part after part."""
    from apps.strategies.kernel.expressions import Field, Number

    if isinstance(node, Field):
        return getattr(plain, FIELDS[node.name])
    args = [
        int(part.value) if isinstance(part, Number) else walked(plain, part) for part in node.args
    ]
    return applied(plain, node.operator, args)


def applied(plain, name, args):
    if name in SINGLE:
        return SINGLE[name](*args)
    if name == "div":
        return clean(args[0] / args[1])
    if name == "zscore":
        about = args[0].sub(args[0].mean(axis=1), axis=0)
        return clean(about.div(args[0].std(axis=1), axis=0))
    return plain.rank(args[0]) if name == "rank" else getattr(plain, WINDOWS[name])(*args)


def rank_ic(values, ahead, same=lambda x: x):
    """Return Spearman's correlation of each row, over what both have."""
    there = values.notna() & ahead.notna()
    one, other = same(values).where(there).rank(axis=1), ahead.where(there).rank(axis=1)
    found = clean(one.corrwith(other, axis=1))
    return found.where(there.sum(axis=1) >= 3).to_numpy()


def largest_difference(trees):
    from apps.strategies.kernel.expressions.merits import Ahead, population_ic, returns_ahead

    panel = panel_of(CHECKED_BARS, CHECKED_ASSETS)
    plain, returns = Exact(panel), returns_ahead(panel)
    mine = population_ic(trees, panel, Ahead(returns, 2), 2**28)
    frame, worst = pd.DataFrame(returns), 0.0
    for tree, found in zip(trees, mine, strict=True):
        expected = rank_ic(walked(plain, tree), frame, digits)
        flat = np.isfinite(found) != np.isfinite(expected)
        assert not flat.any(), (tree, int(flat.sum()))
        gap = np.abs(found - expected)
        worst = max(worst, float(np.nanmax(gap, initial=0.0)))
    return worst


class Gplearn:
    """The trees as programs of gplearn on flat columns, judged by a metric of its kind."""

    def __init__(self, panel, returns):
        from gplearn.fitness import _Fitness

        self.plain, self.shape = Usual(panel), panel.close.shape
        self.x = np.stack(
            [getattr(self.plain, name).to_numpy().ravel() for name in FIELDS.values()]
        )
        self.x, self.y = np.ascontiguousarray(self.x.T), returns.ravel()
        self.w = np.ones(len(self.y))
        self.metric = _Fitness(self._mean_ic, greater_is_better=True)

    def _mean_ic(self, y, y_pred, w):  # noqa: ARG002 gplearn's signature
        frames = (pd.DataFrame(flat.reshape(self.shape)) for flat in (y_pred, y))
        return np.nanmean(rank_ic(*frames))

    def program(self, tree):
        from gplearn._program import _Program

        listed = self._listed(tree)
        return _Program(
            function_set=[], arities={}, init_depth=(1, 6), init_method="half and half",
            n_features=len(FIELDS), const_range=None, metric=self.metric, p_point_replace=0.05,
            parsimony_coefficient=0.0, random_state=np.random.RandomState(0), program=listed,
        )  # fmt: skip

    def fitness(self, program):
        return program.raw_fitness(self.x, self.y, self.w)

    def _listed(self, node):
        from gplearn.functions import _Function

        from apps.strategies.kernel.expressions import Field, Number

        if isinstance(node, Field):
            return [list(FIELDS).index(node.name)]
        numbers = [int(part.value) for part in node.args if isinstance(part, Number)]
        parts = [part for part in node.args if not isinstance(part, Number)]

        def function(*flat):
            if node.operator in SINGLE:
                return SINGLE[node.operator](*flat)
            frames = [pd.DataFrame(column.reshape(self.shape)) for column in flat]
            return applied(self.plain, node.operator, [*frames, *numbers]).to_numpy().ravel()

        out = [_Function(function, node.operator, len(parts))]
        for part in parts:
            out += self._listed(part)
        return out


def timed(once):
    began = time.perf_counter()
    once()
    return time.perf_counter() - began


def forge_eval():
    from apps.strategies.kernel.expressions.merits import Ahead, population_ic, returns_ahead
    from apps.strategies.kernel.expressions.running import threads_for

    first, second = generations()
    trees = [*first, *second]
    sys.stderr.write(f"forge_eval: seed {SEED}, {len(first)} + {len(second)} formulas\n")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        checked = largest_difference(trees)
        assert checked < 1e-9, checked
        panel = panel_of(BARS, ASSETS)
        returns = returns_ahead(panel)
        plain, frame, other = Usual(panel), pd.DataFrame(returns), Gplearn(panel, returns)
        chosen = trees[:: len(trees) // TIMED][:TIMED]
        programs = [other.program(tree) for tree in chosen]

        def lab():
            ahead = Ahead(returns, threads_for(returns.size))
            for people in (first, second):
                population_ic(people, panel, ahead, 2**29)

        def by_pandas():
            for tree in chosen:
                rank_ic(walked(plain, tree), frame)

        def by_gplearn():
            for program in programs:
                other.fitness(program)

        lab()
        rounds = [
            tuple(timed(side) for side in (lab, by_pandas, by_gplearn)) for _ in range(ROUNDS)
        ]
    mine, frames, theirs = (median(times) for times in zip(*rounds, strict=True))
    value, best = len(trees) / mine, len(chosen) / min(frames, theirs)
    return {
        "name": "forge_eval",
        "value": round(value, 1),
        "unit": "formulas/s",
        "peer": "pandas, and gplearn: the quicker of the two",
        "peer_value": round(best, 2),
        "ratio": round(value / best, 1),
        "goal": 20,
        "checked": checked,
        "pandas": round(len(chosen) / frames, 2),
        "gplearn": round(len(chosen) / theirs, 2),
        "seed": SEED,
        "formulas": len(trees),
        "load": round(os.getloadavg()[0], 1),
    }
