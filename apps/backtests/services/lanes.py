"""The work of sweeps: each job takes the next combinations, computes and stores them, in turn.

A chunk is as long as the combinations before it make five seconds of work. What a job that died
had taken goes to the next one that asks, so that no combination is lost and none counts twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.kernel import engine
from apps.backtests.kernel.requests import Request, read_request
from apps.backtests.kernel.search import propose
from apps.backtests.kernel.spaces import Space, combinations, read_space
from apps.backtests.kernel.trials import Figures, measure
from apps.backtests.models import Sweep, SweepChunk, Trial
from apps.backtests.services.trials import keep_streams
from apps.core import jobs
from apps.core.actors import system
from apps.core.errors import Conflict, LabError, Unavailable
from apps.core.models import FINAL_STATES
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import known_at
from apps.market.services import register_reader
from apps.strategies.kernel.confined import Confined, trace_of
from apps.strategies.kernel.interface import Params, Strategy, inputs_of
from apps.strategies.selectors import fences_of, get_strategy, get_version

CHUNK_SECONDS = 5.0
FIRST_CHUNK = 4
MOST_PER_CHUNK = 2_000
# A search learns between chunks, so it takes few at a time; always as many, so that what it asks
# does not depend on how fast the machine is.
ASKED = 4
STEP_SECONDS = 0.5
FIGURES = (
    "sharpe",
    "sortino",
    "calmar",
    "cagr",
    "total_return",
    "volatility",
    "max_drawdown",
    "equity_final",
    "exposure",
    "turnover",
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What every combination of a sweep shares."""

    panel: Panel
    strategy: Strategy
    space: Space
    request: Request
    fixed: Params


def run_sweep(progress: jobs.Progress) -> dict[str, Any]:
    """Take combinations from a sweep until none is left, it is paused, or it is cancelled."""
    sweep = Sweep.objects.get(pk=progress.payload["sweep_id"])
    found: dict[str, Any] = {"sweep_id": str(sweep.pk), "trials": 0}
    try:
        setting = _setting(sweep, progress)
        while (chunk := _take(sweep, setting, progress)) is not None:
            found["trials"] += _work(sweep, setting, chunk, progress)
    except LabError as error:
        _fail(sweep, error, progress)
        raise
    trace = trace_of(setting.strategy)
    return {**found, "sandbox": trace} if trace else found


def _setting(sweep: Sweep, progress: jobs.Progress) -> Setting:
    progress.tell(sweep.done, sweep.trials, "reading bars")
    asked = read_request(sweep.request)
    version = get_version(sweep.version_id, sweep.team_id)
    strategy = get_strategy(version.name, version.team_id)
    panel = selectors.panel_of(asked, sweep.team_id, inputs_of(strategy, version.params))
    with transaction.atomic():
        held = Sweep.objects.select_for_update().get(pk=sweep.pk)
        if held.data_digest not in {"", panel.digest}:
            message = "Bars were revised while the sweep ran; start it anew on the bars of now."
            raise Conflict(message, code="sweep.data_changed")
        held.data_digest, held.engine_version = panel.digest, engine.ENGINE_VERSION
        held.sandbox = weakest(held.sandbox, fences_of(version.name))
        held.save(update_fields=["data_digest", "engine_version", "sandbox"])
        register_reader(
            subject=f"sweep:{sweep.pk}",
            digest=panel.digest,
            now=progress.now(),
            team_id=sweep.team_id,
            panel=panel,
            as_of=known_at(asked.as_of),
        )
    space = read_space(sweep.space, strategy.spec, version.params)
    return Setting(panel, strategy, space, asked, version.params)


