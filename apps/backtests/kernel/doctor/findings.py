"""What a diagnosis is, what it reads off a run, and how that is graded and ranked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from apps.backtests.kernel.doctor.case import Case
from apps.backtests.kernel.doctor.links import Link

CRITICAL, WARNING, NOTE, OK, NOT_APPLICABLE = (
    "critical",
    "warning",
    "note",
    "ok",
    "not_applicable",
)
SEVERITIES = (CRITICAL, WARNING, NOTE, OK, NOT_APPLICABLE)
MOST_LINKS = 6


@dataclass(frozen=True, slots=True)
class Reading:
    """What a diagnosis read off a run.

    Parameters
    ----------
    value
        The number that is graded.
    says
        One sentence with the figures in it, true whatever the grade.
    effect
        Share of the result that hangs on it, from 0 to 1: ranks findings of one grade.
    links
        What causes it.
    at_most
        The worst grade it may get, when something else speaks for the run.
    """

    value: float
    says: str
    effect: float = 0.0
    links: tuple[Link, ...] = ()
    at_most: str = CRITICAL


# A text in place of a reading says why a diagnosis does not apply.
Find = Callable[[Case], Reading | str]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the doctor's table: what is measured, from which value on it is how bad, why.

    ``levels`` are values by grade; ``below`` tells that small values are the bad ones.
    """

    name: str
    group: str
    title: str
    unit: str
    levels: Mapping[str, float]
    below: bool
    measures: str
    means: str
    do: str
    source: str
    find: Find

    def grade(self, value: float) -> str:
        """Return how bad a value is."""
        for severity in (CRITICAL, WARNING, NOTE):
            level = self.levels.get(severity)
            if level is not None and (value <= level if self.below else value >= level):
                return severity
        return OK

    def level(self, severity: str) -> float | None:
        """Return the value from which on a grade is given; of a mild one the first to be met."""
        if severity in self.levels:
            return self.levels[severity]
        mildest = next((s for s in (NOTE, WARNING, CRITICAL) if s in self.levels), None)
        return None if mildest is None else self.levels[mildest]

    @property
    def rule(self) -> str:
        """The levels in words."""
        sign = "≤" if self.below else "≥"
        parts = [
            f"{severity} {sign} {shown(self.levels[severity], self.unit)}"
            for severity in (NOTE, WARNING, CRITICAL)
            if severity in self.levels
        ]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnosis of one run."""

    diagnosis: Diagnosis
    severity: str
    value: float | None
    threshold: float | None
    says: str
    effect: float = 0.0
    links: tuple[Link, ...] = field(default_factory=tuple)


def diagnosis(
    group: str,
    title: str,
    *,
    unit: str,
    measures: str,
    means: str,
    do: str,
    source: str = "the house",
    note: float | None = None,
    warning: float | None = None,
    critical: float | None = None,
    below: bool = False,
) -> Callable[[Find], Diagnosis]:
    """Make a diagnosis of the function that follows, named as it is."""
    given = {NOTE: note, WARNING: warning, CRITICAL: critical}
    levels = {severity: level for severity, level in given.items() if level is not None}

    def made(find: Find) -> Diagnosis:
        name = getattr(find, "__name__", "")
        return Diagnosis(
            name, group, title, unit, levels, below, measures, means, do, source, find
        )

    return made


def diagnose(one: Diagnosis, case: Case) -> Finding:
    """Return what a diagnosis comes to for a run."""
    read = one.find(case)
    if isinstance(read, str):
        return Finding(one, NOT_APPLICABLE, None, one.level(OK), read)
    if not math.isfinite(read.value):
        reason = "The figures it takes are not finite in this run."
        return Finding(one, NOT_APPLICABLE, None, one.level(OK), reason)
    graded = SEVERITIES[max(map(SEVERITIES.index, (one.grade(read.value), read.at_most)))]
    effect = min(max(read.effect, 0.0), 1.0) if math.isfinite(read.effect) else 0.0
    links = read.links[:MOST_LINKS]
    return Finding(one, graded, float(read.value), one.level(graded), read.says, effect, links)


def ranked(found: list[Finding]) -> list[Finding]:
    """Return findings with the worst first; of one grade those that more hangs on."""
    return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), -one.effect))


def shown(value: float, unit: str) -> str:
    """Return a figure as it is written in tables."""
    if unit == "fraction":
        return f"{100.0 * value:.4g} %"
    suffix = {"bps": " bps", "years": " years", "months": " months", "times": " times"}.get(
        unit, ""
    )
    return f"{value:.4g}{suffix}"
