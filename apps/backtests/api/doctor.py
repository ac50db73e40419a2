"""REST operation of the backtest doctor."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest

from apps.backtests import selectors
from apps.backtests.api.router import router
from apps.backtests.selectors import doctor
from apps.core.doors import permission, signed_in


@router.get("/backtests/{run_id}/doctor")
@permission("team.read")
def diagnose_backtest(request: HttpRequest, run_id: UUID, severity: str = "") -> Any:
    """Say what may be wrong with a run, the worst first, with links to what causes it.

    ``severity`` keeps those that are critical, warning, note, ok or not_applicable.
    """
    run = selectors.get_done_run(run_id, signed_in(request).team)
    return doctor.doctor_of(run, severity)