def weakest(one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the weaker of two fences: tier B is weaker than A; of equals the first."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other, key=lambda fences: fences["tier"])


def _take(sweep: Sweep, setting: Setting, progress: jobs.Progress) -> SweepChunk | None:
    """Return the next chunk for this job: one left behind, or new combinations."""
    with transaction.atomic():
        held = Sweep.objects.select_for_update().get(pk=sweep.pk)
        if held.status != Sweep.Status.RUNNING:
            return None
        over = Q(job_id=progress.job_id) | Q(job=None) | Q(job__status__in=FINAL_STATES)
        left = held.chunks.filter(over, is_done=False).order_by("first").first()
        if left is not None:
            left.job_id = progress.job_id
            left.save(update_fields=["job"])
            return left
        if held.handed_out >= held.trials:
            return None
        count = min(_length(held), held.trials - held.handed_out)
        asked = _ask(held, setting, count) if held.method == "bayesian" else None
        chunk = SweepChunk.objects.create(
            sweep=held, first=held.handed_out, count=count, params=asked, job_id=progress.job_id
        )
        held.handed_out += count
        held.save(update_fields=["handed_out"])
        return chunk


def _length(sweep: Sweep) -> int:
    """Return how many combinations make about five seconds, by what those so far took."""
    if sweep.method == "bayesian":
        return ASKED
    if not _seen(sweep) or not sweep.seconds:
        return FIRST_CHUNK
    fair = -(-(sweep.trials - sweep.handed_out) // sweep.lanes)
    paced = int(CHUNK_SECONDS * _seen(sweep) / sweep.seconds)
    return max(1, min(paced, fair, MOST_PER_CHUNK))


def _ask(sweep: Sweep, setting: Setting, count: int) -> list[Params]:
    known = Trial.objects.filter(sweep=sweep).order_by("number")
    told = [(row.params, row.score) for row in known.only("params", "score")]
    waiting = [one for chunk in sweep.chunks.filter(is_done=False) for one in chunk.params or ()]
    return propose(setting.space, told, waiting, count, seed=sweep.seed + sweep.handed_out)


def _work(sweep: Sweep, setting: Setting, chunk: SweepChunk, progress: jobs.Progress) -> int:
    """Compute a chunk in short steps, so that a cancel is heard, and store it whole."""
    wanted = chunk.params or combinations(
        setting.space, sweep.method, sweep.seed, sweep.trials, chunk.first, chunk.count
    )
    found: list[Figures] = []
    began, step = time.perf_counter(), 1
    while len(found) < len(wanted):
        part = [{**setting.fixed, **one} for one in wanted[len(found) : len(found) + step]]
        at = time.perf_counter()
        found += measure(setting.panel, setting.strategy, part, setting.request)
        spent = max(time.perf_counter() - at, 1e-6)
        step = max(1, min(int(len(part) * STEP_SECONDS / spent), MOST_PER_CHUNK))
        progress.tell(chunk.first + len(found), sweep.trials, "computing")
    seconds = time.perf_counter() - began
    _store(sweep, setting, chunk, wanted, found, seconds, progress)
    return len(found)


def _row(sweep: Sweep, number: int, params: Params, figures: Figures) -> Trial:
    values = {name: figures.values.get(name) for name in FIGURES}
    status = Trial.Status.DONE
    if figures.error is not None:
        status = Trial.Status.REFUSED if figures.refused else Trial.Status.FAILED
    return Trial(
        sweep=sweep,
        number=number,
        status=status,
        params=params,
        score=figures.objective(sweep.objective),
        trades=figures.trades,
        digest=figures.digest,
        error=figures.error,
        **values,
    )


def _store(
    sweep: Sweep,
    setting: Setting,
    chunk: SweepChunk,
    wanted: Sequence[Params],
    found: Sequence[Figures],
    seconds: float,
    progress: jobs.Progress,
) -> None:
    rows = [_row(sweep, chunk.first + k, wanted[k], found[k]) for k in range(len(found))]
    with transaction.atomic():
        held = Sweep.objects.select_for_update().get(pk=sweep.pk)
        mine = SweepChunk.objects.filter(pk=chunk.pk, job_id=progress.job_id, is_done=False)
        if not mine.update(is_done=True):
            return  # another job took it over while this one was thought dead, and stored it
        Trial.objects.bulk_create(rows, batch_size=1000)
        named = (f"sweep:{sweep.pk}/{row.number}" for row in rows)
        kept = zip(named, found, strict=True)
        keep_streams(sweep.team_id, ((name, one.stream, one.periods) for name, one in kept))
        counts = {
            status: sum(row.status == status for row in rows)
            for status in (Trial.Status.DONE, Trial.Status.REFUSED, Trial.Status.FAILED)
        }
        held.done += counts[Trial.Status.DONE]
        held.refused += counts[Trial.Status.REFUSED]
        held.failed += counts[Trial.Status.FAILED]
        held.seconds += seconds
        held.save(update_fields=["done", "refused", "failed", "seconds"])
        if held.status == Sweep.Status.RUNNING and _seen(held) >= held.trials:
            _finish(held, setting.strategy, progress)


def _seen(sweep: Sweep) -> int:
    return sweep.done + sweep.refused + sweep.failed


def _finish(sweep: Sweep, strategy: Strategy, progress: jobs.Progress) -> None:
    sweep.status, sweep.finished_at = Sweep.Status.DONE, progress.now()
    sweep.save(update_fields=["status", "finished_at"])
    best = sweep.rows.filter(score__isnull=False).order_by(F("score").desc(), "number").first()
    body: dict[str, Any] = {
        "done": sweep.done,
        "refused": sweep.refused,
        "failed": sweep.failed,
        "data_digest": sweep.data_digest,
        "best": {"number": best.number, "params": best.params, "score": best.score}
        if best
        else None,
    }
    if isinstance(strategy, Confined):
        held = Sweep.objects.values_list("sandbox", flat=True).get(pk=sweep.pk)
        body["sandbox"] = {**strategy.used(), **(held or {})}
    actor = system("sweeps", sweep.team_id)
    subject = f"sweep:{sweep.pk}"
    record(actor=actor, action="sweep.finished", subject=subject, body=body, now=progress.now())


def _fail(sweep: Sweep, error: LabError, progress: jobs.Progress) -> None:
    """End the sweep for an error that every combination would meet, such as missing bars."""
    if isinstance(error, Unavailable):
        return  # the job is tried again
    with transaction.atomic():
        held = Sweep.objects.select_for_update().get(pk=sweep.pk)
        if held.status != Sweep.Status.RUNNING:
            return
        held.status, held.finished_at = Sweep.Status.FAILED, progress.now()
        held.error = jobs.describe(error)
        held.save(update_fields=["status", "finished_at", "error"])
        actor = system("sweeps", held.team_id)
        record(
            actor=actor,
            action="sweep.failed",
            subject=f"sweep:{held.pk}",
            body={"code": error.code, "message": error.message, "sandbox": held.sandbox},
            now=progress.now(),
        )
