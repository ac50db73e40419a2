"""REST operations of market."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import File, Form, Query, Router, Status
from ninja.files import UploadedFile

from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.rest import Page, page
from apps.market import charts, schemas, selectors, services

router = Router(tags=["market"])
JSON = "application/json"
FILE: Any = File(None)  # type: ignore[type-arg]


@router.get("/instruments", response=Page[schemas.InstrumentOut])
@permission("team.read")
def list_instruments(request: HttpRequest, query: Query[schemas.InstrumentQuery]) -> Any:
    """List instruments by symbol; the database writes the JSON."""
    body = selectors.instruments_json(team_id=signed_in(request).team, **query.dict())
    return HttpResponse(body, content_type=JSON)


@router.get("/instruments/{symbol}", response=schemas.InstrumentDetail)
@permission("team.read")
def get_instrument(request: HttpRequest, symbol: str, dataset: str = "") -> Any:
    """Show an instrument with actions, health and provenance."""
    team_id = signed_in(request).team
    return selectors.get_instrument(team_id=team_id, symbol=symbol, dataset=dataset)


@router.get("/instruments/{symbol}/figure")
@permission("team.read")
def draw_instrument(request: HttpRequest, symbol: str, query: Query[schemas.FigureQuery]) -> Any:
    """Answer the candles of an instrument, its dividends and splits, as Plotly JSON."""
    team_id = signed_in(request).team
    panel, found = selectors.instrument_bars(team_id=team_id, symbol=symbol, **query.dict())
    return charts.candlestick(panel, found.actions, currency=found.currency)


@router.get("/bars")
@permission("team.read")
def list_bars(request: HttpRequest, query: Query[schemas.BarsQuery]) -> Any:
    """List the bars of an instrument, as rows by cursor or as arrays."""
    asked = query.dict(exclude={"cursor", "limit", "format"})
    panel = selectors.bars_of(team_id=signed_in(request).team, **asked)
    if query.format == "arrays":
        return selectors.bar_arrays(panel)
    return page(selectors.bar_rows(panel), request, limit=query.limit, order=("ts",))


@router.get("/datasets", response=list[schemas.DatasetOut])
@permission("team.read")
def list_datasets(request: HttpRequest) -> Any:
    """List the team's datasets and the shared ones."""
    return selectors.list_datasets(team_id=signed_in(request).team)


@router.get("/providers")
@permission("team.read")
def list_providers(request: HttpRequest) -> Any:  # noqa: ARG001
    """List the providers that ingestion can ask."""
    return selectors.list_providers()


@router.get("/universes", response=Page[schemas.UniverseOut])
@permission("team.read")
def list_universes(request: HttpRequest) -> Any:
    """List universes, each in its newest version."""
    found = selectors.list_universes(team_id=signed_in(request).team)
    rows = sorted(found, key=lambda universe: (universe.name, universe.id))
    return page(rows, request, order=("name", "id"))


@router.get("/universes/{name}", response=schemas.UniverseDetail)
@permission("team.read")
def get_universe(request: HttpRequest, name: str, version: int | None = None) -> Any:
    """Show a universe with the health of its data."""
    team_id = signed_in(request).team
    found = selectors.get_universe(team_id=team_id, name=name, version=version)
    return {**asdict(found), "health": selectors.data_health(team_id=team_id, universe=found)}


@router.post("/universes", response={201: schemas.UniverseOut})
@permission("data.write")
def create_universe(request: HttpRequest, body: schemas.UniverseIn) -> Any:
    """Make a universe, or the next version of the one with this name."""
    actor, now = signed_in(request), clock.now()
    asked = body.dict(exclude={"rule"})
    rule = selectors.Rule(**body.rule.dict()) if body.rule else None
    return Status(201, services.create_universe(actor=actor, now=now, rule=rule, **asked))


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


