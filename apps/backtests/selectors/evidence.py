"""What a finished run proves of its version: the evidence of a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.approvals.kernel.digest import finite
from apps.approvals.kernel.evidence import Asked, Measured
from apps.backtests.kernel.evidence import evidence_of
from apps.backtests.kernel.fills import get_fill_rule
from apps.backtests.models import Run
from apps.backtests.selectors.runs import count_trials, find_run, get_run, run_detail
from apps.core.errors import Conflict, Invalid
from apps.core.kernel.hashing import canonical_json
from apps.strategies.selectors import get_version
from apps.strategies.selectors.versions import get_version_files


class RunEvidence:
    """Takes the figures of a promotion from a finished run of exactly that version."""

    def take(
        self,
        *,
        team_id: int,
        subject: str,
        digest: str,
        run_id: str,
        asked: Asked,  # noqa: ARG002 what runs is known further right
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
        return measured


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
        evidence=evidence_of(run_detail(run), version.digest, count_trials(run)),
        current_stage=version.stage,
        editors=(version.created_by, run.created_by),
    )


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
        return [subject, f"backtest:{run.pk}"], files
