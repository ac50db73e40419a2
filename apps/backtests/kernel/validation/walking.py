"""Walk-forward: parameters fitted anew before each test, and what slicing would have claimed.

Each fold plays all combinations over its training bars, takes the best, and plays that one over
its test bars, from cash and after all costs. The test windows, one after another, are the curve.

The **naive** mode takes the best of the whole history and slices its one curve into the same
windows. It chose with the bars it is judged on: it is here to show how much that flatters.

References
----------
Pardo, "The Evaluation and Optimization of Trading Strategies", 2nd ed. (2008), ch. 11-12.
Bailey, Borwein, López de Prado and Zhu, "Pseudo-mathematics and financial charlatanism",
Notices of the AMS 61 (2014).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel import metrics
from apps.backtests.kernel.integrity.families import judge
from apps.backtests.kernel.integrity.sharpe import moments
from apps.backtests.kernel.validation import folds, stability
from apps.backtests.kernel.validation.folds import Fold
from apps.backtests.kernel.validation.ground import (
    MOST_FITS,
    Ground,
    Outcome,
    Step,
    Tell,
    measured,
    play_window,
    score,
    stream_of,
    warmup_of,
)
from apps.core.errors import Invalid

Floats = NDArray[np.float64]
# The number of the step that slices the best of the whole history.
NAIVE = 0
WARNING = (
    "Demonstration of what goes wrong: these parameters were chosen on the very bars they are "
    "judged on. It is no evidence."
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What all combinations scored on some bars; NaN where there is no score.

    ``returns`` are those of the best, all 0 (in cash) without one.
    """

    scores: Floats
    best: int | None
    outcome: dict[str, int]
    streams: tuple[Any, ...]
    returns: Floats


def fit(ground: Ground, start: int, stop: int, warmup: int, tell: Tell) -> Fitted:
    """Return the scores of every combination over ``start:stop``, and which is best.

    Of equal scores the first combination of the grid is taken.
    """
    count = len(ground.combinations)
    scores, streams = np.full(count, np.nan), []
    told = {"refused": 0, "failed": 0}
    ts, best, kept = ground.panel.ts[start:stop], None, np.zeros(stop - start)
    for number, params in enumerate(ground.combinations):
        played = play_window(ground, params, start, stop, warmup=warmup)
        if played.error is not None:
            told["failed" if played.error["code"] == "strategy.raised" else "refused"] += 1
        if played.returns is not None:
            found = score(played.returns, ts, ground.objective, ground.periods)
            scores[number] = np.nan if found is None else found
            if found is not None and (best is None or found > scores[best]):
                best, kept = number, played.returns
        streams.append(stream_of(ground, played.returns, start, stop))
        tell((number + 1) / count)
    return Fitted(scores, best, told, tuple(streams), kept)


def tested(ground: Ground, number: int | None, start: int, stop: int, warmup: int) -> Floats:
    """Return what a combination earned by bar over a test; nothing, in cash, without one."""
    if number is None:
        return np.zeros(stop - start)
    params = ground.combinations[number]
    played = play_window(ground, params, start, stop, warmup=warmup, strict=True)
    assert played.returns is not None  # noqa: S101 strict raises instead
    return played.returns


def _chosen(ground: Ground, number: int | None) -> dict[str, Any]:
    if number is None:
        return {"number": None, "params": {}}
    params = ground.combinations[number]
    return {"number": number, "params": {axis.name: params[axis.name] for axis in _axes(ground)}}


def _axes(ground: Ground) -> tuple[Any, ...]:
    return ground.space.axes


