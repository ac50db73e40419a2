"""Whether the parameters were chosen with care: edges, peaks, what was never varied, copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case, Swept
from apps.backtests.kernel.doctor.findings import Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import count, percent

GROUP = "Parameters"
NO_SWEEP = "No sweep of this strategy holds these parameters."
NO_NUMBERS = "It has no parameters that are numbers."
NUMERIC = {"int", "float"}
LEAST_VALUES, LEAST_TRIALS = 3, 8


def _axes(swept: Swept) -> dict[str, list[float]]:
    """Return the numbers that each parameter of a sweep was given, ascending, two or more."""
    names = {name for params in swept.params for name in params}
    found = {}
    for name in sorted(names):
        values = {p[name] for p in swept.params if isinstance(p.get(name), int | float)}
        numbers = sorted({float(v) for v in values if not isinstance(v, bool)})
        if len(numbers) > 1:
            found[name] = numbers
    return found


def _place(swept: Swept, params: Mapping[str, Any]) -> int | None:
    """Return the trial of a sweep that has the run's parameters."""
    for at, trial in enumerate(swept.params):
        if all(params.get(name) == value for name, value in trial.items()):
            return at
    return None


def _mine(case: Case) -> tuple[Swept, int] | None:
    """Return the sweep with most trials that holds the run's parameters, and where."""
    for swept in sorted(case.sweeps, key=lambda one: -len(one.params)):
        at = _place(swept, case.params)
        if at is not None:
            return swept, at
    return None


def _written(swept: Swept, at: int) -> str:
    """Return a trial as the page of its sweep is asked for it: what the sweep varied."""
    mine = swept.params[at]
    varied = [n for n in mine if any(other.get(n) != mine[n] for other in swept.params)]
    return ", ".join(f"{name}={mine[name]}" for name in varied)


@diagnosis(
    GROUP,
    "Parameters at the edge of the search",
    unit="count",
    warning=1.0,
    measures="parameters at the first or last of three or more values that a sweep tried",
    means="The best may lie beyond what was searched; the search was cut off, not finished.",
    do="Widen the sweep on that side until the best lies inside.",
)
def swept_edge(case: Case) -> Reading | str:
    """Return how many parameters stand at the edge of a sweep."""
    found = _mine(case)
    if found is None:
        return NO_SWEEP
    swept, _ = found
    axes = {n: v for n, v in _axes(swept).items() if len(v) >= LEAST_VALUES}
    edge = [name for name, values in axes.items() if case.params[name] in (values[0], values[-1])]
    said = ", ".join(f"{n} = {case.params[n]} of {axes[n][0]:g} to {axes[n][-1]:g}" for n in edge)
    says = f"At the edge of what was swept: {said}." if edge else "All lie within what was swept."
    where = tuple(links.parameter(name, case.params[name]) for name in edge)
    return Reading(float(len(edge)), says, links=(*where, links.sweep(swept.id, swept.title)))


@diagnosis(
    GROUP,
    "An isolated peak",
    unit="ratio",
    note=0.7,
    warning=0.5,
    critical=0.0,
    below=True,
    measures="middle Sharpe ratio of the trials one step away in one parameter / the run's own",
    means="What falls apart one step aside was fitted to these bars; markets move by more.",
    do="Choose the middle of a region in which all are good, not the peak.",
    source="robustness of neighbours: Pardo, The Evaluation and Optimization of Strategies (2008)",
)
def isolated_peak(case: Case) -> Reading | str:
    """Return how the neighbours do beside it."""
    found = _mine(case)
    if found is None:
        return NO_SWEEP
    swept, at = found
    near = _neighbours(swept, at)
    own = float(swept.sharpe[at])
    if len(near) < 2 or not own > 0.0:
        return "The trial has fewer than two neighbours, or no positive Sharpe ratio."
    ratio = float(np.median(swept.sharpe[near])) / own
    says = (
        f"One step away in one parameter the middle of {count(len(near), 'trial')} has Sharpe "
        f"{float(np.median(swept.sharpe[near])):.2f}, this one {own:.2f}."
    )
    worst = sorted(near, key=lambda one: swept.sharpe[one])[:3]
    named = [_written(swept, one) for one in worst]
    where = tuple(links.sweep(swept.id, words, words) for words in named)
    return Reading(ratio, says, 1.0 - ratio, (*where, links.sweep(swept.id, swept.title)))


