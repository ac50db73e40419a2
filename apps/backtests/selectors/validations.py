"""Validations as rows, curves and evidence."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Q, QuerySet
from numpy.typing import NDArray

from apps.approvals.kernel.digest import finite
from apps.backtests.kernel.integrity import families
from apps.backtests.kernel.integrity.sharpe import Moments
from apps.backtests.kernel.metrics import drawdowns
from apps.backtests.kernel.validation.files import validate_file
from apps.backtests.kernel.validation.kinds import KINDS
from apps.backtests.models import Run, Validation
from apps.backtests.selectors.runs import get_run
from apps.backtests.selectors.splits import export_splits
from apps.backtests.selectors.sweeps import get_sweep
from apps.backtests.selectors.trials import count_of, find_family_of_strategy, whole_of
from apps.core.errors import Conflict, NotFound
from apps.core.models import FINAL_STATES, Job
from apps.strategies.selectors import get_strategy

Floats = NDArray[np.float64]
MOST_READ = 50
OVER = {Job.Status.CANCELLED: Validation.Status.CANCELLED}


def list_validations(
    *,
    team_id: int,
    strategy: str = "",
    kind: str = "",
    status: str = "",
    archived: bool = False,
) -> QuerySet[Validation]:
    """Return the team's validations that fit the filters."""
    rows = Validation.objects.filter(team_id=team_id, archived_at__isnull=not archived)
    if strategy:
        rows = rows.filter(strategy=strategy)
    if kind:
        rows = rows.filter(kind=kind)
    if status:
        rows = rows.filter(_in_state(status))
    return rows.select_related("job").defer("result")


def _in_state(status: str) -> Q:
    """Return which rows are shown in a state: one whose job ended without a word ended with it."""
    running = Q(status=Validation.Status.RUNNING)
    lost = running & Q(job__status__in=FINAL_STATES)
    if status == Validation.Status.RUNNING:
        return running & ~Q(job__status__in=FINAL_STATES)
    cancelled = Q(job__status=Job.Status.CANCELLED)
    more = {
        Validation.Status.CANCELLED: lost & cancelled,
        Validation.Status.FAILED: lost & ~cancelled,
    }
    other = more.get(Validation.Status(status)) if status in Validation.Status.values else None
    return Q(status=status) | other if other is not None else Q(status=status)


def get_validation(validation_id: UUID | str, team_id: int) -> Validation:
    """Return a validation of the team. Raises ``NotFound``, also for another team's."""
    found = None
    try:
        rows = Validation.objects.select_related("job", "version")
        found = rows.filter(pk=UUID(str(validation_id)), team_id=team_id).first()
    except ValueError:
        found = None
    if found is None:
        message = f"There is no validation {validation_id} here; see /research/validations."
        raise NotFound(message, code="validation.not_found")
    return found


def get_done_validation(validation_id: UUID | str, team_id: int) -> Validation:
    """Return a validation that has a result. Raises ``Conflict`` while it has none."""
    found = get_validation(validation_id, team_id)
    if found.status != Validation.Status.DONE:
        message = f"The validation {validation_id} is {state_of(found)}; it has no result yet."
        raise Conflict(message, code="validation.not_done")
    return found


def state_of(row: Validation) -> str:
    """Return where a validation stands; one whose job ended without a word ended with it."""
    job = row.job
    if row.status == Validation.Status.RUNNING and job is not None and job.status in FINAL_STATES:
        return str(OVER.get(Job.Status(job.status), Validation.Status.FAILED))
    return str(row.status)