@router.post("/uploads", response={201: schemas.UploadOut, 202: schemas.Started})
@permission("data.write")
def upload_bars(
    request: HttpRequest,
    form: Form[schemas.UploadIn],
    file: UploadedFile | None = FILE,
) -> Any:
    """Store a file of bars, actions, figures or reference data: all of it, or nothing.

    CSV or Parquet, plain, gz or several in a zip. A large file is stored by a job (202).
    """
    actor, now = signed_in(request), clock.now()
    asked = services.Upload(sent=file, **form.wanted)
    result, job = services.store_upload(actor=actor, upload=asked, now=now)
    if job is not None:
        return Status(202, {"id": str(job.pk), "job": jobs.as_dict(job, now)})
    return Status(201, result)


@router.post("/uploads/preview", response=schemas.UploadPreview)
@permission("data.write")
def preview_upload(
    request: HttpRequest,
    form: Form[schemas.UploadIn],
    file: UploadedFile | None = FILE,
) -> Any:
    """Check a file and show what it holds; nothing is stored.

    The answer names the file under ``upload``, so that it need not be sent again to be stored.
    """
    team_id, now = signed_in(request).team, clock.now()
    asked = services.Upload(sent=file, **form.wanted)
    return services.preview_upload(team_id=team_id, upload=asked, now=now)


@router.get("/feeds", response=list[schemas.FeedOut])
@permission("team.read")
def list_feeds(request: HttpRequest) -> Any:  # noqa: ARG001
    """List the replay feeds."""
    return selectors.list_feeds()


@router.get("/feeds/{name}", response=schemas.FeedOut)
@permission("team.read")
def get_feed(request: HttpRequest, name: str) -> Any:  # noqa: ARG001
    """Show how a feed stands."""
    return selectors.feed_state(name)


@router.post("/feeds/{name}/pause", response=schemas.FeedOut)
@permission("ops.manage")
def pause_feed(request: HttpRequest, name: str) -> Any:
    """Pause a running feed."""
    return services.pause_feed(actor=signed_in(request), name=name, now=clock.now())


@router.post("/feeds/{name}/resume", response=schemas.FeedOut)
@permission("ops.manage")
def resume_feed(request: HttpRequest, name: str) -> Any:
    """Let a paused feed go on."""
    return services.resume_feed(actor=signed_in(request), name=name, now=clock.now())


@router.post("/feeds/{name}/restart", response=schemas.FeedOut)
@permission("ops.manage")
def restart_feed(request: HttpRequest, name: str, body: schemas.FeedRestart) -> Any:
    """Start a feed again from its first bar."""
    actor, now = signed_in(request), clock.now()
    speed = body.seconds_per_bar
    return services.restart_feed(actor=actor, name=name, now=now, seconds_per_bar=speed)


@router.get("/readers")
@permission("team.read")
def list_readers(request: HttpRequest, digest: str) -> Any:
    """List who read the data with a digest."""
    return selectors.list_readers(team_id=signed_in(request).team, digest=digest)


@router.get("/indices", response=list[schemas.IndexOut])
@permission("team.read")
def list_indices(request: HttpRequest) -> Any:
    """List the indices whose members by day are known."""
    return selectors.list_indices(team_id=signed_in(request).team)


@router.get("/indices/{name}/members", response=schemas.MembersOut)
@permission("team.read")
def list_members(request: HttpRequest, name: str, on: date) -> Any:
    """List who was in an index on a day."""
    found = selectors.members_on(team_id=signed_in(request).team, index=name, on=on)
    return {"index": name, "on": on, "symbols": found}


@router.post("/indices/{name}/members", response={202: schemas.Started})
@permission("data.write")
def ask_for_members(request: HttpRequest, name: str, body: schemas.MembersIn) -> Any:
    """Start fetching who was in an index, from when until when, from a provider."""
    actor, now = signed_in(request), clock.now()
    job = services.ask_for_members(actor=actor, index=name, now=now, **body.dict())
    return Status(202, {"id": str(job.pk), "job": jobs.as_dict(job, now)})


@router.get("/renames", response=list[schemas.RenameOut])
@permission("team.read")
def list_renames(request: HttpRequest, symbol: str = "") -> Any:
    """List tickers that became others."""
    return selectors.list_renames(team_id=signed_in(request).team, symbol=symbol)


@router.get("/fx", response=schemas.RateOut)
@permission("team.read")
def get_rate(request: HttpRequest, query: Query[schemas.RateQuery]) -> Any:
    """Answer what one unit of a currency was worth in another, by the last close known then."""
    return selectors.rate_at(team_id=signed_in(request).team, **query.dict())


