"""Which runs and studies of sweeps are evidence of a proposal that stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from apps.approvals.selectors import list_proposals
from apps.backtests.models import EvidenceLock
from apps.core.errors import Conflict

# While it waits for a decision, and for good once it was agreed.
STANDING = ("open", "approved")
RUN = "run:"


def locked_ids(*, team_id: int) -> list[UUID]:
    """Return the runs of a team that are locked."""
    found = _standing(team_id, EvidenceLock.objects.filter(subject__startswith=RUN))
    return [UUID(subject.removeprefix(RUN)) for subject in found]


def locks_among(run_ids: Iterable[UUID | str], team_id: int) -> set[str]:
    """Return which of these runs are locked, as text."""
    subjects = [f"{RUN}{run_id}" for run_id in run_ids]
    found = _standing(team_id, EvidenceLock.objects.filter(subject__in=subjects))
    return {subject.removeprefix(RUN) for subject in found}


def _standing(team_id: int, rows: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the standing proposals by what they lock: two queries."""
    pairs = list(rows.filter(team_id=team_id).values_list("subject", "proposal_id"))
    known = list_proposals(team_id=team_id).filter(
        pk__in={proposal for _, proposal in pairs}, status__in=STANDING
    )
    told = {row.pk: {"id": str(row.pk), "title": row.title, "status": row.status} for row in known}
    found: dict[str, list[dict[str, Any]]] = {}
    for subject, proposal in pairs:
        if proposal in told:
            found.setdefault(subject, []).append(told[proposal])
    return found


def locks_on(subject: str, team_id: int) -> list[dict[str, Any]]:
    """Return the proposals that something is locked by: ``run:<id>``, ``sweep:<id>``."""
    rows = EvidenceLock.objects.filter(subject=subject)
    return _standing(team_id, rows).get(subject, [])


def check_unlocked(subject: str, team_id: int) -> None:
    """Raise ``Conflict`` for what is evidence of a proposal; the database would refuse it too."""
    if locks := locks_on(subject, team_id):
        kind = subject.partition(":")[0]
        message = (
            f"This {kind} is evidence of the proposal {locks[0]['title']!r} ({locks[0]['status']})"
            " and stays as it is, in the lists too; an open proposal may be withdrawn first."
        )
        details: dict[str, object] = {"locked_by": [one["id"] for one in locks]}
        raise Conflict(message, code="evidence.locked", details=details)
