"""Gates held against past decisions: which approvals of the last year would fail today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from apps.approvals.kernel import policy, quorum
from apps.approvals.kernel.evidence import EvidenceSource
from apps.approvals.models import Proposal
from apps.approvals.selectors.proposals import blocking_gates
from apps.approvals.selectors.settings import get_setting, list_settings
from apps.core.errors import Invalid
from apps.core.plugs import list_plugs, load_plug

SOURCES = "EVIDENCE_SOURCES"
YEAR = timedelta(days=365)
MAX_ROWS = 1000


def dry_run(
    team_id: int,
    *,
    now: datetime,
    gates: Sequence[Mapping[str, Any]] | None = None,
    since: datetime | None = None,
) -> dict[str, Any]:
    """Return what gates come to on the evidence of every promotion approved since, newest first.

    Without ``gates`` they are those in force; without ``since`` it is a year. Nothing is changed.
    Raises ``Invalid`` for gates that can't be.
    """
    began = since or now - YEAR
    chosen = get_setting(team_id, "approvals.gates") if gates is None else gates
    try:
        read = policy.read_gates(chosen)
        if gates is not None:
            policy.check_gates(read, known_figures())
    except ValueError as error:
        message = f"The gates can't be read: {error}."
        raise Invalid(message, code="setting.value", details={"field": "gates"}) from error
    found = Proposal.objects.filter(
        team_id=team_id, kind=quorum.PROMOTION, status="approved", decided_at__gte=began
    ).order_by("-decided_at", "-id")
    rows = [_judged(row, read) for row in found[:MAX_ROWS]]
    failing = sum(row["fails"] for row in rows)
    return {"since": began, "approvals": len(rows), "failing": failing, "rows": rows}


def known_figures() -> frozenset[str]:
    """Return the figures that the lab takes into evidence, of every kind of proposal."""
    sources: list[EvidenceSource] = [load_plug(SOURCES, name) for name in list_plugs(SOURCES)]
    return frozenset(figure for source in sources for figure in source.figures)


def policies_page(team_id: int, *, now: datetime, **asked: Any) -> dict[str, Any]:
    """Return the policies as they hold, and a dry run of the gates. Raises as ``dry_run``."""
    return {
        "policies": [row for row in list_settings(team_id) if row.by_proposal],
        "dry_run": dry_run(team_id, now=now, **asked),
    }


def _judged(row: Proposal, gates: Sequence[policy.Gate]) -> dict[str, Any]:
    results = [asdict(one) for one in policy.judge(gates, row.target_stage, row.evidence)]
    failing = blocking_gates(results)
    return {
        "id": row.pk,
        "title": row.title,
        "subject": row.subject,
        "target_stage": row.target_stage,
        "decided_at": row.decided_at,
        "fails": bool(failing),
        "failing": failing,
        "gates": results,
    }
