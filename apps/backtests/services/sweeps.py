"""Sweeps asked for, paused, resumed, cancelled; what people do with them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.kernel.requests import read_request
from apps.backtests.kernel.spaces import read_space, trials_of
from apps.backtests.kernel.trials import check_objective
from apps.backtests.models import Run, Sweep
from apps.backtests.services.holdouts import CONFIRM, look
from apps.backtests.services.runs import create_backtest
from apps.core import jobs
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.models import Job
from apps.strategies.selectors import check_runnable, get_strategy
from apps.strategies.services import ensure_version

LANES = 2
MOST_LANES = 64
MAX_SEED = 2**53


def create_sweep(
    *,
    actor: Actor,
    request: Mapping[str, Any],
    space: Mapping[str, Any],
    now: datetime,
    method: str = "grid",
    objective: str = "sharpe",
    trials: int | None = None,
    seed: int = 0,
    lanes: int = LANES,
) -> tuple[Sweep, list[Job]]:
    """Store a sweep and queue its jobs on ``compute``.

    Parameters
    ----------
    request
        The body of ``POST /backtests``; its parameters are those that stay.
    space
        Per parameter a list of values or ``{"low", "high", "step"}``.
    lanes
        How many jobs take combinations from it side by side.

    Raises
    ------
    Invalid, NotFound
        With the field at fault; nothing is stored then.
    """
    actor.require("research.write")
    body = dict(request)
    confirmed = bool(body.pop(CONFIRM, False))
    asked = read_request(body)
    if asked.given:
        message = "A sweep tries parameters of a strategy; leave orders, targets and signals out."
        raise Invalid(
            message, code="sweep.given", details={"field": next(iter(asked.given.tables))}
        )
    selectors.check_assets(asked, actor.team)
    check_objective(objective)
    _check_whole("lanes", lanes, 1, MOST_LANES)
    _check_whole("seed", seed, 0, MAX_SEED)
    with transaction.atomic():
        version = ensure_version(
            actor=actor, name=asked.strategy, params=asked.params, now=now, note=""
        )
        check_runnable(version.name, version.team_id)
        axes = read_space(space, get_strategy(version.name, version.team_id).spec, version.params)
        total = trials_of(axes, method, trials)
        sweep = Sweep.objects.create(
            team_id=actor.team,
            version_id=version.id,
            title=asked.title or f"Sweep of {selectors.title_of(asked, version.title)}"[:200],
            strategy=version.strategy,
            request={**asked.as_dict(), "params": version.params},
            space=dict(space),
            method=method,
            objective=objective,
            seed=seed,
            trials=total,
            lanes=min(lanes, total),
            created_by=actor.name,
            created_by_label=actor.label,
            created_at=now,
        )
        look(
            actor=actor,
            strategy_id=version.strategy_id,
            subject=f"sweep:{sweep.pk}",
            request=sweep.request,
            looks=total,
            confirmed=confirmed,
            now=now,
        )
        started = _start_lanes(actor, sweep, now)
        body = {
            "request": sweep.request,
            "space": sweep.space,
            "method": method,
            "objective": objective,
            "seed": seed,
            "trials": total,
            "version": version.id,
        }
        _note(actor, "sweep.created", sweep, body, now)
    return sweep, started


def _check_whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        message = f"{name} = {value!r}; a whole number from {low} to {high} is expected."
        raise Invalid(message, code="sweep.invalid", details={"field": name})


def _note(actor: Actor, action: str, sweep: Sweep, body: dict[str, Any], now: datetime) -> None:
    record(actor=actor, action=action, subject=f"sweep:{sweep.pk}", body=body, now=now)


def _start_lanes(actor: Actor, sweep: Sweep, now: datetime) -> list[Job]:
    lanes = min(sweep.lanes, sweep.trials)
    return [
        jobs.enqueue(
            actor=actor,
            kind="sweep",
            title=f"{sweep.title}: lane {lane + 1} of {lanes}" if lanes > 1 else sweep.title,
            task="backtests.sweep",
            queue="compute",
            payload={"sweep_id": str(sweep.pk)},
            subject=f"sweep:{sweep.pk}",
            now=now,
        )
        for lane in range(lanes)
    ]


def pause_sweep(*, actor: Actor, sweep_id: uuid.UUID | str, now: datetime) -> Sweep:
    """Hand out no more combinations; those under way are finished. Raises ``Conflict``."""
    actor.require("research.write")
    with transaction.atomic():
        sweep = _locked(actor, sweep_id)
        if sweep.status != Sweep.Status.RUNNING:
            message = f"The sweep is {sweep.status}; only a running one can be paused."
            raise Conflict(message, code="sweep.not_running")
        sweep.status = Sweep.Status.PAUSED
        sweep.save(update_fields=["status"])
        _note(actor, "sweep.paused", sweep, {"done": sweep.done}, now)
    return sweep


def resume_sweep(*, actor: Actor, sweep_id: uuid.UUID | str, now: datetime) -> Sweep:
    """Go on with a sweep that is paused, or whose jobs were all lost. Raises ``Conflict``."""
    actor.require("research.write")
    with transaction.atomic():
        sweep = _locked(actor, sweep_id)
        stalled = sweep.status == Sweep.Status.RUNNING and not selectors.open_lanes(sweep)
        if sweep.status != Sweep.Status.PAUSED and not stalled:
            message = f"The sweep is {sweep.status}; only a paused one can be resumed."
            raise Conflict(message, code="sweep.not_paused")
        sweep.status = Sweep.Status.RUNNING
        sweep.save(update_fields=["status"])
        _start_lanes(actor, sweep, now)
        _note(actor, "sweep.resumed", sweep, {"done": sweep.done}, now)
    return sweep


def cancel_sweep(*, actor: Actor, sweep_id: uuid.UUID | str, now: datetime) -> Sweep:
    """End a sweep for good; what is done stays, and stays counted. Raises ``Conflict``."""
    actor.require("research.write")
    with transaction.atomic():
        sweep = _locked(actor, sweep_id)
        if sweep.status not in {Sweep.Status.RUNNING, Sweep.Status.PAUSED}:
            message = f"The sweep is already {sweep.status}; there is nothing to cancel."
            raise Conflict(message, code="sweep.over")
        sweep.status, sweep.finished_at = Sweep.Status.CANCELLED, now
        sweep.save(update_fields=["status", "finished_at"])
        for job in selectors.open_lanes(sweep):
            jobs.cancel(job.pk, actor=actor, now=now)
        _note(actor, "sweep.cancelled", sweep, {"done": sweep.done}, now)
    return sweep


def run_trial(
    *,
    actor: Actor,
    sweep_id: uuid.UUID | str,
    number: int,
    now: datetime,
    confirm_look: bool = False,
) -> tuple[Run, Job]:
    """Make a run of one combination, with its curves and tables. Raises ``NotFound``."""
    actor.require("research.write")
    sweep = selectors.get_sweep(sweep_id, actor.team)
    trial = selectors.get_trial(sweep, number)
    request = {
        **sweep.request,
        "params": {**sweep.request["params"], **trial.params},
        "title": f"{sweep.title}, trial {number}"[:200],
        CONFIRM: confirm_look,
    }
    return create_backtest(actor=actor, request=request, now=now)


def _locked(actor: Actor, sweep_id: uuid.UUID | str) -> Sweep:
    found = selectors.get_sweep(sweep_id, actor.team)
    return Sweep.objects.select_for_update().get(pk=found.pk)
