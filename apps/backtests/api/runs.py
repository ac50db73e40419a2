"""REST operations of backtests: runs, their curves and tables, comparison, sweeps."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Status

from apps.backtests import charts, schemas, selectors, services
from apps.backtests.api.router import router
from apps.backtests.charts.places import place_figure
from apps.backtests.charts.sheets import sheet_figures
from apps.backtests.kernel.doctor.links import micros_of
from apps.backtests.selectors import sweeps
from apps.core import clock, jobs
from apps.core.doors import permission, signed_in
from apps.core.errors import NotFound
from apps.core.rest import Page, Paging, page

NUMBERED = ("n",)


@router.post("/backtests", response={202: schemas.BacktestQueued})
@permission("research.write")
def create_backtest(request: HttpRequest, body: schemas.BacktestIn) -> Any:
    """Queue a backtest; follow its job, then read the run under its id."""
    now = clock.now()
    asked = body.dict(exclude_unset=True)
    run, job = services.create_backtest(actor=signed_in(request), request=asked, now=now)
    return Status(202, {"job": jobs.as_dict(job, now), "id": str(run.pk)})


@router.get("/backtests/metrics")
@permission("team.read")
def list_metrics(request: HttpRequest) -> Any:  # noqa: ARG001 a door takes the request
    """List every figure of a run with its formula and unit."""
    return {"items": schemas.metric_rows()}


@router.get("/backtests/{run_id}")
@permission("team.read")
def read_backtest(request: HttpRequest, run_id: UUID) -> Any:
    """Show a run: what was asked, and its figures once it is done."""
    return selectors.run_detail(selectors.get_run(run_id, signed_in(request).team))


@router.get("/backtests/{run_id}/equity")
@permission("team.read")
def read_equity(request: HttpRequest, run_id: UUID) -> Any:
    """Read equity, cash, drawdown, exposure and benchmark by bar, as columns."""
    return selectors.equity_json(selectors.get_done_run(run_id, signed_in(request).team))


@router.get("/backtests/{run_id}/trades", response=Page[dict[str, Any]])
@permission("team.read")
def list_trades(request: HttpRequest, run_id: UUID, paging: Query[Paging]) -> Any:
    """List round trips, first in first out; open ones are marked at the last close."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    found = selectors.list_rows(run, "trades")
    return page(found.index, request, limit=paging.limit, order=NUMBERED, row=found.row)


@router.get("/backtests/{run_id}/orders", response=Page[dict[str, Any]])
@permission("team.read")
def list_orders(
    request: HttpRequest,
    run_id: UUID,
    paging: Query[Paging],
    state: str = "",
    symbol: str = "",
) -> Any:
    """List orders: those placed, then those that targets and protection led to.

    ``state`` is waiting, working, filled, cancelled, expired or refused; ``reason`` says why.
    """
    run = selectors.get_done_run(run_id, signed_in(request).team)
    found = selectors.list_rows(run, "orders", state=state, symbol=symbol)
    return page(found.index, request, limit=paging.limit, order=NUMBERED, row=found.row)


@router.get("/backtests/{run_id}/fills", response=Page[dict[str, Any]])
@permission("team.read")
def list_fills(request: HttpRequest, run_id: UUID, paging: Query[Paging]) -> Any:
    """List fills in the order they happened."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    found = selectors.list_rows(run, "fills")
    return page(found.index, request, limit=paging.limit, order=NUMBERED, row=found.row)


@router.get("/backtests/{run_id}/positions")
@permission("team.read")
def list_positions(request: HttpRequest, run_id: UUID) -> Any:
    """Show what was held at the end, and quantities after each change."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    return {"items": selectors.open_positions(run), "history": selectors.positions_of(run)}


@router.get("/backtests/{run_id}/positions/changes", response=Page[dict[str, Any]])
@permission("team.read")
def list_position_changes(
    request: HttpRequest, run_id: UUID, paging: Query[Paging], symbol: str = ""
) -> Any:
    """List what was held after each change of a quantity, valued at that bar's close."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    found = selectors.list_rows(run, "positions", symbol=symbol)
    return page(found.index, request, limit=paging.limit, order=NUMBERED, row=found.row)


@router.get("/backtests/{run_id}/exposure", response=Page[dict[str, Any]])
@permission("team.read")
def list_exposure(request: HttpRequest, run_id: UUID, paging: Query[Paging]) -> Any:
    """List by bar what was held long and short, gross, net, and the leverage."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    found = selectors.list_exposure(run)
    return page(found.index, request, limit=paging.limit, order=NUMBERED, row=found.row)


