"""The runs between two runs, and what each part of the difference adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.backtests.kernel import comparing
from apps.backtests.kernel.attribution import corners, shapley
from apps.backtests.models import Attribution, Run
from apps.backtests.selectors.comparisons import told_of_run
from apps.backtests.selectors.runs import get_done_run, status_of
from apps.core.errors import NotFound

FACTORS = (comparing.CODE, comparing.PARAMS, comparing.DATA, comparing.TERMS)


def factors_between(one: Run, two: Run) -> list[str]:
    """Return which of code, parameters, data and terms differ between two runs."""
    parts = [comparing.parts_of(told_of_run(run)) for run in (one, two)]
    changed = {change["part"] for change in comparing.changes(*parts)}
    return [factor for factor in FACTORS if factor in changed]


def find_attribution(base: Run, other: Run) -> Attribution | None:
    """Return the mixtures of two runs that were asked for, or None."""
    return Attribution.objects.filter(team_id=base.team_id, base=base, other=other).first()


def read_attribution(team_id: int, base_id: str, other_id: str) -> dict[str, Any]:
    """Return the mixtures of two runs of the team. Raises ``NotFound``."""
    base, other = (get_done_run(one, team_id) for one in (base_id, other_id))
    row = find_attribution(base, other)
    if row is None:
        message = "Nobody has asked yet what made the difference; POST …/compare/attribute does."
        raise NotFound(message, code="attribution.not_found")
    return attribution_of(row)


def attribution_of(row: Attribution) -> dict[str, Any]:
    """Return the mixtures with their figures, and once all are done each part's share."""
    factors = list(row.corners["factors"])
    ids = {**row.corners["runs"], **_ends(row, factors)}
    rows = Run.objects.filter(team_id=row.team_id, pk__in=ids.values()).select_related("job")
    found = {str(run.pk): run for run in rows}
    mixtures = [_mixture(name, factors, found[ids[name]]) for name in corners(len(factors))]
    failed = [one["id"] for one in mixtures if one["status"] not in {"done", "queued", "running"}]
    done = all(one["status"] == "done" for one in mixtures)
    return {
        "base": str(row.base_id),
        "other": str(row.other_id),
        "factors": factors,
        "status": "done" if done else ("failed" if failed else "running"),
        "failed": failed,
        "mixtures": mixtures,
        "shares": _shares(factors, mixtures) if done else [],
        "notes": row.corners.get("notes", []),
    }


def _ends(row: Attribution, factors: Sequence[str]) -> dict[str, str]:
    return {"0" * len(factors): str(row.base_id), "1" * len(factors): str(row.other_id)}


def _mixture(name: str, factors: Sequence[str], run: Run) -> dict[str, Any]:
    taken = [factor for factor, bit in zip(factors, name, strict=True) if bit == "1"]
    return {
        "mixture": name,
        "of_other": taken,
        "id": str(run.pk),
        "title": run.title,
        "status": status_of(run),
        "metrics": run.result.get("metrics", {}) if run.is_done else {},
    }


def _shares(factors: Sequence[str], mixtures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for each figure the whole change and what each part adds to it."""
    rows = []
    for name in mixtures[0]["metrics"]:
        values = {one["mixture"]: one["metrics"].get(name) for one in mixtures}
        if any(value is None for value in values.values()):
            continue
        whole = values[mixtures[-1]["mixture"]] - values[mixtures[0]["mixture"]]
        shares = shapley(factors, values)
        rows.append({"name": name, "delta": whole, "shares": shares})
    return rows
