"""Where it comes from: the probe for look-ahead, who is missing from the data, what changed."""

from __future__ import annotations

import re

import numpy as np

from apps.backtests.kernel.doctor import links
from apps.backtests.kernel.doctor.case import Case
from apps.backtests.kernel.doctor.findings import Diagnosis, Reading, diagnosis
from apps.backtests.kernel.doctor.words import percent

GROUP = "Data and look-ahead"
MISSING_WORDS = re.compile(r"\b(missing|failed|survivors?|flatters)\b", re.IGNORECASE)
CHOSEN_WORDS = re.compile(r"\b(by hand|picked|chosen|may flatter)\b", re.IGNORECASE)
CLEAN_WORDS = re.compile(
    r"\b(no survivorship|delisted .* included|point in time)\b", re.IGNORECASE
)
PASSED = "passed"
PROBED = {"": 1.0, PASSED: 0.0, "leaks": 2.0}


@diagnosis(
    GROUP,
    "Look-ahead is not ruled out",
    unit="flag",
    warning=1.0,
    critical=2.0,
    measures="0 when the version's probe passed, 1 when none did, 2 when it found a leak",
    means="A rule that sees one bar ahead makes any result; nothing else counts then.",
    do="Open the version: the probe names input and line. Promotions need one that passed.",
    source="docs/STRATEGIES.md, the look-ahead probe",
)
def look_ahead(case: Case) -> Reading | str:
    """Return what the look-ahead probe came to."""
    value = PROBED.get(case.probe, 1.0)
    verdicts = {
        0.0: "The version's look-ahead probe passed.",
        1.0: "No look-ahead probe of this version has passed yet"
        + (f": {case.probe}." if case.probe else "."),
        2.0: "The version's look-ahead probe found that it uses what comes later.",
    }
    where = (links.version(case.version),) if case.version else ()
    return Reading(value, verdicts[value], 1.0 if value == 2.0 else 0.0, where)


@diagnosis(
    GROUP,
    "Survivors only",
    unit="level",
    note=0.5,
    warning=1.0,
    measures="1 when the data say that failed instruments are missing, 0.5 when picked by hand",
    means="Those that went to nothing are not in the test; long-only results are too good.",
    do="Use a universe with those that left in it, or mark the result down for it.",
    source="Brown, Goetzmann, Ibbotson and Ross, RFS 5 (1992); the data set's own words",
)
def survivorship(case: Case) -> Reading | str:
    """Return what the data say of who is missing."""
    text = str(case.result.get("survivorship") or "")
    if not text:
        return "The data say nothing of it."
    gone, chosen = MISSING_WORDS.search(text), CHOSEN_WORDS.search(text)
    value = 1.0 if gone else 0.5 if chosen else 0.0
    value = 0.0 if CLEAN_WORDS.search(text) else value
    where = (links.field("universe" if case.request.get("universe") else "instruments"),)
    return Reading(value, text, links=where)


@diagnosis(
    GROUP,
    "The bars have changed since",
    unit="flag",
    warning=1.0,
    measures="1 when the same request reads other bars today, or a later computation moved it",
    means="The figures shown can't be had again from the data as they are now.",
    do="Run it again, and compare; to keep a moment, say as known on which day.",
)
def data_changed(case: Case) -> Reading | str:
    """Return whether the bars changed since."""
    if case.data_changed is None and case.moved is None:
        return "It could not be told whether the bars changed."
    moved = case.moved is not None and abs(case.moved) > 0.0
    changed = bool(case.data_changed) or moved
    says = "The bars are those it was computed on."
    if changed:
        says = "The same request reads other bars today than when it was computed."
    if moved and case.moved is not None:
        says += f" Computed once more, the total return moved by {percent(case.moved)}."
    effect = abs(case.moved or 0.0)
    return Reading(float(changed), says, effect, (links.field("as_of"), links.field("end")))


@diagnosis(
    GROUP,
    "Computed by an older engine",
    unit="flag",
    note=1.0,
    measures="1 when the engine that computed it is not the one of today",
    means="Rules of fills or figures may have changed; comparisons with newer runs may limp.",
    do="Run it again before comparing.",
)
def older_engine(case: Case) -> Reading | str:
    """Return whether another engine computed it."""
    if not case.engine_version or not case.engine_now:
        return "The engine is not known."
    same = case.engine_version == case.engine_now
    says = f"Engine {case.engine_version}; today's is {case.engine_now}."
    return Reading(float(not same), says, links=(links.field("strategy", "Run it again"),))


@diagnosis(
    GROUP,
    "Holes in the bars",
    unit="fraction",
    note=0.005,
    warning=0.05,
    measures=(
        "bars missing between an instrument's first and last, where half of the others have one / "
        "bars between them"
    ),
    means="Signals that count bars count other days than they think.",
    do="Repair the gaps in the data room.",
)
def holes(case: Case) -> Reading | str:
    """Return how many bars are missing."""
    if case.panel is None:
        return case.no_panel
    there = np.isfinite(case.panel.close)
    begun = np.maximum.accumulate(there, axis=0)
    lasts = np.maximum.accumulate(there[::-1], axis=0)[::-1]
    inside = begun & lasts
    if not inside.any():
        return "The instruments traded have no bars."
    most = there.mean(axis=1, keepdims=True) >= 0.5
    missing = inside & ~there & most
    share = float(missing.sum()) / float(inside.sum())
    each = missing.sum(axis=0)
    worst = [case.panel.symbols[a] for a in np.argsort(-each, kind="stable")[:3] if each[a]]
    says = f"{int(missing.sum()):,} of {int(inside.sum()):,} bars of what it traded are missing"
    says += f", most of {', '.join(worst)}." if worst else "."
    bars = np.argwhere(missing)[:2]
    cells = tuple(links.bar(case.panel.symbols[a], int(case.panel.ts[b])) for b, a in bars)
    return Reading(share, says, links=(*cells, *(links.data(name) for name in worst)))


DIAGNOSES: tuple[Diagnosis, ...] = (look_ahead, survivorship, data_changed, older_engine, holes)