@router.get("/backtests/{run_id}/monthly")
@permission("team.read")
def list_monthly_returns(request: HttpRequest, run_id: UUID) -> Any:
    """Show returns by calendar month, the newest year first."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    return {"items": selectors.monthly_rows(run)}


@router.get("/backtests/{run_id}/figures/excursions")
@permission("team.read")
def draw_excursions(request: HttpRequest, run_id: UUID) -> Any:
    """Draw each round trip by its largest loss on the way and its return."""
    run = selectors.get_done_run(run_id, signed_in(request).team)
    trades = selectors.table_of(run, "trades")
    return charts.excursions_figure(trades, selectors.subtitle_of(run))


@router.get("/backtests/{run_id}/figures/{name}")
@permission("team.read")
def draw(request: HttpRequest, run_id: UUID, name: str, symbol: str = "", at: str = "") -> Any:
    """Draw ``equity``, ``rolling``, ``exposure`` or ``price`` (of a symbol) as a Plotly figure.

    With ``at``, a moment, the price is that of the bars around it.
    """
    run = selectors.get_done_run(run_id, signed_in(request).team)
    if name == "price":
        return _price(run, symbol, at)
    if name not in charts.FIGURES:
        message = f"There is no figure {name!r}; there are {', '.join(charts.NAMES)}."
        raise NotFound(message, code="figure.unknown")
    return charts.FIGURES[name](selectors.get_curves(run))


def _price(run: Any, symbol: str, at: str) -> Any:
    panel, fills = selectors.price_panel(run, symbol), selectors.table_of(run, "fills")
    says = selectors.subtitle_of(run)
    if at:
        return place_figure(panel, fills, symbol, says, micros_of(at))
    return charts.price_figure(panel, fills, symbol, says)


@router.get("/backtests/{run_id}/export", response=None)
@permission("team.read")
def export(request: HttpRequest, run_id: UUID, asked: Query[schemas.ExportAsk]) -> Any:
    """Export a table as csv or parquet, or the sheet as html, html_light or pdf.

    Every file carries the run's digest. ``what``: figures, equity, exposure, orders, fills,
    trades, positions; and what came with the request as given_orders, given_targets,
    given_signals.
    """
    run = selectors.get_done_run(run_id, signed_in(request).team)
    content, media, name = selectors.export_of(run, asked.format, asked.what, sheet_figures)
    return HttpResponse(
        content, media, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.delete("/backtests/{run_id}", response={204: None})
@permission("research.write")
def archive_backtest(request: HttpRequest, run_id: UUID) -> Any:
    """Take a run out of lists; it stays readable and counted."""
    services.archive_run(actor=signed_in(request), run_id=run_id, now=clock.now())
    return Status(204, None)


@router.post("/backtests/{run_id}/propose", response={201: schemas.ProposeOut})
@permission("proposals.create")
def propose_backtest(request: HttpRequest, run_id: UUID, body: schemas.ProposeIn) -> Any:
    """Propose the run's version for a stage, with the run as evidence."""
    made = services.propose_run(
        actor=signed_in(request), run_id=run_id, now=clock.now(), **body.dict()
    )
    return Status(201, {"proposal_id": str(made.pk), "status": str(made.status)})


@router.post("/sweeps", response={202: schemas.SweepQueued})
@permission("research.write")
def create_sweep(request: HttpRequest, body: schemas.SweepIn) -> Any:
    """Queue a sweep: one strategy with many combinations of parameters."""
    now = clock.now()
    asked, own = schemas.sweep_terms(body)
    sweep, lanes = services.create_sweep(actor=signed_in(request), request=asked, now=now, **own)
    told = [jobs.as_dict(job, now) for job in lanes]
    return Status(202, {"job": told[0], "jobs": told, "id": str(sweep.pk)})


