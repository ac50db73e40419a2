"""Combinatorial purged cross-validation: every choice of test groups, all paths, their spread.

A walk-forward tells one history; the order of its bars decides what it says. Here each split
takes the best combination on its training and is judged on its test groups, and the tests make
many paths through the same history, of which the spread of Sharpe ratios is told.

Every combination plays each group once, from cash and after all costs, with the bars before the
group as warm-up. That does not depend on the split: which bars train only decides which returns
are scored. So nothing is played twice, and each combination is one trial, however many splits
there are.

What it is not: the order of time is not kept, a split may train on bars after its test. Purge and
embargo take away the bars in which one tells of the other; a strategy that was thought out with
the whole history in mind is not made honest by it.

References
----------
López de Prado, "Advances in Financial Machine Learning" (2018), ch. 7 and 12.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel import metrics
from apps.backtests.kernel.curves import kept
from apps.backtests.kernel.integrity.effective import effective_trials
from apps.backtests.kernel.integrity.families import MOST_CLUSTERED, judge
from apps.backtests.kernel.integrity.sharpe import Moments, moments
from apps.backtests.kernel.metrics import FLAT
from apps.backtests.kernel.validation import stability
from apps.backtests.kernel.validation.ground import (
    MOST_FITS,
    Ground,
    Outcome,
    Step,
    Tell,
    measured,
    play_window,
    stream_of,
    warmup_of,
)
from apps.backtests.kernel.validation.splits import (
    SplitPlan,
    edges_of,
    paths_of,
    read_split_plan,
    tested_masks,
    tests_of,
    train_masks,
)
from apps.backtests.kernel.validation.tallies import scores
from apps.core.errors import Invalid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEPS = 20
# Returns that one validation keeps: 32 MB.
MOST_RETURNS = 4_000_000
POINTS = 250
MOST_CURVES = 60
BANDS = (0.05, 0.25, 0.5, 0.75, 0.95)
PATH_FIGURES = ("sharpe", "cagr", "total_return", "volatility", "max_drawdown")


class Purged:
    """Every choice of test groups, with training purged around them; all paths."""

    name = "purged"
    title = "Combinatorial purged CV"
    says = "Every choice of test groups is played with what was best on the bars left to train on."
    is_evidence = True

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a checked plan."""
        return read_split_plan(given).as_dict()

    def steps(self, ground: Ground) -> list[Step]:
        """Return steps of a few combinations each; every combination is counted once."""
        plan, first = _begun(ground)
        n_bars, count = ground.panel.n_bars - first, len(ground.combinations)
        train_masks(plan, max(n_bars, 0))
        if n_bars * count > MOST_RETURNS or count > MOST_FITS:
            most = min(MOST_RETURNS // n_bars, MOST_FITS)
            message = (
                f"{count:,} combinations over {n_bars:,} bars are more than one validation keeps; "
                f"at most {most:,} here. Thin out the space or take longer bars."
            )
            raise Invalid(message, code="validation.too_many", details={"field": "space"})
        size = -(-count // STEPS)
        return [
            Step(
                number + 1, min(size, count - low), {"first": low, "stop": min(low + size, count)}
            )
            for number, low in enumerate(range(0, count, size))
        ]

    def work(self, ground: Ground, step: Step, tell: Tell) -> Outcome:
        """Play a step's combinations over every group."""
        plan, first = _begun(ground)
        edges = edges_of(ground.panel.n_bars - first, plan.groups) + first
        low, stop = int(step.window["first"]), int(step.window["stop"])
        columns, streams, told = [], [], {"refused": 0, "failed": 0}
        for place, number in enumerate(range(low, stop)):
            column, error = _played(ground, number, edges, _warmup(ground, plan))
            if error is not None:
                told["failed" if error["code"] == "strategy.raised" else "refused"] += 1
            streams.append(stream_of(ground, column, first, ground.panel.n_bars))
            columns.append(np.full(int(edges[-1]) - first, np.nan) if column is None else column)
            tell((place + 1) / (stop - low))
        return Outcome(told, {"block": np.column_stack(columns)}, tuple(streams))

    def finish(self, ground: Ground, done: Sequence[tuple[Step, Outcome]]) -> dict[str, Any]:
        """Return splits, paths, and the spread of what the paths came to."""
        plan, first = _begun(ground)
        returns = np.column_stack([out.arrays["block"] for _, out in done])
        ts = ground.panel.ts[first:]
        rows, chosen = split_rows(ground, plan, returns, ts)
        walked = path_returns(plan, returns, chosen)
        figures = [measured(path, ts, ground.periods) for path in walked]
        trials = trials_of(returns, ground.periods)
        middle = _middle([one["sharpe"] for one in figures])
        spread = distribution([one["sharpe"] for one in figures], trials["benchmark_sharpe"])
        lost = stability.degradation(rows, spread["mean"], ground.periods)
        moves = stability.stability(ground.space, [row["chosen"] for row in rows])
        return {
            **_told(walked[middle], ts, ground.periods),
            "sharpe": spread["mean"],
            "efficiency": lost["efficiency"],
            "path_sharpes": spread,
            "middle_path": middle + 1,
            "trials": trials,
            "pbo": _share([row["logit"] for row in rows]),
            "degradation": lost,
            "stability": {name: moves[name] for name in ("distinct", "parameters")},
            "groups": _groups(plan, ts),
            "splits": rows,
            "paths": [
                {"number": number + 1, **{name: one[name] for name in PATH_FIGURES}}
                for number, one in enumerate(figures)
            ],
            "telling": (paths_of(plan) + 1).tolist(),
            "curves": curves(walked, ts),
            "combinations": len(ground.combinations),
            "refused": sum(out.figures["refused"] for _, out in done),
            "failed": sum(out.figures["failed"] for _, out in done),
        }


def _begun(ground: Ground) -> tuple[SplitPlan, int]:
    """Return the plan and the first bar that counts, after the warm-up."""
    plan = SplitPlan(**ground.plan)
    return plan, _warmup(ground, plan) + 1


def _warmup(ground: Ground, plan: SplitPlan) -> int:
    return warmup_of(ground) if plan.warmup is None else plan.warmup


def _played(
    ground: Ground, number: int, edges: Ints, warmup: int
) -> tuple[Floats | None, dict[str, Any] | None]:
    """Return a combination's returns over all groups, each from cash; or why there are none."""
    parts = []
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        params = ground.combinations[number]
        found = play_window(ground, params, start, stop, warmup=warmup)
        if found.returns is None:
            return None, found.error
        parts.append(found.returns)
    return np.concatenate(parts), None


def split_rows(
    ground: Ground, plan: SplitPlan, returns: Floats, ts: Ints
) -> tuple[list[dict[str, Any]], Ints]:
    """Return what every split chose and what that came to, and the choices (-1 for cash)."""
    trains, tests = train_masks(plan, len(returns)), tested_masks(plan, len(returns))
    both = np.concatenate((trains, tests))
    inside, outside = np.split(scores(returns, both, ts, ground.objective, ground.periods), 2)
    chosen = np.array([int(np.nanargmax(r)) if np.isfinite(r).any() else -1 for r in inside])
    there: NDArray[np.bool_] = np.asarray(np.isfinite(returns).all(axis=0))
    rows = []
    for number, tested in enumerate(tests_of(plan)):
        best = int(chosen[number])
        path = np.zeros(len(returns)) if best < 0 else returns[:, best]
        sides = {"train": trains[number], "test": tests[number]}
        rows.append(
            {
                "number": number + 1,
                "tested": (tested + 1).tolist(),
                "chosen": _chosen(ground, best),
                "score": None if best < 0 else float(inside[number, best]),
                "logit": None if best < 0 else _logit(outside[number], there, best),
                **{name: _side(path[mask], ground) for name, mask in sides.items()},
            }
        )
    return rows, chosen


def _side(returns: Floats, ground: Ground) -> dict[str, Any]:
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    varies = spread > FLAT * float(np.abs(returns).max())
    return {
        "bars": len(returns),
        "sharpe": mean / spread * math.sqrt(ground.periods) if varies else None,
        "mean": mean,
        "total_return": float(np.prod(1.0 + returns) - 1.0),
    }


def _chosen(ground: Ground, number: int) -> dict[str, Any]:
    if number < 0:
        return {"number": None, "params": {}}
    params = ground.combinations[number]
    named = {axis.name: params[axis.name] for axis in ground.space.axes}
    return {"number": number, "params": named}


def _logit(found: Floats, there: NDArray[np.bool_], best: int) -> float:
    """Return the logit of the rank that the chosen one has on the tests, as CSCV counts it.

    The rank runs from 1 to M, ties share their middle, ω = rank / (M + 1); one without a score,
    such as one that stayed in cash, counts as 0.
    """
    known = found[there]
    known = np.where(np.isnan(known), 0.0, known)
    mine = 0.0 if np.isnan(found[best]) else float(found[best])
    below, alike = int((known < mine).sum()), int((known == mine).sum())
    share = (below + (alike + 1) / 2.0) / (len(known) + 1.0)
    return math.log(share / (1.0 - share))


def path_returns(plan: SplitPlan, returns: Floats, chosen: Ints) -> Floats:
    """Return the returns of every path, ``(paths, n_bars)``."""
    telling, edges = paths_of(plan), edges_of(len(returns), plan.groups)
    found = np.zeros((len(telling), len(returns)))
    for group in range(plan.groups):
        part = slice(int(edges[group]), int(edges[group + 1]))
        best = chosen[telling[:, group]]
        found[:, part] = np.where(best[:, None] < 0, 0.0, returns[part, best].T)
    return found


def trials_of(returns: Floats, periods: float) -> dict[str, Any]:
    """Return how many trials the combinations add up to, and what luck gives the best of them.

    ``benchmark_sharpe`` is per year, over as many bars as a path has.
    """
    known = [column for column in returns.T if np.isfinite(column).all()]
    found = [one for one in map(moments, known) if one is not None]
    if not found:
        return {"effective_n": 0.0, "benchmark_sharpe": 0.0}
    count = float(len(known))
    if 1 < len(known) <= MOST_CLUSTERED:
        count = effective_trials(np.column_stack(known)).number
    ratios = np.array([one.sharpe for one in found])
    flat = Moments(0.0, 0.0, 3.0, len(returns))
    return {
        "effective_n": count,
        "benchmark_sharpe": judge(flat, ratios, count, periods).benchmark,
    }


def distribution(sharpes: Sequence[float | None], benchmark: float) -> dict[str, Any]:
    """Return mean, sample deviation, quantiles of the paths' ratios, and shares below bars.

    A path without a ratio, all in cash, counts as 0. The paths share bars, so their deviation
    says how far the choice of bars decides, not how exact the mean is.
    """
    known = np.array([0.0 if one is None else one for one in sharpes])
    return {
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "min": float(known.min()),
        "q5": float(np.quantile(known, 0.05)),
        "median": float(np.median(known)),
        "q95": float(np.quantile(known, 0.95)),
        "max": float(known.max()),
        "below_zero": float((known <= 0.0).mean()),
        "benchmark": benchmark,
        "below_benchmark": float((known <= benchmark).mean()),
    }


def _middle(sharpes: Sequence[float | None]) -> int:
    """Return the path in the middle by its ratio, the lower one of two."""
    known = np.array([0.0 if one is None else one for one in sharpes])
    return int(np.argsort(known, kind="stable")[(len(known) - 1) // 2])


def _told(returns: Floats, ts: Ints, periods: float) -> dict[str, Any]:
    """Return figures and moments of the path in the middle."""
    figures, reasons = metrics.explain(returns, periods=periods, ts=ts)
    found = moments(returns)
    days = ts[[0, -1]].astype("datetime64[us]").astype("datetime64[D]")
    return {
        "metrics": figures,
        "metrics_missing": reasons,
        "bars": len(returns),
        "first": str(days[0]),
        "last": str(days[1]),
        "periods_per_year": periods,
        "moments": None
        if found is None
        else {
            "sharpe": found.sharpe,
            "skewness": found.skewness,
            "kurtosis": found.kurtosis,
            "n": found.n,
        },
    }


def _share(logits: Sequence[float | None]) -> float | None:
    known = [one for one in logits if one is not None]
    return float(np.mean([one <= 0.0 for one in known])) if known else None


def _groups(plan: SplitPlan, ts: Ints) -> list[dict[str, Any]]:
    edges = edges_of(len(ts), plan.groups)
    days = ts.astype("datetime64[us]").astype("datetime64[D]")
    return [
        {
            "number": group + 1,
            "bars": int(edges[group + 1] - edges[group]),
            "from": str(days[edges[group]]),
            "to": str(days[edges[group + 1] - 1]),
        }
        for group in range(plan.groups)
    ]


def curves(walked: Floats, ts: Ints) -> dict[str, Any]:
    """Return the growth of 1 of paths, thinned; bands over all, lines of evenly spaced ones."""
    value = np.cumprod(1.0 + walked, axis=1)
    at = kept(value.mean(axis=0), POINTS)
    some = np.unique(np.linspace(0, len(walked) - 1, min(len(walked), MOST_CURVES)).astype(int))
    bands = np.quantile(value[:, at], BANDS, axis=0)
    return {
        "ts": [str(one) for one in ts[at].astype("datetime64[us]").astype("datetime64[m]")],
        "bands": {f"q{100 * b:g}": _short(row) for b, row in zip(BANDS, bands, strict=True)},
        "paths": [{"number": int(n) + 1, "value": _short(value[n, at])} for n in some],
    }


def _short(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
