"""Runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.backtests.kernel.files import measure_file as measure_file
from apps.backtests.models import Run
from apps.backtests.selectors.runs import get_done_run, run_detail, run_summary
from apps.core.errors import Invalid

MOST_COMPARED = 12


def runs_to_compare(ids: str, team_id: int) -> list[Run]:
    """Return done runs by comma-separated ids. Raises ``Invalid`` for too few or too many."""
    wanted = [one.strip() for one in ids.split(",") if one.strip()]
    if not 2 <= len(wanted) <= MOST_COMPARED:
        message = f"{len(wanted)} runs were named; compare 2 to {MOST_COMPARED}, as ids=a,b."
        raise Invalid(message, code="compare.count", details={"field": "ids"})
    return [get_done_run(one, team_id) for one in wanted]


def comparison(runs: Sequence[Run]) -> dict[str, Any]:
    """Return runs side by side: figures with the change from the first, and what differs."""
    details = [run_detail(run) for run in runs]
    names = [name for name in details[0]["metrics"] if all(name in d["metrics"] for d in details)]
    base = details[0]["metrics"]
    rows = [
        {
            "name": name,
            "values": [d["metrics"][name] for d in details],
            "deltas": [_delta(d["metrics"][name], base[name]) for d in details],
        }
        for name in names
    ]
    asked = [_flat(d) for d in details]
    fields = sorted({name for one in asked for name in one})
    differing = [
        {"name": name, "values": [one.get(name) for one in asked]}
        for name in fields
        if len({repr(one.get(name)) for one in asked}) > 1
    ]
    return {"runs": [run_summary(run) for run in runs], "metrics": rows, "differs": differing}


def _delta(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def _flat(detail: dict[str, Any]) -> dict[str, Any]:
    """Return what was asked and read, in one level, for a comparison."""
    skipped = {"title", "labels", "study", "costs", "params", "strategy"}
    asked = {k: v for k, v in detail["request"].items() if k not in skipped}
    params = {f"params.{k}": v for k, v in detail["params"].items()}
    costs = {f"costs.{k}": v for k, v in detail["request"]["costs"].items()}
    data = {"data_digest": detail["data_digest"], "engine_version": detail["engine_version"]}
    return {"strategy": detail["strategy"], **params, **asked, **costs, **data}