def _neighbours(swept: Swept, at: int) -> list[int]:
    """Return the trials that differ in one parameter, by one step, and have a Sharpe ratio."""
    mine, axes = swept.params[at], _axes(swept)
    steps = {}
    for name, values in axes.items():
        if float(mine[name]) in values:
            place = values.index(float(mine[name]))
            steps[name] = {values[i] for i in (place - 1, place + 1) if 0 <= i < len(values)}
    found = []
    for other, params in enumerate(swept.params):
        moved = [n for n in mine if params.get(n) != mine[n]]
        one = len(moved) == 1 and moved[0] in steps
        if one and params[moved[0]] in steps[moved[0]] and np.isfinite(swept.sharpe[other]):
            found.append(other)
    return found


@diagnosis(
    GROUP,
    "Few combinations made money",
    unit="fraction",
    note=0.5,
    warning=0.3,
    critical=0.1,
    below=True,
    measures="trials of the largest sweep with a positive Sharpe ratio / all; from 8 on",
    means="When most settings lose, the ones that gain are the lucky ones.",
    do="Ask whether the idea has anything in it before asking which setting is best.",
)
def few_profitable(case: Case) -> Reading | str:
    """Return how many combinations made money."""
    if not case.sweeps:
        return "The strategy was never swept."
    swept = max(case.sweeps, key=lambda one: len(one.params))
    known = swept.sharpe[np.isfinite(swept.sharpe)]
    if len(known) < LEAST_TRIALS:
        return f"The largest sweep has {len(known)} trials with a ratio; it takes {LEAST_TRIALS}."
    share = float((known > 0.0).mean())
    says = (
        f"{percent(share)} of {len(known):,} combinations of {swept.title} have a positive "
        f"Sharpe ratio; the middle one has {float(np.median(known)):.2f}."
    )
    return Reading(share, says, 1.0 - share, (links.sweep(swept.id, swept.title),))


@diagnosis(
    GROUP,
    "Parameters at the end of their range",
    unit="count",
    note=1.0,
    measures="parameters equal to the least or largest value that is allowed",
    means="The rule wants to go where its author did not think it should.",
    do="Ask why; if the range is right, the value is suspicious.",
)
def declared_edge(case: Case) -> Reading | str:
    """Return how many parameters stand at the end of their range."""
    numeric = [p for p in case.declared if p.kind in NUMERIC and p.name in case.params]
    if not numeric:
        return NO_NUMBERS
    edge = [
        p
        for p in numeric
        if case.params[p.name] in (p.low, p.high) and case.params[p.name] != p.default
    ]
    said = ", ".join(f"{p.name} = {case.params[p.name]}" for p in edge)
    says = f"At the end of their range: {said}." if edge else "All lie within their ranges."
    where = tuple(links.parameter(p.name, case.params[p.name]) for p in edge)
    return Reading(float(len(edge)), says, links=where)


@diagnosis(
    GROUP,
    "Never tried otherwise",
    unit="fraction",
    note=0.5,
    measures="parameters with one value in all trials of the strategy / parameters",
    means="How much hangs on the exact values is not known.",
    do="Sweep them around these values. A flat region speaks for it, a peak against.",
)
def unvaried(case: Case) -> Reading | str:
    """Return how many parameters were never varied."""
    numeric = [p.name for p in case.declared if p.kind in NUMERIC]
    if not numeric:
        return NO_NUMBERS
    fixed = [name for name in numeric if name not in case.varied]
    says = f"{len(fixed)} of {count(len(numeric), 'parameter')} had one value in all trials"
    says += f": {', '.join(fixed[:6])}." if fixed else "."
    where = tuple(links.parameter(name, case.params.get(name)) for name in fixed)
    return Reading(len(fixed) / len(numeric), says, links=where)


@diagnosis(
    GROUP,
    "The same run again",
    unit="count",
    note=1.0,
    measures="other runs of the team with the same result digest",
    means="A run repeated is no second proof; it counts once.",
    do="Quote one of them.",
    source="digest of engine, data, strategy, parameters, terms and result",
)
def twins(case: Case) -> Reading | str:
    """Return how many other runs are the same."""
    says = f"{count(len(case.twins), 'other run')} came to the same to the last bit."
    where = tuple(links.run(number, title) for number, title in case.twins[:5])
    return Reading(float(len(case.twins)), says, links=where)


DIAGNOSES: tuple[Diagnosis, ...] = (
    swept_edge,
    isolated_peak,
    few_profitable,
    declared_edge,
    unvaried,
    twins,
)