@router.get("/provider-keys", response=list[schemas.VendorOut])
@permission("team.read")
def list_provider_keys(request: HttpRequest) -> Any:
    """List the providers that ask a vendor: the team's keys by hint, what is left of limits."""
    found = selectors.list_vendors(team_id=signed_in(request).team, now=clock.now())
    return [selectors.vendor_dict(view) for view in found]


@router.put("/provider-keys/{provider}", response=schemas.ProviderKeyOut)
@permission("keys.manage")
def save_provider_key(request: HttpRequest, provider: str, body: schemas.ProviderKeyIn) -> Any:
    """Check a key with the vendor and keep it in place of the one before; it is never shown."""
    actor, now = signed_in(request), clock.now()
    return services.save_provider_key(actor=actor, provider=provider, key=body.key, now=now)


@router.post("/provider-keys/{provider}/check", response=schemas.ProviderKeyOut)
@permission("keys.manage")
def check_provider_key(request: HttpRequest, provider: str) -> Any:
    """Ask the vendor again whether the team's key is good."""
    actor, now = signed_in(request), clock.now()
    return services.check_provider_key(actor=actor, provider=provider, now=now)


@router.delete("/provider-keys/{provider}", response={204: None})
@permission("keys.manage")
def delete_provider_key(request: HttpRequest, provider: str) -> Any:
    """Forget the team's key."""
    actor, now = signed_in(request), clock.now()
    services.delete_provider_key(actor=actor, provider=provider, now=now)
    return Status(204, None)


@router.get("/universes/{name}/health")
@permission("team.read")
def get_universe_health(request: HttpRequest, name: str) -> Any:
    """Show how whole the bars of a universe are: score, coverage, findings by kind, by symbol."""
    return selectors.universe_health(team_id=signed_in(request).team, name=name)


@router.get("/universes/{name}/health/map")
@permission("team.read")
def draw_gap_map(request: HttpRequest, name: str, compact: bool = False) -> Any:
    """Answer the gap map of a universe, symbols by time, as Plotly JSON."""
    found = selectors.gap_map(team_id=signed_in(request).team, name=name)
    return charts.gap_map(found, compact=compact)


@router.get("/universes/{name}/health/findings", response=Page[schemas.UniverseFindingOut])
@permission("team.read")
def list_findings(request: HttpRequest, name: str, query: Query[schemas.FindingQuery]) -> Any:
    """List what looks wrong in a universe, by symbol and time."""
    team_id = signed_in(request).team
    rows = selectors.list_findings(team_id=team_id, name=name, **query.dict())
    rows.sort(key=lambda item: (item["symbol"], item["at"], item["kind"]))
    return page(rows, request, order=("symbol", "at", "kind"))


@router.get("/universes/{name}/health/history", response=list[schemas.CheckupOut])
@permission("team.read")
def list_checkups(request: HttpRequest, name: str) -> Any:
    """List how the health of a universe went, the newest first."""
    return selectors.list_checkups(team_id=signed_in(request).team, name=name)


@router.post("/universes/{name}/health/check", response={202: schemas.Started})
@permission("data.write")
def check_universe(request: HttpRequest, name: str) -> Any:
    """Start judging the bars of a universe anew."""
    actor, now = signed_in(request), clock.now()
    job = services.start_recheck(actor=actor, universe=name, now=now)
    return Status(202, {"id": str(job.pk), "job": jobs.as_dict(job, now)})


@router.get("/instruments/{symbol}/health", response=schemas.SeriesHealthOut)
@permission("team.read")
def get_instrument_health(
    request: HttpRequest, symbol: str, query: Query[schemas.SeriesQuery]
) -> Any:
    """Show gaps and findings of an instrument's bars, with what people said about them."""
    team_id = signed_in(request).team
    return selectors.instrument_health(team_id=team_id, symbol=symbol, **query.dict())


@router.get("/instruments/{symbol}/health/bars")
@permission("team.read")
def list_bars_around(request: HttpRequest, symbol: str, query: Query[schemas.AroundQuery]) -> Any:
    """List the raw bars on either side of a moment."""
    team_id = signed_in(request).team
    found = selectors.bars_around(team_id=team_id, symbol=symbol, **query.dict())
    return selectors.around_dict(*found)


