"""Validations asked for, worked fold by fold, cancelled, archived.

The work may be repeated: a fold that is done is read instead of computed. A fold is counted in
the trial ledger by the database as its row is made, before anything of it is computed.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from apps.approvals.kernel.digest import finite
from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.kernel import engine
from apps.backtests.kernel.requests import Request, read_request
from apps.backtests.kernel.trials import check_objective
from apps.backtests.kernel.validation.ground import Ground, Outcome, PlanKind, Step
from apps.backtests.kernel.validation.kinds import KINDS, combinations_of, kind_of
from apps.backtests.models import Validation, ValidationFold
from apps.backtests.selectors import validations as reads
from apps.backtests.services.holdouts import CONFIRM, look
from apps.backtests.services.lanes import weakest
from apps.backtests.services.trials import keep_streams
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Invalid, LabError, Unavailable
from apps.core.kernel.hashing import digest_json
from apps.core.models import Job
from apps.market.kernel.periods import known_at
from apps.market.services import register_reader
from apps.strategies.kernel.confined import trace_of
from apps.strategies.kernel.interface import inputs_of
from apps.strategies.selectors import (
    VersionView,
    check_runnable,
    fences_of,
    get_strategy,
    get_version,
)
from apps.strategies.services import ensure_version

Figures = Mapping[str, Any]


def create_validation(
    *,
    actor: Actor,
    request: Mapping[str, Any],
    space: Mapping[str, Any],
    plan: Mapping[str, Any],
    now: datetime,
    kind: str = "walk_forward",
    objective: str = "sharpe",
) -> tuple[Validation, Job]:
    """Store a validation and queue it on ``compute``.

    Parameters
    ----------
    request
        The body of ``POST /backtests``; its parameters are those that stay.
    space
        Per parameter a list of values or ``{"low", "high", "step"}``; each fold tries them all.
    plan
        What the kind reads: for a walk-forward ``train``, ``test`` and more, see ``folds.Plan``.

    Raises
    ------
    Invalid, NotFound
        With the field at fault, also when no fold fits the bars; nothing is stored then.
    Conflict
        With the price of looks at a holdout that was not confirmed.
    """
    actor.require("research.write")
    body = dict(request)
    confirmed = bool(body.pop(CONFIRM, False))
    asked, of_kind = _read(body), kind_of(kind)
    check_objective(objective)
    selectors.check_assets(asked, actor.team)
    read = of_kind.read(plan)
    with transaction.atomic():
        version = ensure_version(
            actor=actor, name=asked.strategy, params=asked.params, now=now, note=""
        )
        check_runnable(version.name, version.team_id)
        steps = of_kind.steps(_ground(asked, version, space, objective, read, actor.team))
        row = Validation.objects.create(
            id=uuid.uuid4(),
            team_id=actor.team,
            version_id=version.id,
            kind=kind,
            title=asked.title
            or f"{of_kind.title} of {selectors.title_of(asked, version.title)}"[:200],
            strategy=version.strategy,
            request={**asked.as_dict(), "params": version.params},
            space=dict(space),
            plan=read,
            objective=objective,
            folds=len(steps),
            trials=sum(step.trials for step in steps),
            created_by=actor.name,
            created_by_label=actor.label,
            created_at=now,
        )
        look(
            actor=actor,
            strategy_id=version.strategy_id,
            subject=_subject(row),
            request=row.request,
            looks=row.trials,
            confirmed=confirmed,
            now=now,
        )
        job = _queued(actor, row, now)
        names = ("kind", "request", "space", "plan", "objective", "trials")
        made = {name: getattr(row, name) for name in names}
        _note(actor, "validation.created", row, {**made, "version": version.id}, now)
    return row, job


def _read(body: Mapping[str, Any]) -> Request:
    asked = read_request(body)
    if asked.given:
        message = (
            "A validation chooses parameters of a strategy; leave orders, targets and signals out."
        )
        field = next(iter(asked.given.tables))
        raise Invalid(message, code="validation.given", details={"field": field})
    return asked


def _queued(actor: Actor, row: Validation, now: datetime) -> Job:
    row.job = jobs.enqueue(
        actor=actor,
        kind="validation",
        title=row.title,
        task="backtests.validate",
        queue="compute",
        payload={"validation_id": str(row.pk)},
        subject=_subject(row),
        now=now,
    )
    row.save(update_fields=["job"])
    return row.job


def _subject(row: Validation) -> str:
    return f"validation:{row.pk}"


def _note(actor: Actor, action: str, row: Validation, body: Figures, now: datetime) -> None:
    record(actor=actor, action=action, subject=_subject(row), body=dict(body), now=now)


def _ground(
    asked: Request,
    version: VersionView,
    space: Mapping[str, Any],
    objective: str,
    plan: Figures,
    team_id: int,
) -> Ground:
    """Return what all folds share, the bars read."""
    strategy = get_strategy(version.name, version.team_id)
    axes, every = combinations_of(space, strategy.spec, version.params)
    panel = selectors.panel_of(asked, team_id, inputs_of(strategy, version.params))
    return Ground(panel, strategy, asked, axes, every, objective, plan)


def run_validation(progress: jobs.Progress) -> dict[str, Any]:
    """Work a validation fold by fold; may be repeated and then goes on where it was."""
    row = Validation.objects.get(pk=progress.payload["validation_id"])
    found: dict[str, Any] = {"id": str(row.pk)}
    if row.status != Validation.Status.RUNNING:
        return found
    try:
        found |= _run(row, progress)
    except jobs.Cancelled:
        _end(row, Validation.Status.CANCELLED, None, progress)
        raise
    except LabError as error:
        if not isinstance(error, Unavailable):  # then the job is tried again
            _end(row, Validation.Status.FAILED, error, progress)
        raise
    return found


def _run(row: Validation, progress: jobs.Progress) -> dict[str, Any]:
    kind = KINDS[row.kind]
    progress.tell(0, row.trials, "reading bars")
    asked = read_request(row.request)
    version = get_version(row.version_id, row.team_id)
    ground = _ground(asked, version, row.space, row.objective, row.plan, row.team_id)
    _begin(row, ground, version, progress)
    done: list[tuple[Step, Outcome]] = []
    try:
        for step in kind.steps(ground):
            before = sum(one.trials for one, _ in done)
            done.append((step, _worked(row, kind, ground, step, before, progress)))
        result = finite(kind.finish(ground, done))
    finally:
        trace = trace_of(ground.strategy)
    held = {"sandbox": trace} if trace else {}
    digest = _digest(row, ground, result)
    _store(row, {**result, **held}, digest, progress)
    return {"digest": digest, **held}


def _begin(row: Validation, ground: Ground, version: VersionView, progress: jobs.Progress) -> None:
    """Note which bars are read; those of folds done before must be the same."""
    with transaction.atomic():
        held = Validation.objects.select_for_update().get(pk=row.pk)
        if held.data_digest not in {"", ground.panel.digest}:
            message = "Bars were revised while the validation ran; start it anew on those of now."
            raise Conflict(message, code="validation.data_changed")
        held.data_digest, held.engine_version = ground.panel.digest, engine.ENGINE_VERSION
        held.sandbox = weakest(held.sandbox, fences_of(version.name))
        held.save(update_fields=["data_digest", "engine_version", "sandbox"])
        register_reader(
            subject=_subject(row),
            digest=ground.panel.digest,
            now=progress.now(),
            team_id=row.team_id,
            panel=ground.panel,
            as_of=known_at(ground.request.as_of),
        )


def _worked(
    row: Validation,
    kind: PlanKind,
    ground: Ground,
    step: Step,
    before: int,
    progress: jobs.Progress,
) -> Outcome:
    """Return what a fold comes to: what is kept of it, or else computed, counted first."""
    with transaction.atomic():
        fold, _ = ValidationFold.objects.get_or_create(
            validation=row,
            number=step.number,
            defaults={
                "trials": step.trials,
                "window": dict(step.window),
                "created_at": progress.now(),
            },
        )
    if fold.is_done:
        return Outcome(fold.result or {}, reads.read_arrays(bytes(fold.arrays)))
    note = f"fold {step.number} of {row.folds}" if step.number else "the naive demonstration"

    def tell(share: float) -> None:
        progress.tell(before + share * step.trials, row.trials, note)

    found = kind.work(ground, step, tell)
    _keep(row, fold, found, ground.periods)
    return Outcome(finite(found.figures), found.arrays)


def _keep(row: Validation, fold: ValidationFold, found: Outcome, periods: float) -> None:
    named = ((f"{_subject(row)}/{fold.number}/{k + 1}", s) for k, s in enumerate(found.streams))
    with transaction.atomic():
        mine = ValidationFold.objects.filter(pk=fold.pk, is_done=False)
        if not mine.update(
            result=finite(found.figures), arrays=write_arrays(found.arrays), is_done=True
        ):
            return  # another job took it over while this one was thought dead, and stored it
        keep_streams(row.team_id, ((name, stream, periods) for name, stream in named))


def write_arrays(arrays: Mapping[str, Any]) -> bytes:
    """Return arrays by name as the bytes of a NumPy archive."""
    kept = io.BytesIO()
    np.savez(kept, allow_pickle=False, **arrays)
    return kept.getvalue()


def _digest(row: Validation, ground: Ground, result: Figures) -> str:
    content = {
        "engine": engine.ENGINE_VERSION,
        "data": ground.panel.digest,
        "strategy": ground.strategy.spec.name,
        "params": row.request["params"],
        "terms": ground.request.terms(),
        "kind": row.kind,
        "plan": row.plan,
        "space": row.space,
        "objective": row.objective,
        "result": result,
    }
    return digest_json(finite(content))


def _store(row: Validation, result: dict[str, Any], digest: str, progress: jobs.Progress) -> None:
    with transaction.atomic():
        held = Validation.objects.select_for_update().get(pk=row.pk)
        if held.status != Validation.Status.RUNNING:
            return  # cancelled meanwhile, or stored by a worker thought dead
        held.status, held.finished_at = Validation.Status.DONE, progress.now()
        held.result, held.digest = result, digest
        held.sharpe, held.efficiency = result.get("sharpe"), result.get("efficiency")
        held.save(
            update_fields=["status", "finished_at", "result", "digest", "sharpe", "efficiency"]
        )
        body = {
            "digest": digest,
            "data_digest": held.data_digest,
            "kind": held.kind,
            "sharpe": held.sharpe,
            "is_evidence": KINDS[held.kind].is_evidence,
            **({"sandbox": result["sandbox"]} if "sandbox" in result else {}),
        }
        actor = system("validations", held.team_id)
        _note(actor, "validation.finished", held, body, progress.now())


def _end(row: Validation, status: str, error: LabError | None, progress: jobs.Progress) -> None:
    """End a validation that came to nothing; what it began stays counted."""
    with transaction.atomic():
        held = Validation.objects.select_for_update().get(pk=row.pk)
        if held.status != Validation.Status.RUNNING:
            return
        held.status, held.finished_at = status, progress.now()
        held.error = jobs.describe(error) if error else None
        held.save(update_fields=["status", "finished_at", "error"])
        told = {"code": error.code, "message": error.message} if error else {}
        actor = system("validations", held.team_id)
        _note(actor, f"validation.{status}", held, told, progress.now())


def cancel_validation(
    *, actor: Actor, validation_id: uuid.UUID | str, now: datetime
) -> Validation:
    """End a validation for good; folds that were begun stay counted. Raises ``Conflict``."""
    actor.require("research.write")
    with transaction.atomic():
        row = _locked(actor, validation_id)
        if reads.state_of(row) != Validation.Status.RUNNING:
            message = (
                f"The validation is already {reads.state_of(row)}; nothing is left to cancel."
            )
            raise Conflict(message, code="validation.over")
        row.status, row.finished_at = Validation.Status.CANCELLED, now
        row.save(update_fields=["status", "finished_at"])
        if row.job_id:
            jobs.cancel(row.job_id, actor=actor, now=now)
        begun = row.rows.count()
        _note(actor, "validation.cancelled", row, {"begun": begun}, now)
    return row


def archive_validation(
    *, actor: Actor, validation_id: uuid.UUID | str, now: datetime
) -> Validation:
    """Take a validation out of lists; it stays readable, and counted."""
    actor.require("research.write")
    with transaction.atomic():
        row = _locked(actor, validation_id)
        if row.archived_at is None:
            row.archived_at = now
            row.save(update_fields=["archived_at"])
            _note(actor, "validation.archived", row, {}, now)
    return row


def _locked(actor: Actor, validation_id: uuid.UUID | str) -> Validation:
    found = reads.get_validation(validation_id, actor.team)
    return Validation.objects.select_for_update().get(pk=found.pk)
