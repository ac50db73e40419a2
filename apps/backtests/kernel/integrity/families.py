"""What a run is worth beside all the others that were tried: the figures of a trial family."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity import streams
from apps.backtests.kernel.integrity.effective import effective_trials
from apps.backtests.kernel.integrity.overfitting import Overfitting, overfitting
from apps.backtests.kernel.integrity.sharpe import (
    LEVEL,
    Moments,
    deflated_sharpe,
    expected_max_sharpe,
    min_track_record,
    months_needed,
    probabilistic_sharpe,
)

Floats = NDArray[np.float64]
# So many trials of one calendar are clustered, and split; of more, evenly spaced ones speak.
MOST_CLUSTERED, MOST_SPLIT = 1_500, 3_000
BARS = 40


@dataclass(frozen=True, slots=True)
class Kept:
    """What the ledger keeps of one trial that has returns; the ratio is per observation."""

    calendar: str
    observations: int
    sharpe: float
    periods: float
    blocks: bytes
    path: bytes


@dataclass(frozen=True, slots=True)
class Family:
    """Figures of all trials with returns: ``effective`` are those the ``groups`` add up to."""

    streams: int
    effective: float
    groups: int
    yearly: tuple[float, ...]
    calendars: int
    split: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Significance:
    """A run's Sharpe ratio judged; ``benchmark`` and ``sharpe`` are per year here."""

    sharpe: float
    benchmark: float
    probabilistic_sharpe: float
    deflated_sharpe: float
    effective_n: float
    observations: int
    min_track_record: float | None
    months_needed: float | None


def judge(
    found: Moments, sharpes: Floats, effective_n: float, periods: float, level: float = LEVEL
) -> Significance:
    """Return what a run's Sharpe ratio is worth after all the trials of its family.

    Parameters
    ----------
    found
        Of the run judged.
    sharpes
        Of all trials that have one, per observation.
    effective_n
        How many independent trials there were.
    periods
        Observations in a year.
    """
    number = max(effective_n, 1.0)
    spread = trials_variance(sharpes, found.n)
    benchmark = expected_max_sharpe(number, spread)
    needed = min_track_record(found, benchmark, level)
    yearly = math.sqrt(periods)
    return Significance(
        sharpe=found.sharpe * yearly,
        benchmark=benchmark * yearly,
        probabilistic_sharpe=probabilistic_sharpe(found),
        deflated_sharpe=deflated_sharpe(found, number, spread),
        effective_n=number,
        observations=found.n,
        min_track_record=needed,
        months_needed=months_needed(needed, found.n, periods),
    )


def trials_variance(sharpes: Floats, n: int) -> float:
    """Return the variance of Sharpe ratios over trials, at least what chance alone makes.

    Like trials of one idea lie close together and would lower the bar for all of them; without
    any skill a ratio over ``n`` observations varies by 1 / (n - 1) however close its fellows are.
    """
    there = np.asarray(sharpes, dtype=np.float64)
    there = there[np.isfinite(there)]
    among = float(there.var(ddof=1)) if len(there) > 1 else 0.0
    return max(among, 1.0 / (n - 1))


def scaled_number(effective: float, with_stream: int, counted: int) -> float:
    """Return the effective number of all trials counted, those without a stream like the others.

    Failed and cancelled trials, and those under way, have no returns to be compared by.
    """
    if with_stream < 1:
        return float(counted)
    return effective * max(counted, with_stream) / with_stream


def family(trials: Sequence[Kept], most: int = MOST_CLUSTERED) -> Family:
    """Return the figures of a family.

    Trials on other bars can't be compared, so each calendar is clustered by itself and their
    numbers are added; the overfitting is that of the calendar with the most trials.
    """
    by_calendar: dict[str, list[Kept]] = {}
    for trial in trials:
        by_calendar.setdefault(trial.calendar, []).append(trial)
    effective, groups = 0.0, 0
    for alike in by_calendar.values():
        chosen = evenly(alike, most)
        found = effective_trials(streams.paths([trial.path for trial in chosen]))
        effective += found.number * len(alike) / len(chosen)
        groups += found.groups
    largest = max(by_calendar.values(), key=len, default=[])
    yearly = tuple(trial.sharpe * math.sqrt(trial.periods) for trial in trials)
    return Family(len(trials), effective, groups, yearly, len(by_calendar), split_of(largest))


def evenly(rows: Sequence[Kept], most: int) -> Sequence[Kept]:
    """Return at most so many rows, evenly spaced, the first among them."""
    step = -(-len(rows) // most) if rows else 1
    return rows[::step]


def split_of(trials: Sequence[Kept]) -> dict[str, object]:
    """Return the overfitting of trials of one calendar as JSON; nothing when it can't be told.

    Of trials with the same returns one counts.
    """
    # A configuration run again is no other one to choose from.
    alike = {trial.blocks: trial for trial in reversed(trials) if trial.blocks}
    chosen = evenly(list(reversed(alike.values())), MOST_SPLIT)
    if len(chosen) < 2:
        return {}
    sums = streams.sums([trial.blocks for trial in chosen], chosen[0].observations)
    return split_json(overfitting(sums), chosen[0].periods)


def split_json(found: Overfitting, periods: float) -> dict[str, object]:
    """Return an overfitting in short, ratios per year: figures, logits in bars, a few splits."""
    yearly = math.sqrt(periods)
    counts, edges = np.histogram(found.logits, bins=BARS)
    some = np.linspace(0, len(found.inside) - 1, min(600, len(found.inside))).astype(int)
    return {
        "pbo": found.pbo,
        "trials": found.n_trials,
        "blocks": found.blocks,
        "splits": len(found.logits),
        "loss": found.loss,
        "slope": found.slope,
        "intercept": found.intercept * yearly,
        "r_squared": found.r_squared,
        "dominates": found.dominates,
        "dominates_second": found.dominates_second,
        "logits": {"counts": counts.tolist(), "edges": edges.round(6).tolist()},
        "inside": (found.inside[some] * yearly).round(4).tolist(),
        "outside": (found.outside[some] * yearly).round(4).tolist(),
    }


def figures(
    found: Moments, periods: float, whole: Family, counted: int
) -> Mapping[str, float | int | None]:
    """Return a run's figures of significance by the name the contract gives them."""
    number = scaled_number(whole.effective, whole.streams, counted)
    ratios = np.array(whole.yearly) / math.sqrt(periods)
    one = judge(found, ratios, number, periods)
    return {
        "deflated_sharpe": one.deflated_sharpe,
        "probabilistic_sharpe": one.probabilistic_sharpe,
        "benchmark_sharpe": one.benchmark,
        "effective_n": one.effective_n,
        "groups": whole.groups,
        "observations": one.observations,
        "min_track_record": one.min_track_record,
        "months_needed": one.months_needed,
        "pbo": whole.split.get("pbo"),  # type: ignore[dict-item]
    }