class WalkForward:
    """Parameters fitted anew on the bars before each test."""

    name = "walk_forward"
    title = "Walk-forward"
    says = "Each test window is played with what was best on the bars before it."
    is_evidence = True

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a checked plan."""
        return folds.read_plan(given).as_dict()

    def steps(self, ground: Ground) -> list[Step]:
        """Return a step for each fold, and one for the naive demonstration."""
        found = [_step(ground, fold) for fold in folds_of(ground)]
        if ground.plan["demonstrate"]:
            found.append(Step(NAIVE, len(ground.combinations)))
        return _checked(found)

    def work(self, ground: Ground, step: Step, tell: Tell) -> Outcome:
        """Fit all combinations on a fold's training, and play the best over its test."""
        if step.number == NAIVE:
            return sliced(ground, tell)
        fold = folds_of(ground)[step.number - 1]
        fitted = fit(ground, fold.train_start, fold.train_stop, fold.warmup, tell)
        inside, span = fitted.returns, slice(fold.train_start, fold.train_stop)
        train = measured(inside, ground.panel.ts[span], ground.periods)
        ts = ground.panel.ts[fold.test_start : fold.test_stop]
        outside = tested(ground, fitted.best, fold.test_start, fold.test_stop, fold.warmup)
        test = measured(outside, ts, ground.periods)
        figures = {
            "chosen": _chosen(ground, fitted.best),
            "score": None if fitted.best is None else float(fitted.scores[fitted.best]),
            "median_score": _median(fitted.scores),
            "plateau": stability.plateau(ground.space, fitted.scores, fitted.best),
            "train": {**train, "mean": float(inside.mean())},
            "test": {**test, "mean": float(outside.mean())},
            **fitted.outcome,
        }
        arrays = {"returns": outside, "ts": ts, "scores": fitted.scores}
        return Outcome(figures, arrays, fitted.streams)

    def finish(self, ground: Ground, done: Sequence[tuple[Step, Outcome]]) -> dict[str, Any]:
        """Return the stitched curve's figures, degradation, stability, and the folds."""
        walked = [(step, out) for step, out in done if step.number != NAIVE]
        returns = np.concatenate([out.arrays["returns"] for _, out in walked])
        ts = np.concatenate([out.arrays["ts"] for _, out in walked])
        rows = [
            {"number": step.number, "window": dict(step.window), **out.figures}
            for step, out in walked
        ]
        found = stitched(returns, ts, ground.periods, len(ground.combinations))
        lost = stability.degradation(rows, found["sharpe"], ground.periods)
        shown = [out for step, out in done if step.number == NAIVE]
        return {
            **found,
            "efficiency": lost["efficiency"],
            "degradation": lost,
            "stability": stability.stability(ground.space, [row["chosen"] for row in rows]),
            "folds": rows,
            "combinations": len(ground.combinations),
            "naive": _beside(ground, shown[0], found["sharpe"]) if shown else None,
        }


