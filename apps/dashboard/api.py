"""REST operations of dashboard."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from apps.backtests import services as backtests
from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.dashboard import selectors
from apps.dashboard.schemas import BlastRadiusOut, FrameOut, OverviewOut, RerunOut

router = Router(tags=["dashboard"])


@router.get("/dashboard/overview", response=OverviewOut)
@permission("team.read")
def get_overview(request: HttpRequest) -> Any:
    """Return the lab at a glance: accounts, feeds, data health, jobs, runs, what waits, health."""
    actor = request.actor  # type: ignore[attr-defined]
    return selectors.overview(actor=actor, now=clock.now())


@router.get("/dashboard/frame", response=FrameOut)
@permission("team.read")
def get_frame(request: HttpRequest) -> Any:
    """Return what the bars around every page count."""
    actor = request.actor  # type: ignore[attr-defined]
    return selectors.frame(actor=actor, now=clock.now())


@router.get("/revisions/{batch_id}/blast-radius", response=BlastRadiusOut)
@permission("team.read")
def get_blast_radius(request: HttpRequest, batch_id: int) -> Any:
    """List the runs, approvals and deployments that had read bars before a batch revised them."""
    return selectors.blast_radius(team_id=signed_in(request).team, batch_id=batch_id)


@router.post("/revisions/{batch_id}/reruns", response={202: RerunOut})
@permission("research.write")
def rerun(request: HttpRequest, batch_id: int) -> Any:
    """Compute every run left on the revised bars; the runs themselves stay as they are."""
    actor, now = signed_in(request), clock.now()
    job = backtests.rerun_left(actor=actor, batch_id=batch_id, now=now)
    return Status(202, {"job": jobs.as_dict(job, now)})
