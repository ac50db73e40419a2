"""Runs asked for, computed, archived, proposed."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from apps.approvals.services import submit
from apps.audit.services import record
from apps.backtests import selectors, store
from apps.backtests.kernel import engine
from apps.backtests.kernel.integrity.streams import compact
from apps.backtests.kernel.order_records import orders_and_fills
from apps.backtests.kernel.records import given_table, positions_table, trades_table
from apps.backtests.kernel.reports import Report, compute, searchable, summary
from apps.backtests.kernel.requests import Request, read_request
from apps.backtests.kernel.tables import to_parquet
from apps.backtests.models import Artifact, Run, Study
from apps.backtests.services.artifacts import keep_origin
from apps.backtests.services.deflation import deflate_run
from apps.backtests.services.holdouts import CONFIRM, look
from apps.backtests.services.mirrors import ask_mirror
from apps.backtests.services.studies import create_study
from apps.backtests.services.trials import keep_streams
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import LabError
from apps.core.models import Job
from apps.market.kernel.periods import known_at
from apps.market.services import register_reader
from apps.strategies.kernel.confined import trace_of
from apps.strategies.kernel.interface import Params, Strategy, inputs_of
from apps.strategies.selectors import VersionView, check_runnable, get_strategy, get_version
from apps.strategies.services import ensure_version

PROMOTION = "promotion"
STEPS = 6
# What the work writes; people may archive a run or put it into a study meanwhile.
COMPUTED = (
    "result",
    "digest",
    "data_digest",
    "engine_version",
    "equity_final",
    "total_return",
    "cagr",
    "sharpe",
    "max_drawdown",
    "trades",
    "figures",
    "finished_at",
)


def create_backtest(*, actor: Actor, request: Mapping[str, Any], now: datetime) -> tuple[Run, Job]:
    """Store a run and queue it on ``compute``.

    Parameters
    ----------
    request
        The body of ``POST /backtests``.

    Raises
    ------
    Invalid, NotFound
        With the field at fault; nothing is stored then.
    Conflict
        With the price of a look at a holdout that was not confirmed.
    """
    actor.require("research.write")
    body = dict(request)
    confirmed = bool(body.pop(CONFIRM, False))
    asked = read_request(body)
    selectors.check_assets(asked, actor.team)
    selectors.check_given(asked, actor.team)
    with transaction.atomic():
        version = ensure_version(
            actor=actor, name=asked.strategy, params=asked.params, now=now, note=""
        )
        check_runnable(version.name, version.team_id)
        get_strategy(version.name, version.team_id).warmup(version.params)
        study = _study_of(actor, asked, now)
        run = _add_run(actor, asked, version, study, now)
        look(
            actor=actor,
            strategy_id=version.strategy_id,
            subject=f"run:{run.pk}",
            request=run.request,
            looks=1,
            confirmed=confirmed,
            now=now,
        )
        tables = {f"given_{name}": given_table(rows) for name, rows in asked.given.tables.items()}
        Artifact.objects.bulk_create(_artifact(run, name, table) for name, table in tables.items())
        job = jobs.enqueue(
            actor=actor,
            kind="backtest",
            title=run.title,
            task="backtests.run",
            queue="compute",
            payload={"run_id": str(run.pk)},
            subject=f"backtest:{run.pk}",
            now=now,
        )
        run.job = job
        run.save(update_fields=["job"])
        made = {"request": asked.as_dict(), "version": version.id, "digest": version.digest}
        record(actor=actor, action="backtest.created", subject=_subject(run), body=made, now=now)
    return run, job


def _subject(run: Run) -> str:
    return f"backtest:{run.pk}"


def _add_run(
    actor: Actor, asked: Request, version: VersionView, study: Study | None, now: datetime
) -> Run:
    return Run.objects.create(
        id=uuid.uuid4(),
        team_id=actor.team,
        version_id=version.id,
        study=study,
        title=asked.title or selectors.title_of(asked, version.title),
        strategy=version.strategy,
        params=version.params,
        request=asked.as_dict(),
        fill=asked.fill,
        universe=asked.universe,
        labels=list(asked.labels),
        created_by=actor.name,
        created_by_label=actor.label,
        created_at=now,
    )


def _study_of(actor: Actor, asked: Request, now: datetime) -> Study | None:
    if not asked.study:
        return None
    study = Study.objects.filter(team_id=actor.team, name=asked.study).first()
    return study or create_study(actor=actor, name=asked.study, title=asked.study, now=now)


def run_backtest(progress: jobs.Progress) -> dict[str, Any]:
    """Compute and store a run; may be repeated from the start and then stores the same."""
    run = Run.objects.get(pk=progress.payload["run_id"])
    if run.is_done and selectors.locks_on(f"run:{run.pk}", run.team_id):
        return {"id": str(run.pk), "digest": run.digest, "equity_final": run.equity_final}
    actor = system("backtests", run.team_id)
    version = get_version(run.version_id, run.team_id)
    strategy = get_strategy(version.name, version.team_id)
    try:
        report, asked = _compute(run, strategy, version.params, progress)
    except LabError as error:
        body: dict[str, Any] = {"code": error.code, "message": error.message}
        body |= _held(trace_of(strategy))
        with transaction.atomic():
            record(
                actor=actor,
                action="backtest.failed",
                subject=_subject(run),
                body=body,
                now=progress.now(),
            )
        raise
    held = _held(trace_of(strategy))
    progress.tell(5, STEPS, "storing curves, fills and trades")
    with transaction.atomic():
        before = Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
        origin = keep_origin(version.digest, progress.now())
        _store(run, report, asked, {**held, "origin": origin}, progress.now())
        body = {"digest": run.digest, "data_digest": run.data_digest, **held}
        body |= {"code": origin["code"], "environment": origin["environment"]}
        # A worker that died after this commit is followed by one that does it all again.
        if not (before.is_done and before.digest == run.digest):
            record(
                actor=actor,
                action="backtest.finished",
                subject=_subject(run),
                body=body,
                now=progress.now(),
            )
    deflate_run(run, progress.now())
    ask_mirror(run, progress.now())
    return {"id": str(run.pk), "digest": run.digest, "equity_final": run.equity_final, **held}


def _held(trace: dict[str, Any] | None) -> dict[str, Any]:
    """Return within which fences a text ran, for run, job and trail; nothing for own code."""
    return {"sandbox": trace} if trace else {}


def _compute(
    run: Run, strategy: Strategy, params: Params, progress: jobs.Progress
) -> tuple[Report, Request]:
    """Read the bars, note who reads them, and compute."""
    asked = selectors.request_of(run)
    progress.tell(0, STEPS, "reading bars")
    panel = selectors.panel_of(asked, run.team_id, inputs_of(strategy, params))
    register_reader(
        subject=_subject(run),
        digest=panel.digest,
        now=progress.now(),
        team_id=run.team_id,
        panel=panel,
        as_of=known_at(asked.as_of),
    )
    benchmark = selectors.benchmark_of(asked, run.team_id, panel)

    def tell(done: float, total: float, note: str) -> None:
        progress.tell(done * (STEPS - 1) / total, STEPS, note)

    report = compute(panel, strategy, params, asked, benchmark=benchmark, tell=tell)
    return report, asked


def _store(run: Run, report: Report, asked: Request, held: dict[str, Any], now: datetime) -> None:
    figures, panel, result = report.figures, report.panel, report.result
    run.result = {**summary(report, asked, run.params), **held}
    run.digest, run.data_digest = report.digest, panel.digest
    run.engine_version = engine.ENGINE_VERSION
    run.equity_final = float(result.equity[-1])
    run.total_return, run.cagr = figures["total_return"], figures["cagr"]
    run.sharpe, run.max_drawdown = figures["sharpe"], figures["max_drawdown"]
    run.trades, run.finished_at = report.trade_figures["count"], now
    run.figures = searchable(run.result)
    run.save(update_fields=COMPUTED)
    none = np.full(panel.n_bars, np.nan)
    curves = {
        "equity": result.equity,
        "cash": result.cash,
        "drawdown": report.drawdown,
        "exposure": result.exposure,
        "net_exposure": result.net_exposure,
        "benchmark": none if report.benchmark is None else report.benchmark.value,
    }
    store.write_curves(run.pk, panel.ts, curves)
    stream = compact(result.returns, panel.ts[1:])
    periods = float(run.result["periods_per_year"])
    keep_streams(run.team_id, [(f"run:{run.pk}", stream, periods)])
    tables = _tables(report, asked)
    Artifact.objects.filter(run=run, name__in=tables).delete()
    Artifact.objects.bulk_create(_artifact(run, name, table) for name, table in tables.items())


def _artifact(run: Run, name: str, table: dict[str, Any]) -> Artifact:
    content = to_parquet(table)
    digest = hashlib.sha256(content).hexdigest()
    return Artifact(run=run, name=name, digest=digest, content=content)


def _tables(report: Report, asked: Request) -> dict[str, dict[str, Any]]:
    """Return what is kept of a run beside its curves, by name."""
    result, panel = report.result, report.panel
    orders, fills = orders_and_fills(result, panel, report.decided, finalize=asked.finalize)
    positions, trades = positions_table(result, panel), trades_table(result, panel)
    return {"orders": orders, "fills": fills, "trades": trades, "positions": positions}


def archive_run(*, actor: Actor, run_id: uuid.UUID | str, now: datetime) -> Run:
    """Take a run out of lists; it stays readable, and counted as a trial.

    Raises ``NotFound``, and ``Conflict`` for one that is evidence of a proposal that stands.
    """
    actor.require("research.write")
    run = selectors.get_run(run_id, actor.team)
    selectors.check_unlocked(f"run:{run.pk}", actor.team)
    with transaction.atomic():
        if run.archived_at is None:
            run.archived_at = now
            run.save(update_fields=["archived_at"])
            record(
                actor=actor, action="backtest.archived", subject=_subject(run), body={}, now=now
            )
    return run


def propose_run(
    *,
    actor: Actor,
    run_id: uuid.UUID | str,
    rationale: str,
    target_stage: str,
    now: datetime,
    tier: int = 1,
    title: str = "",
    study: str = "",
    account: int | None = None,
    capital_usd: float | None = None,
    valid_days: int | None = None,
    review_days: int | None = None,
    open_days: int | None = None,
) -> Any:
    """Propose the run's version for a stage, with the run as evidence.

    Parameters
    ----------
    study
        A finished sweep of the same strategy, shown and frozen beside the run.
    account, capital_usd, valid_days, review_days, open_days
        As ``approvals.services.submit``.

    Raises
    ------
    NotFound, Conflict
        For another team's run, or one that is not done.
    Invalid
        For a fill rule that no market offers.
    """
    actor.require("proposals.create")
    run = selectors.get_run(run_id, actor.team)
    version = get_version(run.version_id, run.team_id)
    with transaction.atomic():
        proposal = submit(
            actor=actor,
            kind=PROMOTION,
            subject=f"version:{version.id}",
            title=title or f"{version.title} v{version.number} to {target_stage}",
            digest=version.digest,
            rationale=rationale,
            target_stage=target_stage,
            run=str(run.pk),
            tier=tier,
            study=study,
            account=account,
            capital_usd=capital_usd,
            valid_days=valid_days,
            review_days=review_days,
            open_days=open_days,
            now=now,
        )
        body = {"proposal": str(proposal.pk), "version": version.id, "digest": run.digest}
        record(actor=actor, action="backtest.proposed", subject=_subject(run), body=body, now=now)
    return proposal
