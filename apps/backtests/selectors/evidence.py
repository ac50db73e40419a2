"""What a finished run proves of its version: the evidence of a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from apps.approvals.kernel.digest import finite
from apps.approvals.kernel.evidence import Asked, Measured
from apps.backtests.kernel.evidence import evidence_of, study_content, study_of
from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.models import Run, Sweep, Trial
from apps.backtests.selectors.artifacts import environment_bytes
from apps.backtests.selectors.doctor import critical_of
from apps.backtests.selectors.gauntlets import luck_of
from apps.backtests.selectors.holdouts import spent_of
from apps.backtests.selectors.runs import count_trials, find_run, get_run, run_detail
from apps.backtests.selectors.sweeps import best_trial, get_sweep, sweep_detail, trial_row
from apps.backtests.selectors.trials import find_family_of
from apps.backtests.selectors.validations import walk_forward_evidence
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.kernel.hashing import canonical_json
from apps.strategies.selectors import get_version
from apps.strategies.selectors.probes import probe_evidence
from apps.strategies.selectors.versions import get_version_files

MAX_STUDIES = 50


class RunEvidence:
    """Takes the figures of a promotion from a finished run of exactly that version."""

    def take(
        self,
        *,
        team_id: int,
        subject: str,
        digest: str,
        run_id: str,
        asked: Asked,
        now: datetime,  # noqa: ARG002
    ) -> Measured:
        """Return the run's figures. Raises ``Invalid``, ``NotFound``, ``Conflict``."""
        if not run_id:
            message = (
                f"Name the run that speaks for {subject}: the lab copies its figures, and typed "
                "ones reach no gate. Run a backtest of this version and give its id as run."
            )
            raise Invalid(message, code="proposal.run", details={"field": "run"})
        run = get_run(run_id, team_id)
        measured = measured_of(run)
        facts = measured.evidence["facts"]
        if subject != f"version:{run.version_id}" or digest != facts["version digest"]:
            message = (
                f"The run {run.pk} is of version:{run.version_id} with digest "
                f"{facts['version digest'][:12]}…, not of {subject} with {digest[:12]}…; name a "
                "run of exactly the version proposed."
            )
            raise Conflict(message, code="proposal.run_of_other", details={"field": "run"})
        if not asked.study:
            return measured
        study = take_study(asked.study, run)
        return replace(measured, evidence={**measured.evidence, "study": study})


def measured_of(run: Run) -> Measured:
    """Return a finished run as evidence for its version.

    Raises ``Conflict`` for one that is not done, ``Invalid`` for a fill that no market offers.
    """
    if not run.is_done:
        message = f"The run {run.pk} is not done; wait for its figures before proposing it."
        raise Conflict(message, code="backtest.not_done")
    if run.request.get("given"):
        message = (
            "This run played orders or weights that came with the request; they say nothing of "
            "what the version would do by itself. Run the strategy alone to propose it."
        )
        raise Invalid(message, code="backtest.given", details={"field": "strategy"})
    rule = get_fill_rule(run.fill)
    if not rule.tradable or run.request.get("finalize"):
        message = f"This run fills so: {rule.says}. Run it again with fill next_open to propose."
        raise Invalid(message, code="backtest.not_tradable", details={"field": "fill"})
    version = get_version(run.version_id, run.team_id)
    return Measured(
        evidence=evidence_for(run, version.digest),
        current_stage=version.stage,
        editors=(version.created_by, run.created_by),
    )


def take_study(sweep_id: str, run: Run) -> dict[str, Any]:
    """Return a finished sweep of the run's strategy as evidence beside the run.

    Raises ``NotFound``, and ``Conflict`` for one that is not done, found nothing, or is of
    another strategy.
    """
    sweep = get_sweep(sweep_id, run.team_id)
    best = best_trial(sweep)
    if sweep.status != Sweep.Status.DONE or best is None:
        message = f"The sweep {sweep.title!r} is {sweep.status}; name one that is done."
        raise Conflict(message, code="proposal.study", details={"field": "study"})
    if sweep.version.strategy_id != run.version.strategy_id:
        message = f"The sweep {sweep.title!r} is of {sweep.strategy}, the run of {run.strategy}."
        raise Conflict(message, code="proposal.study_of_other", details={"field": "study"})
    rows = Trial.objects.filter(sweep=sweep, status=Trial.Status.DONE).order_by("number")
    winner = {**trial_row(best), "params": {**sweep.version.params, **best.params}}
    found = study_of(sweep_detail(sweep), winner, map(trial_row, rows), digest_of(sweep))
    return dict(finite(found))