@router.get("/instruments/{symbol}/health/figure")
@permission("team.read")
def draw_bars_around(request: HttpRequest, symbol: str, query: Query[schemas.AroundQuery]) -> Any:
    """Answer the candles on either side of a moment as Plotly JSON."""
    team_id = signed_in(request).team
    panel, marked = selectors.bars_around(team_id=team_id, symbol=symbol, **query.dict())
    return charts.around(panel, marked)


@router.post("/instruments/{symbol}/health/acknowledge", response=schemas.SeriesHealthOut)
@permission("data.write")
def acknowledge_finding(request: HttpRequest, symbol: str, body: schemas.AcknowledgeIn) -> Any:
    """Say that a finding is a real event; it stays listed and weighs nothing."""
    actor, now = signed_in(request), clock.now()
    services.acknowledge(actor=actor, symbol=symbol, now=now, **body.dict())
    asked = body.dict(include={"dataset", "timeframe"})
    return selectors.instrument_health(team_id=actor.team, symbol=symbol, **asked)


@router.get("/instruments/{symbol}/provenance")
@permission("team.read")
def list_provenance(request: HttpRequest, symbol: str, query: Query[schemas.SeriesQuery]) -> Any:
    """List which batch each stretch of bars came from, the newest bars first."""
    team_id = signed_in(request).team
    return selectors.provenance_of(team_id=team_id, symbol=symbol, **query.dict())


@router.get("/quarantine", response=Page[schemas.QuarantinedOut])
@permission("team.read")
def list_quarantined(request: HttpRequest, query: Query[schemas.QuarantineQuery]) -> Any:
    """List bars that were kept out, the newest first."""
    asked = query.dict(include={"status", "dataset", "symbol"})
    rows = selectors.list_quarantined(team_id=signed_in(request).team, **asked)
    return page(rows, request, limit=query.limit, row=selectors.quarantined_dict)


@router.post("/quarantine", response={201: list[schemas.QuarantinedOut]})
@permission("data.write")
def withdraw_bars(request: HttpRequest, body: schemas.WithdrawIn) -> Any:
    """Take stored bars out of the data; they stay readable as of before."""
    actor, now = signed_in(request), clock.now()
    rows = services.withdraw(actor=actor, now=now, **body.dict())
    return Status(201, [selectors.quarantined_dict(row) for row in rows])


@router.post("/quarantine/{quarantined_id}/release", response=schemas.QuarantinedOut)
@permission("data.write")
def release_bar(request: HttpRequest, quarantined_id: int, body: schemas.ReleaseIn) -> Any:
    """Store a bar after all, as received or with corrected figures."""
    actor, now = signed_in(request), clock.now()
    row = services.release(actor=actor, quarantined_id=quarantined_id, now=now, **body.dict())
    return selectors.quarantined_dict(row)


@router.post("/quarantine/{quarantined_id}/drop", response=schemas.QuarantinedOut)
@permission("data.write")
def drop_bar(request: HttpRequest, quarantined_id: int, body: schemas.DropIn) -> Any:
    """Leave a bar out for good."""
    actor, now = signed_in(request), clock.now()
    row = services.drop(actor=actor, quarantined_id=quarantined_id, note=body.note, now=now)
    return selectors.quarantined_dict(row)


@router.get("/revisions", response=Page[schemas.RevisionOut])
@permission("team.read")
def list_revisions(request: HttpRequest) -> Any:
    """List the batches that changed stored bars, the newest first."""
    rows = selectors.list_revisions(team_id=signed_in(request).team)
    return page(rows, request, row=selectors.revision_dict)


@router.get("/revisions/{batch_id}/bars", response=schemas.RevisionBars)
@permission("team.read")
def list_revised_bars(
    request: HttpRequest, batch_id: int, query: Query[schemas.ChangesQuery]
) -> Any:
    """List the bars that a batch changed, before and after."""
    team_id = signed_in(request).team
    return selectors.revision_bars(team_id=team_id, batch_id=batch_id, **query.dict())