class Naive:
    """The best of the whole history, sliced: a demonstration and nothing else."""

    name = "naive"
    title = "Naive slicing (demonstration)"
    says = WARNING
    is_evidence = False

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a checked plan."""
        return folds.read_plan(given).as_dict()

    def steps(self, ground: Ground) -> list[Step]:
        """Return the one step there is."""
        folds_of(ground)
        return _checked([Step(NAIVE, len(ground.combinations))])

    def work(self, ground: Ground, step: Step, tell: Tell) -> Outcome:  # noqa: ARG002 one step
        """Choose on all bars and slice the curve of the choice."""
        return sliced(ground, tell)

    def finish(self, ground: Ground, done: Sequence[tuple[Step, Outcome]]) -> dict[str, Any]:
        """Return what slicing claims, labelled."""
        out = done[0][1]
        returns, ts = out.arrays["returns"], out.arrays["ts"]
        found = stitched(returns, ts, ground.periods, len(ground.combinations))
        rows, at = [], 0
        for fold in folds_of(ground):
            part = slice(at, at + fold.test_stop - fold.test_start)
            at = part.stop
            figures = measured(returns[part], ts[part], ground.periods)
            window = folds.window_of(fold, ground.panel.ts)
            rows.append(
                {
                    "number": fold.number,
                    "window": window,
                    "chosen": out.figures["chosen"],
                    "test": {**figures, "mean": float(returns[part].mean())},
                }
            )
        return {
            **found,
            "warning": WARNING,
            "efficiency": None,
            "chosen": out.figures["chosen"],
            "folds": rows,
            "combinations": len(ground.combinations),
        }


def folds_of(ground: Ground) -> list[Fold]:
    """Return the folds of a plan on the panel of a ground."""
    plan = folds.Plan(**ground.plan)
    return folds.cut(plan, ground.panel.ts, warmup_of(ground))


def _step(ground: Ground, fold: Fold) -> Step:
    return Step(fold.number, len(ground.combinations), folds.window_of(fold, ground.panel.ts))


def _checked(steps: list[Step]) -> list[Step]:
    """Refuse more work than a validation may be. Raises ``Invalid``."""
    total = sum(step.trials for step in steps)
    if total > MOST_FITS:
        message = (
            f"{len(steps)} folds of {steps[0].trials:,} combinations are {total:,} fits; at most "
            f"{MOST_FITS:,} are counted and computed at once. Thin out the space or lengthen the "
            "tests."
        )
        raise Invalid(message, code="validation.too_many", details={"field": "space"})
    return steps


def sliced(ground: Ground, tell: Tell) -> Outcome:
    """Return the best of all bars, and its returns in the test windows of the plan."""
    cuts = folds_of(ground)
    first, last, warmup = cuts[0].warmup + 1, ground.panel.n_bars, cuts[0].warmup
    fitted = fit(ground, first, last, warmup, tell)
    inside = [slice(fold.test_start - first, fold.test_stop - first) for fold in cuts]
    returns = np.concatenate([fitted.returns[part] for part in inside])
    ts = np.concatenate([ground.panel.ts[fold.test_start : fold.test_stop] for fold in cuts])
    figures = {
        "chosen": _chosen(ground, fitted.best),
        "score": None if fitted.best is None else float(fitted.scores[fitted.best]),
        "test": measured(returns, ts, ground.periods),
        **fitted.outcome,
    }
    return Outcome(figures, {"returns": returns, "ts": ts}, fitted.streams)


def stitched(
    returns: Floats, ts: NDArray[np.int64], periods: float, combinations: int
) -> dict[str, Any]:
    """Return the figures of test windows one after another.

    ``deflated_sharpe`` reckons with the combinations alone, as if each were a stranger to the
    others; the lab's own pages show it after all that was tried of the family.
    """
    figures, reasons = metrics.explain(returns, periods=periods, ts=ts)
    found = moments(returns)
    worth = None if found is None else judge(found, np.empty(0), combinations, periods)
    days = ts[[0, -1]].astype("datetime64[us]").astype("datetime64[D]")
    return {
        "sharpe": figures["sharpe"],
        "metrics": figures,
        "metrics_missing": reasons,
        "bars": len(returns),
        "first": str(days[0]),
        "last": str(days[1]),
        "periods_per_year": periods,
        "probabilistic_sharpe": None if worth is None else worth.probabilistic_sharpe,
        "deflated_sharpe": None if worth is None else worth.deflated_sharpe,
        "moments": None
        if found is None
        else {
            "sharpe": found.sharpe,
            "skewness": found.skewness,
            "kurtosis": found.kurtosis,
            "n": found.n,
        },
    }


def _beside(ground: Ground, out: Outcome, honest: float | None) -> dict[str, Any]:
    """Return what slicing claims beside what walking forward came to."""
    claimed = out.figures["test"]["sharpe"]
    known = claimed is not None and honest is not None
    return {
        "warning": WARNING,
        "chosen": out.figures["chosen"],
        "test": {**out.figures["test"]},
        "sharpe": claimed,
        "bias": claimed - honest if known else None,
        "objective": ground.objective,
    }


def _median(scores: Floats) -> float | None:
    known = scores[np.isfinite(scores)]
    found = float(np.median(known)) if len(known) else math.nan
    return found if math.isfinite(found) else None