def validation_row(row: Validation) -> dict[str, Any]:
    """Return a validation as lists show it."""
    kind = KINDS[row.kind]
    return {
        "id": str(row.pk),
        "kind": row.kind,
        "kind_title": kind.title,
        "is_evidence": kind.is_evidence,
        "title": row.title,
        "strategy": row.strategy,
        "version_id": row.version_id,
        "objective": row.objective,
        "status": state_of(row),
        "folds": row.folds,
        "trials": row.trials,
        "sharpe": row.sharpe,
        "efficiency": row.efficiency,
        "created_by": row.created_by_label or row.created_by,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def validation_detail(row: Validation) -> dict[str, Any]:
    """Return a validation with what was asked and what it came to."""
    job = row.job
    return {
        **validation_row(row),
        "says": KINDS[row.kind].says,
        "request": row.request,
        "space": row.space,
        "plan": row.plan,
        "result": row.result,
        "begun": row.rows.count(),
        "counted": sum(row.rows.values_list("trials", flat=True)),
        "significance": significance_of_validation(row),
        "digest": row.digest,
        "data_digest": row.data_digest,
        "engine_version": row.engine_version,
        "sandbox": row.sandbox,
        "error": row.error or (job.error if job and state_of(row) == "failed" else None),
        "job": str(row.job_id) if row.job_id else None,
    }


def significance_of_validation(row: Validation) -> dict[str, Any]:
    """Return what the out-of-sample ratio is worth after all that was tried of its family.

    Empty for a demonstration, which chose on the bars it is judged on, and while there is none.
    """
    kept = row.result.get("moments")
    family = find_family_of_strategy(row.version.strategy_id, row.team_id)
    if not KINDS[row.kind].is_evidence or kept is None or family is None:
        return {}
    total, whole = sum(count_of(family).values()), whole_of(family)
    found = families.figures(Moments(**kept), row.result["periods_per_year"], whole, total)
    figures = {name: value for name, value in found.items() if name != "pbo"}
    return {**figures, "trials": total, "family": {"id": family.pk, "name": family.name}}


def curve_of(row: Validation) -> dict[str, dict[str, Any]]:
    """Return the stitched returns by what they are: ``honest`` and ``naive``, where there are.

    Each has ``ts`` (the open of each bar), ``returns``, and ``folds``, the number of the window.
    """
    found: dict[str, dict[str, Any]] = {}
    if "curves" in row.result:
        return found  # they are many, and in the result; its arrays are combinations by bar
    kept: list[tuple[int, dict[str, Any]]] = [
        (fold.number, read_arrays(bytes(fold.arrays)))
        for fold in row.rows.filter(is_done=True).order_by("number")
    ]
    walked = [(number, one) for number, one in kept if number and "returns" in one]
    if walked:
        found["honest"] = {
            "ts": np.concatenate([one["ts"] for _, one in walked]),
            "returns": np.concatenate([one["returns"] for _, one in walked]),
            "folds": np.concatenate([np.full(len(one["ts"]), number) for number, one in walked]),
        }
    for number, one in kept:
        if number == 0 and "returns" in one:
            found["naive"] = {"ts": one["ts"], "returns": one["returns"]}
    return found


def read_arrays(content: bytes) -> dict[str, Any]:
    """Return the arrays of a NumPy archive by name."""
    if not content:
        return {}
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


def curve_json(row: Validation) -> dict[str, Any]:
    """Return the stitched curve by bar, as columns: value of 1, drawdown, fold; and the naive."""
    if "curves" in row.result:
        return dict(row.result["curves"])
    found = curve_of(row)
    out: dict[str, Any] = {}
    for name, one in found.items():
        value = np.cumprod(1.0 + one["returns"])
        columns = {
            "ts": [str(at) for at in one["ts"].astype("datetime64[us]")],
            "value": value.tolist(),
            "drawdown": drawdowns(one["returns"])[1:].tolist(),
        }
        if "folds" in one:
            columns["fold"] = one["folds"].tolist()
        out[name] = columns
    return out


def list_folds(row: Validation) -> list[dict[str, Any]]:
    """Return the folds of a finished validation, in order."""
    return list(row.result.get("folds", ()))


EXPORTED = ("sharpe", "total_return", "max_drawdown", "volatility")


def export_folds(row: Validation) -> tuple[bytes, str]:
    """Return the folds as CSV, and a name for the file."""
    if "splits" in row.result:
        return export_splits(row)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = list(row.space)
    head = ["fold", "train_from", "train_to", "left_out", "test_from", "test_to", *names, "score"]
    sides = ("train", "test")
    writer.writerow([*head, *(f"{side}_{name}" for side in sides for name in EXPORTED)])
    for fold in list_folds(row):
        window, params = fold["window"], fold["chosen"]["params"]
        train, test = window["train"], window["test"]
        cells = [fold["number"], train["from"], train["to"], window["left_out"]]
        cells += [test["from"], test["to"], *(params.get(name, "") for name in names)]
        figures = [_cell(fold.get(side, {}).get(name)) for side in sides for name in EXPORTED]
        writer.writerow([*cells, _cell(fold.get("score")), *figures])
    note = f"# {KINDS[row.kind].title}, digest {row.digest}\n"
    return (note + out.getvalue()).encode(), f"folds-{str(row.pk)[:8]}.csv"


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def begin_from(*, team_id: int, sweep_id: str = "", run_id: str = "") -> dict[str, Any]:
    """Return what a new validation may begin from: a sweep's request, space and objective."""
    found: dict[str, Any] = {}
    if sweep_id:
        sweep = get_sweep(sweep_id, team_id)
        found = {"request": sweep.request, "space": sweep.space, "objective": sweep.objective}
        found |= {"title": sweep.title, "sweep": str(sweep.pk)}
    elif run_id:
        run = get_run(run_id, team_id)
        found = {"request": run.request, "space": {}, "objective": "sharpe", "title": run.title}
    if not found:
        return {}
    asked = found["request"]
    assets = asked.get("universe") or ", ".join(asked.get("instruments", ()))
    return {**found, "assets": assets}


def walk_forward_of(run: Run) -> Validation | None:
    """Return the newest finished walk-forward that speaks for a run's version, or None.

    It is of the same text of the same strategy, and the version's parameters are one of the
    combinations it chose from.
    """
    rows = Validation.objects.filter(
        team_id=run.team_id,
        kind="walk_forward",
        status=Validation.Status.DONE,
        version__strategy_id=run.version.strategy_id,
        version__source_digest=run.version.source_digest,
        version__engine=run.version.engine,
    )
    newest = rows.select_related("version").order_by("-created_at", "-id")[:MOST_READ]
    return next((row for row in newest if _tries(row, run.params)), None)


def _tries(row: Validation, params: Mapping[str, Any]) -> bool:
    """Tell whether parameters are one of a validation's combinations."""
    axes = {one["name"]: one["of"] for one in row.result["stability"]["parameters"]}
    among = all(params.get(name) in values for name, values in axes.items())
    fixed = {name: value for name, value in row.version.params.items() if name not in axes}
    return among and all(params.get(name) == value for name, value in fixed.items())


def walk_forward_evidence(run: Run) -> dict[str, Any]:
    """Return the figures a walk-forward brings to a promotion; nothing without one.

    ``walk_forward_sharpe`` is out of sample and per year; ``walk_forward_degradation`` is what
    share of the ratio in training was lost outside of it.
    """
    found = walk_forward_of(run)
    if found is None or found.sharpe is None:
        return {}
    lost = found.result["degradation"]["lost"]
    facts = {
        "validation": str(found.pk),
        "digest": found.digest,
        "folds": len(found.result["folds"]),
        "from": found.result["first"],
        "to": found.result["last"],
    }
    degraded = {} if lost is None else {"walk_forward_degradation": lost}
    return {"walk_forward_sharpe": found.sharpe, **degraded, "walk_forward": facts}


def validate(body: Mapping[str, Any], *, content: bytes, name: str) -> dict[str, Any]:
    """Return the result of a validation on a file of bars, stored nowhere. Raises ``Invalid``."""
    found: dict[str, Any] = finite(validate_file(body, content, name, get_strategy))
    return found
