"""Who had read bars before they were revised, and what the revision does to their figures."""

from __future__ import annotations

import math
from typing import Any

from apps.approvals import selectors as approvals
from apps.backtests import selectors as backtests
from apps.market import selectors as market
from apps.trading import selectors as trading

# name, title, whether it is a fraction shown in percent, places
COLUMNS = (
    ("total_return", "Total return, %", True, 2),
    ("cagr", "CAGR, %", True, 2),
    ("sharpe", "Sharpe", False, 3),
    ("max_drawdown", "Drawdown, %", True, 2),
)

# A change smaller than this share of the figure is rounding in the sums.
ROUNDING = 1e-12
MOST_PLACES = 12


def blast_radius(*, team_id: int, batch_id: int) -> dict[str, Any]:
    """Return every run, approval and deployment of a team that read what a batch revised.

    Raises
    ------
    NotFound
        When the batch changed no bars that the team may see.
    """
    revision = market.get_revision(team_id=team_id, batch_id=batch_id)
    readers = market.readers_of(team_id=team_id, revision=revision)
    runs = _runs(team_id, batch_id, [row.key for row in readers if row.kind == "backtest"])
    proposals = _proposals(team_id, runs)
    return {
        "revision": revision,
        "runs": runs,
        "proposals": proposals,
        "deployments": _deployments(
            team_id,
            proposals,
            [row.key for row in readers if row.kind == "deployment"],
            runs,
        ),
        "others": [row for row in readers if row.kind not in {"backtest", "deployment"}],
        "waiting": sum(run["rerun"] == "none" for run in runs),
        "columns": COLUMNS,
    }


def _runs(team_id: int, batch_id: int, keys: list[str]) -> list[dict[str, Any]]:
    """Return the runs with their figures before and after, the largest change first."""
    reruns = backtests.reruns_of(team_id=team_id, batch_id=batch_id)
    runs = backtests.list_runs(team_id=team_id, archived=None).filter(pk__in=set(keys))
    rows = [_run(run, reruns.get(run.pk)) for run in runs.order_by("-created_at", "-id")]
    return sorted(rows, key=lambda row: -abs(row["change"]["total_return"] or 0.0))


def _run(run: Any, rerun: Any) -> dict[str, Any]:
    before = rerun.before if rerun else {name: getattr(run, name, None) for name, *_ in COLUMNS}
    after = rerun.after if rerun else {}
    change = {name: _change(before.get(name), after.get(name)) for name, *_ in COLUMNS}
    return {
        "id": str(run.pk),
        "title": run.title,
        "strategy": run.strategy,
        "created_at": run.created_at,
        "rerun": "none" if rerun is None else backtests.state_of_rerun(rerun),
        "error": (rerun.error or {}).get("message", "") if rerun else "",
        "before": before,
        "after": after,
        "change": change,
        "places": {
            name: places_of(change[name], 100.0 if percent else 1.0, places)
            for name, _, percent, places in COLUMNS
        },
        "data_digest_before": run.data_digest,
        "data_digest_after": rerun.data_digest if rerun else "",
    }


def _change(before: float | None, after: float | None) -> float | None:
    """Return the change; what is left of rounding counts as none."""
    if before is None or after is None:
        return None
    change = after - before
    return 0.0 if abs(change) <= ROUNDING * max(abs(before), abs(after)) else change


def places_of(change: float | None, scale: float, places: int) -> int:
    """Return with how many places a change is written, so that none is shown as zero."""
    if not change:
        return places
    needed = 1 - math.floor(math.log10(abs(change * scale)))
    return min(max(places, needed), MOST_PLACES)


def _proposals(team_id: int, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_id = {run["id"]: run for run in runs}
    rows = approvals.list_proposals(team_id).filter(evidence__facts__run__in=list(by_id))
    return [
        {
            "id": str(row.pk),
            "title": row.title,
            "status": str(row.status),
            "target_stage": row.target_stage,
            "run": row.evidence["facts"]["run"],
            "decided_at": row.decided_at,
            **_delta(by_id[row.evidence["facts"]["run"]]),
        }
        for row in rows
    ]


def _delta(run: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the revision does to the run that something rests on."""
    if run is None:
        return {"rerun": "none", "change": {}, "places": {}}
    return {"rerun": run["rerun"], "change": run["change"], "places": run["places"]}


def _deployments(
    team_id: int, proposals: list[dict[str, Any]], own: list[str], runs: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return deployments under such an approval, and those that read the bars themselves."""
    by_id = {run["id"]: run for run in runs}
    run_of = {row["id"]: by_id[row["run"]] for row in proposals}
    rows = trading.list_deployments(team_id)
    found = rows.filter(approval_id__in=list(run_of)) | rows.filter(pk__in=own)
    return [
        {
            "id": row.pk,
            "account_id": row.account_id,
            "account": row.account.name,
            "version": row.version_label,
            "status": str(row.status),
            "approval": str(row.approval_id),
            "read_itself": str(row.pk) in own,
            **_delta(run_of.get(str(row.approval_id))),
        }
        for row in found
    ]
