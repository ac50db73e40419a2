"""REST: ingestions, their tasks, flows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Status

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.market import schemas, selectors, services
from apps.market.api.router import router


@router.post("/ingests", response={202: schemas.Started})
@permission("data.write")
def start_ingest(request: HttpRequest, body: schemas.IngestIn) -> Any:
    """Start fetching bars into a dataset of the team."""
    actor, now = signed_in(request), clock.now()
    run, job = services.start_ingest(actor=actor, now=now, **body.dict())
    return Status(202, {"id": str(run.pk), "job": jobs.as_dict(job, now)})


@router.get("/ingests", response=Page[schemas.IngestOut])
@permission("team.read")
def list_ingests(request: HttpRequest) -> Any:
    """List the team's ingestions, the newest first."""
    rows = selectors.list_ingests(team_id=signed_in(request).team)
    return page(rows, request, row=selectors.ingest_dict)


@router.get("/ingests/{ingest_id}", response=schemas.IngestOut)
@permission("team.read")
def get_ingest(request: HttpRequest, ingest_id: UUID) -> Any:
    """Show how an ingestion stands."""
    run = selectors.get_ingest(team_id=signed_in(request).team, ingest_id=ingest_id)
    return selectors.ingest_dict(run)


@router.post("/ingests/{ingest_id}/retry", response={202: schemas.Started})
@permission("data.write")
def retry_ingest(request: HttpRequest, ingest_id: UUID) -> Any:
    """Fetch again what failed or was cancelled."""
    actor, now = signed_in(request), clock.now()
    run, job = services.retry_ingest(actor=actor, ingest_id=ingest_id, now=now)
    return Status(202, {"id": str(run.pk), "job": jobs.as_dict(job, now)})


@router.get("/ingests/{ingest_id}/tasks", response=Page[schemas.IngestTaskOut])
@permission("team.read")
def list_ingest_tasks(
    request: HttpRequest, ingest_id: UUID, query: Query[schemas.IngestTaskQuery]
) -> Any:
    """List the fetches of an ingestion with their errors, in their order."""
    team_id, asked = signed_in(request).team, query.dict(include={"status", "symbol"})
    rows = selectors.list_ingest_tasks(team_id=team_id, ingest_id=ingest_id, **asked)
    row = selectors.ingest_task_dict
    return page(rows, request, limit=query.limit, order=("seq",), row=row)


@router.post("/ingests/{ingest_id}/cancel", response=schemas.Started)
@permission("data.write")
def cancel_ingest(request: HttpRequest, ingest_id: UUID) -> Any:
    """Stop an ingestion; what is stored stays, and a retry goes on with the rest."""
    actor, now = signed_in(request), clock.now()
    job = services.cancel_ingest(actor=actor, ingest_id=ingest_id, now=now)
    return {"id": str(ingest_id), "job": jobs.as_dict(job, now)}


@router.post("/repairs", response={202: schemas.Started})
@permission("data.write")
def repair_gaps(request: HttpRequest, body: schemas.RepairGapsIn) -> Any:
    """Start fetching the gaps of a dataset or universe from the provider it came from."""
    actor, now = signed_in(request), clock.now()
    run, job = services.repair_gaps(actor=actor, now=now, **body.dict())
    return Status(202, {"id": str(run.pk), "job": jobs.as_dict(job, now)})


@router.get("/flows", response=list[schemas.FlowOut])
@permission("team.read")
def list_flows(request: HttpRequest) -> Any:
    """List the team's flows: ingestions that start by themselves."""
    return selectors.list_flows(team_id=signed_in(request).team)


@router.post("/flows", response={201: schemas.FlowOut})
@permission("data.write")
def create_flow(request: HttpRequest, body: schemas.FlowIn) -> Any:
    """Make a flow that fetches what is missing every day at an hour."""
    actor, now = signed_in(request), clock.now()
    row = services.create_flow(actor=actor, now=now, **body.dict())
    return Status(201, selectors.flow_view(row))


@router.patch("/flows/{name}", response=schemas.FlowOut)
@permission("data.write")
def switch_flow(request: HttpRequest, name: str, body: schemas.FlowSwitch) -> Any:
    """Switch a flow on or off."""
    actor, now = signed_in(request), clock.now()
    row = services.switch_flow(actor=actor, name=name, is_on=body.is_on, now=now)
    return selectors.flow_view(row)


@router.post("/flows/{name}/run", response={202: schemas.Started})
@permission("data.write")
def run_flow(request: HttpRequest, name: str) -> Any:
    """Start a flow now."""
    actor, now = signed_in(request), clock.now()
    run, job = services.run_flow(actor=actor, name=name, now=now)
    return Status(202, {"id": str(run.pk), "job": jobs.as_dict(job, now)})


@router.delete("/flows/{name}", response={204: None})
@permission("data.write")
def delete_flow(request: HttpRequest, name: str) -> Any:
    """Remove a flow; what it brought stays."""
    services.delete_flow(actor=signed_in(request), name=name, now=clock.now())
    return Status(204, None)
