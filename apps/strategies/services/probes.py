"""Look-ahead probes: asked for, done by a job, put into the trail."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import record
from apps.core import jobs
from apps.core.actors import Actor, system
from apps.core.errors import Conflict, Unavailable
from apps.core.models import Job
from apps.strategies import selectors
from apps.strategies.kernel.confined import trace_of
from apps.strategies.kernel.interface import Strategy
from apps.strategies.kernel.probe import Plan, Report, Sheet, probe
from apps.strategies.kernel.probe.reports import PASSED, UNABLE
from apps.strategies.kernel.probe.search import seed_of
from apps.strategies.kernel.probe.subjects import ERRORS, LibrarySubject
from apps.strategies.models import Probe, StrategyVersion
from apps.strategies.sandbox.base import Stopped
from apps.strategies.sandbox.own import OwnStrategy
from apps.strategies.sandbox.probing import OwnSubject
from apps.strategies.selectors import VersionView
from apps.strategies.selectors.probes import (
    find_open_probe,
    get_probe,
    panel_to_probe,
    said,
)
from apps.strategies.selectors.recipes import CODE

BY_BAR = (
    "It decides bar by bar: each decision is made by a process that was sent no later bar, so "
    "there is nothing ahead to look at."
)
MOST_AT_ONCE = 20


def create_probe(*, actor: Actor, version_id: int, now: datetime) -> tuple[Probe, Job]:
    """Store a probe of a version and queue it; one that waits or runs already is returned.

    Raises ``NotFound``, and ``Conflict`` for a text that nobody approved: it must not run.
    """
    actor.require("research.write")
    version = selectors.get_version(version_id, actor.team)
    selectors.check_runnable(version.name, actor.team)
    with transaction.atomic():
        # One at a time asks: the version's row is the turnstile.
        StrategyVersion.objects.select_for_update(of=("self",)).get(pk=version.id)
        open_row = find_open_probe(version.id, actor.team)
        if open_row is not None and open_row.job is not None:
            return open_row, open_row.job
        return queue_probe(actor, version, now)


def probe_by_itself(version: VersionView, now: datetime) -> Probe | None:
    """Queue the probe of a version that was just made, in the caller's transaction.

    Members of the library that merely got other parameters come by ``probe_due_versions``; a text
    that nobody approved is probed once people did.
    """
    if selectors.is_in_library(version.strategy):
        return None
    name = version.name
    is_text = name.startswith(CODE)
    if is_text and selectors.code_approval(version.team_id, name.partition(":")[2]) is None:
        return None
    return queue_probe(system("probe", version.team_id), version, now)[0]


def probe_approved_text(*, actor: Actor, digest: str, now: datetime) -> int:
    """Queue probes of the versions with a text that people just let run; return how many."""
    actor.require("strategies.set_stage")
    rows = StrategyVersion.objects.select_related("strategy").filter(
        team_id=actor.team, source_digest=digest, strategy__kind="python", probes__isnull=True
    )
    made = [
        queue_probe(actor, selectors.view_of(row), now)
        for row in rows.order_by("-id")[:MOST_AT_ONCE]
    ]
    return len(made)


def queue_probe(actor: Actor, version: VersionView, now: datetime) -> tuple[Probe, Job]:
    """Store and queue a probe of a version, in the caller's transaction."""
    row = Probe.objects.create(
        team_id=version.team_id,
        version_id=version.id,
        created_by=actor.name,
        created_by_label=actor.label,
        created_at=now,
    )
    job = jobs.enqueue(
        actor=actor,
        kind="probe",
        title=f"Look-ahead probe of {version.label}",
        task="strategies.probe",
        queue="compute",
        payload={"probe_id": row.pk},
        subject=f"probe:{row.pk}",
        now=now,
    )
    row.job = job
    row.save(update_fields=["job"])
    body = {"probe": row.pk, "version": version.id, "digest": version.digest}
    subject = f"version:{version.id}"
    record(actor=actor, action="probe.created", subject=subject, body=body, now=now)
    return row, job


def run_probe(progress: jobs.Progress) -> dict[str, Any]:
    """Do a probe and store what it came to; again from the start it comes to the same."""
    row = get_probe(progress.payload["probe_id"], progress.team_id or 0)
    if row.finished_at is not None:
        return _told(row)
    version = selectors.get_version(row.version_id, row.team_id)
    strategy = selectors.get_strategy(version.name, row.team_id)
    began, seed = time.monotonic(), seed_of(version.digest)
    try:
        panel, words = panel_to_probe(version, strategy, progress.now(), seed)
        report = _done(version, strategy, Sheet(panel), seed, progress)
        row.data, row.data_digest = words[:400], panel.digest
    except ERRORS as error:  # what stops a text is one of them
        if isinstance(error, Conflict | Unavailable):
            raise
        report, row.reason = None, str(error)[:400]
    finally:
        row.sandbox = trace_of(strategy)
    row.seconds = round(time.monotonic() - began, 3)
    _finish(row, version, report, progress.now())
    return _told(row)


def _done(
    version: VersionView, strategy: Strategy, sheet: Sheet, seed: int, progress: jobs.Progress
) -> Report:
    """Probe a strategy: the lab's own here, a text in the sandbox."""
    params = version.params

    def tell(copies: int) -> None:
        progress.tell(min(copies, 99), 100, f"{copies} copies compared")

    warmup = strategy.warmup(params)
    if not isinstance(strategy, OwnStrategy):
        # Every input there is, whatever it declares to read: one it only peeks at counts too.
        plan = Plan(warmup, seed, errors=ERRORS)
        return probe(LibrarySubject(strategy, params), sheet, plan, tell)
    if not strategy.decides_at_once:
        return _by_bar(sheet, warmup, seed)
    subject = OwnSubject(strategy, params)
    try:
        return probe(subject, sheet, Plan(warmup, seed, errors=(Stopped,)), tell)
    finally:
        subject.afresh()


def _by_bar(sheet: Sheet, warmup: int, seed: int) -> Report:
    """Return that a text which is sent one bar after another can't look ahead."""
    panel = sheet.panel
    return Report(
        verdict=PASSED, finding=None, why=BY_BAR, declared_warmup=warmup, found_warmup=None,
        cuts=(), copies=0, refused=0, outputs=("decisions",), inputs=sheet.names,
        bars=panel.n_bars, assets=panel.n_assets, seed=seed,
    )  # fmt: skip


def _finish(row: Probe, version: VersionView, report: Report | None, now: datetime) -> None:
    row.verdict = report.verdict if report else UNABLE
    row.report = report.as_json() if report else {}
    row.digest = report.digest if report else ""
    row.finished_at = now
    with transaction.atomic():
        row.save()
        body = {
            "probe": row.pk,
            "verdict": row.verdict,
            "digest": row.digest,
            "data_digest": row.data_digest,
            "version_digest": version.digest,
            "said": said(row)[:400],
        }
        actor, subject = system("probe", row.team_id), f"version:{version.id}"
        record(actor=actor, action="probe.finished", subject=subject, body=body, now=now)


def _told(row: Probe) -> dict[str, Any]:
    return {"probe_id": row.pk, "version_id": row.version_id, "verdict": row.verdict}
