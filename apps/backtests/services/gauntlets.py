"""Runs held against luck: asked for, computed, stored.

A gauntlet is no trial of the family: it chooses nothing and tries no other parameters, so nothing
is counted and no holdout is looked at anew. Its seeds are made of the run's digest: asking again
gives the same worlds, and nobody can draw until the luck is good.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.backtests import selectors
from apps.backtests.kernel.integrity.gauntlet import USUAL, Setting, check_kinds, check_worlds
from apps.backtests.kernel.integrity.gauntlet_reports import (
    cost_figure,
    digest_of,
    report,
    size_figure,
)
from apps.backtests.models import Gauntlet, Run
from apps.backtests.selectors import gauntlets as reads
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, LabError
from apps.core.models import Job
from apps.market.kernel.bars import Panel
from apps.market.kernel.periods import known_at
from apps.market.services import register_reader
from apps.strategies.kernel.confined import trace_of
from apps.strategies.kernel.interface import Params, Strategy, inputs_of
from apps.strategies.selectors import check_runnable, get_strategy, get_version

COMPUTED = (
    "result",
    "nulls",
    "digest",
    "null_p_value",
    "break_even_bps",
    "capacity",
    "finished_at",
)


def create_gauntlet(
    *,
    actor: Actor,
    run_id: uuid.UUID | str,
    now: datetime,
    kinds: Sequence[str] = (),
    worlds: int = USUAL,
) -> tuple[Gauntlet, Job]:
    """Queue a finished run's gauntlet on ``compute``; one that was asked for before is returned.

    Parameters
    ----------
    kinds
        Kinds of null worlds; all of them without.
    worlds
        How many of each.

    Raises
    ------
    Invalid, NotFound
        With the field at fault.
    Conflict
        For a run that is not done.
    """
    actor.require("research.write")
    wanted, count = check_kinds(kinds), check_worlds(worlds)
    run = selectors.get_done_run(run_id, actor.team)
    version = get_version(run.version_id, run.team_id)
    check_runnable(version.name, version.team_id)
    with transaction.atomic():
        Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
        known = reads.find_gauntlet(run, wanted, count)
        if known is not None and known.job is not None:
            return known, known.job
        made = Gauntlet.objects.create(
            team_id=actor.team,
            run=run,
            kinds=list(wanted),
            worlds=count,
            run_digest=run.digest,
            created_by=actor.name,
            created_by_label=actor.label,
            created_at=now,
        )
        made.job = jobs.enqueue(
            actor=actor,
            kind="gauntlet",
            title=f"Null worlds of {run.title}"[:200],
            task="backtests.gauntlet",
            queue="compute",
            payload={"gauntlet_id": str(made.pk)},
            subject=_subject(made),
            now=now,
        )
        made.save(update_fields=["job"])
        body = {"run": str(run.pk), "kinds": list(wanted), "worlds": count}
        record(actor=actor, action="gauntlet.created", subject=_subject(made), body=body, now=now)
    return made, made.job


def _subject(gauntlet: Gauntlet) -> str:
    return f"gauntlet:{gauntlet.pk}"


def run_gauntlet(progress: jobs.Progress) -> dict[str, Any]:
    """Compute and store a gauntlet; may be repeated from the start and then stores the same."""
    made = Gauntlet.objects.select_related("run").get(pk=progress.payload["gauntlet_id"])
    run, actor = made.run, system("gauntlets", made.team_id)
    version = get_version(run.version_id, run.team_id)
    strategy = get_strategy(version.name, version.team_id)
    try:
        setting = _setting(made, strategy, version.params, progress)
        found, nulls = report(
            setting, run.digest, kinds=made.kinds, n_worlds=made.worlds, tell=progress.tell
        )
    except LabError as error:
        trace_of(strategy)
        body = {"run": str(run.pk), "code": error.code, "message": error.message}
        with transaction.atomic():
            record(
                actor=actor,
                action="gauntlet.failed",
                subject=_subject(made),
                body=body,
                now=progress.now(),
            )
        raise
    trace = trace_of(strategy)
    digest = digest_of(found, nulls)
    result = {**found, "sandbox": trace} if trace else found
    _store(made, result, nulls, digest, actor, progress.now())
    return {"id": str(made.pk), "digest": digest, "null_p_value": found["null_p_value"]}


def _setting(
    made: Gauntlet, strategy: Strategy, params: Params, progress: jobs.Progress
) -> Setting:
    """Return what was run, on the bars it was run on. Raises ``Conflict`` when they changed."""
    run = made.run
    asked = selectors.request_of(run)
    progress.tell(0, 1, "reading bars")
    panel: Panel = selectors.panel_of(asked, run.team_id, inputs_of(strategy, params))
    if panel.digest != run.data_digest:
        message = (
            "Bars were revised since the run, so null worlds would be held against other prices. "
            "Run it again and test that run."
        )
        raise Conflict(message, code="gauntlet.data_changed")
    register_reader(
        subject=_subject(made),
        digest=panel.digest,
        now=progress.now(),
        team_id=run.team_id,
        panel=panel,
        as_of=known_at(asked.as_of),
    )
    return Setting(panel, strategy, params, asked)


def _store(
    made: Gauntlet,
    result: dict[str, Any],
    nulls: dict[str, Any],
    digest: str,
    actor: Actor,
    now: datetime,
) -> None:
    with transaction.atomic():
        held = Gauntlet.objects.select_for_update(of=("self",)).get(pk=made.pk)
        if held.is_done and held.digest == digest:
            return  # a worker that died after its commit is followed by one that did it all again
        held.result, held.nulls, held.digest = result, nulls, digest
        held.null_p_value = result["null_p_value"]
        held.break_even_bps, held.capacity = cost_figure(result), size_figure(result)
        held.finished_at = now
        held.save(update_fields=COMPUTED)
        body = {"run": str(held.run_id), "digest": digest, "null_p_value": held.null_p_value}
        subject = _subject(held)
        record(actor=actor, action="gauntlet.finished", subject=subject, body=body, now=now)
