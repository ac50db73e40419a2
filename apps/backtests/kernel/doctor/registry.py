"""Every diagnosis in one table, and the examination of a run by all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from apps.backtests.kernel.doctor import (
    behaviour,
    concentration,
    costs,
    crises,
    filled,
    holding,
    ordering,
    parameters,
    provenance,
    sample,
    shape,
)
from apps.backtests.kernel.doctor.case import Case
from apps.backtests.kernel.doctor.findings import (
    SEVERITIES,
    Diagnosis,
    Finding,
    diagnose,
    ranked,
    shown,
)
from apps.backtests.kernel.doctor.links import address

# Another number when a run may be diagnosed otherwise than before: what is kept is forgotten.
EDITION = 1
UNWRITTEN = {"flag", "level"}
PARTS = (
    provenance,
    filled,
    concentration,
    sample,
    parameters,
    costs,
    holding,
    behaviour,
    shape,
    crises,
    ordering,
)
DIAGNOSES: dict[str, Diagnosis] = {one.name: one for part in PARTS for one in part.DIAGNOSES}


def examine(case: Case) -> list[Finding]:
    """Return what every diagnosis comes to, the worst first."""
    return ranked([diagnose(one, case) for one in DIAGNOSES.values()])


def counts(found: Sequence[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity."""
    counted = Counter(one.severity for one in found)
    return {severity: counted[severity] for severity in SEVERITIES}


def as_row(one: Finding, run_id: str) -> dict[str, Any]:
    """Return a finding as JSON, its links as addresses."""
    known = one.diagnosis
    return {
        "name": known.name,
        "group": known.group,
        "title": known.title,
        "severity": one.severity,
        "value": one.value,
        "threshold": one.threshold,
        "unit": known.unit,
        "shown": _shown(one),
        "says": one.says,
        "effect": round(one.effect, 6),
        "rule": known.rule,
        "measures": known.measures,
        "means": known.means,
        "do": known.do,
        "source": known.source,
        "links": [
            {"kind": link.kind, "label": link.label, "href": address(link, run_id)}
            for link in one.links
        ],
    }


def _shown(one: Finding) -> str | None:
    """Return the number as it is written; a flag or level is told by the sentence alone."""
    if one.value is None or one.diagnosis.unit in UNWRITTEN:
        return None
    return shown(one.value, one.diagnosis.unit)


def table() -> list[dict[str, str]]:
    """Return the table of diagnoses as it is documented."""
    names = ("group", "name", "title", "measures", "rule", "source", "means", "do")
    return [{name: getattr(one, name) for name in names} for one in DIAGNOSES.values()]