def content_of(sweep: Sweep) -> bytes:
    """Return a sweep with all its trials as they stand, as it is hashed."""
    names = ("strategy", "request", "space", "method", "objective", "seed", "trials")
    asked = {name: getattr(sweep, name) for name in names}
    asked |= {"sweep": str(sweep.pk), "version": sweep.version_id, "data": sweep.data_digest}
    rows = Trial.objects.filter(sweep=sweep).order_by("number")
    told = rows.values_list("number", "status", "params", "score", "digest")
    return study_content(finite(asked), (finite(row) for row in told))


def digest_of(sweep: Sweep) -> str:
    """Return the digest of a sweep with all its trials as they stand."""
    return sha256(content_of(sweep)).hexdigest()


def is_study_as_frozen(study: Mapping[str, Any], team_id: int) -> bool:
    """Tell whether a sweep still is what a proposal froze."""
    try:
        sweep = get_sweep(str(study.get("sweep", "")), team_id)
    except NotFound:
        return False
    return digest_of(sweep) == study.get("digest")


def list_studies_of(run: Run) -> list[Sweep]:
    """Return the finished sweeps of the run's strategy, newest first."""
    rows = Sweep.objects.filter(
        team_id=run.team_id,
        status=Sweep.Status.DONE,
        version__strategy_id=run.version.strategy_id,
        done__gt=0,
    )
    return list(rows.order_by("-created_at", "-id")[:MAX_STUDIES])


def evidence_for(run: Run, version_digest: str) -> dict[str, Any]:
    """Return what a finished run and its version's look-ahead probe would bring as evidence."""
    family = find_family_of(f"run:{run.pk}", run.team_id)
    spent = spent_of(family, run.team_id)
    measured = evidence_of(run_detail(run), version_digest, count_trials(run), spent)
    probed = probe_evidence(run.version_id, run.team_id)
    diagnosed = {"doctor_critical": critical_of(run)}
    return {**measured, **probed, **walk_forward_evidence(run), **luck_of(run), **diagnosed}


class RunFiles:
    """Gives the run that speaks for a version, and the version itself, as files."""

    def files(
        self, *, team_id: int, subject: str, evidence: Mapping[str, Any]
    ) -> tuple[list[str], dict[str, bytes]]:
        """Return the subjects whose events belong to them, and files by name."""
        kind, _, number = subject.partition(":")
        files = get_version_files(number, team_id) if kind == "version" else {}
        run_id = evidence.get("facts", {}).get("run", "")
        run = find_run(run_id, team_id)
        if run is None:
            return [subject], files
        artifacts = {row.name: row for row in run.artifacts.order_by("name")}
        manifest = {
            "run": str(run.pk),
            "digest": run.digest,
            "data_digest": run.data_digest,
            "engine_version": run.engine_version,
            "params": run.params,
            "request": run.request,
            "result": run.result,
            "artifacts": {name: row.digest for name, row in artifacts.items()},
        }
        files["artifacts/run.json"] = canonical_json(finite(manifest))
        for name, row in artifacts.items():
            files[f"artifacts/{name}.parquet"] = bytes(row.content)
        if origin := run.result.get("origin"):
            files["artifacts/environment.json"] = environment_bytes(origin["environment"])
        subjects = [subject, f"backtest:{run.pk}"]
        if study := evidence.get("study"):
            files["artifacts/study.jsonl"] = content_of(get_sweep(study["sweep"], team_id))
            subjects.append(f"sweep:{study['sweep']}")
        return subjects, files