@router.get("/sweeps", response=Page[schemas.SweepOut])
@permission("team.read")
def list_sweeps(
    request: HttpRequest, paging: Query[Paging], strategy: str = "", status: str = ""
) -> Any:
    """List the team's sweeps, newest first."""
    rows = selectors.list_sweeps(team_id=signed_in(request).team, strategy=strategy, status=status)
    return page(rows, request, limit=paging.limit, row=selectors.sweep_row)


@router.get("/sweeps/{sweep_id}")
@permission("team.read")
def read_sweep(request: HttpRequest, sweep_id: UUID) -> Any:
    """Show a sweep: what was asked, how far it is, its best combination."""
    return selectors.sweep_detail(selectors.get_sweep(sweep_id, signed_in(request).team))


@router.get("/sweeps/{sweep_id}/trials", response=Page[dict[str, Any]])
@permission("team.read")
def list_trials(
    request: HttpRequest,
    sweep_id: UUID,
    paging: Query[Paging],
    status: str = "",
    params: str = "",
    sort: str = "-score",
) -> Any:
    """List combinations with their figures, sorted by a column (``-sharpe``: highest first).

    ``params`` keeps those with these values: ``fast=10, slow=50``.
    """
    sweep = selectors.get_sweep(sweep_id, signed_in(request).team)
    found = selectors.list_trials(sweep, status=status, params=params)
    rows, order = selectors.sorted_trials(found, sort)
    return page(rows, request, limit=paging.limit, order=order, row=selectors.trial_row)


@router.get("/sweeps/{sweep_id}/heat")
@permission("team.read")
def draw_heat(request: HttpRequest, sweep_id: UUID, x: str, y: str) -> Any:
    """Draw the best figure at each pair of two parameters, as a Plotly figure."""
    land = selectors.landscape_of(selectors.get_sweep(sweep_id, signed_in(request).team))
    across, down, grid = selectors.heat_of(land, x, y)
    return charts.heat_figure(land.objective, x, y, across, down, grid)


@router.get("/sweeps/{sweep_id}/parallel")
@permission("team.read")
def draw_parallel(request: HttpRequest, sweep_id: UUID) -> Any:
    """Draw each combination as a line over its parameters, as a Plotly figure."""
    land = selectors.landscape_of(selectors.get_sweep(sweep_id, signed_in(request).team))
    return charts.parallel_figure(land.objective, land.params, land.values)


@router.post("/sweeps/{sweep_id}/pause")
@permission("research.write")
def pause_sweep(request: HttpRequest, sweep_id: UUID) -> Any:
    """Hand out no more combinations; what is under way is finished."""
    made = services.pause_sweep(actor=signed_in(request), sweep_id=sweep_id, now=clock.now())
    return selectors.sweep_detail(made)


@router.post("/sweeps/{sweep_id}/resume")
@permission("research.write")
def resume_sweep(request: HttpRequest, sweep_id: UUID) -> Any:
    """Go on where it was paused, or where its jobs were lost."""
    made = services.resume_sweep(actor=signed_in(request), sweep_id=sweep_id, now=clock.now())
    return selectors.sweep_detail(made)


@router.post("/sweeps/{sweep_id}/cancel")
@permission("research.write")
def cancel_sweep(request: HttpRequest, sweep_id: UUID) -> Any:
    """End it for good; what is done stays, and stays counted."""
    made = services.cancel_sweep(actor=signed_in(request), sweep_id=sweep_id, now=clock.now())
    return selectors.sweep_detail(made)


@router.post("/sweeps/{sweep_id}/trials/{number}/run", response={202: schemas.BacktestQueued})
@permission("research.write")
def run_trial(
    request: HttpRequest,
    sweep_id: UUID,
    number: int,
    confirm_look: bool = False,
) -> Any:
    """Make a run of one combination, with its curves, fills and trades."""
    now = clock.now()
    run, job = services.run_trial(
        actor=signed_in(request),
        sweep_id=sweep_id,
        number=number,
        now=now,
        confirm_look=confirm_look,
    )
    return Status(202, {"job": jobs.as_dict(job, now), "id": str(run.pk)})


@router.get("/families", response=list[schemas.FamilyOut])
@permission("team.read")
def list_families(request: HttpRequest) -> Any:
    """List how often the team has tried each strategy, the most tried first."""
    return sweeps.list_families(team_id=signed_in(request).team)
