"""What may be wrong with a run: the doctor's case read together, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db.models import Max

from apps.backtests.kernel import engine
from apps.backtests.kernel.doctor.case import Case, Swept
from apps.backtests.kernel.doctor.findings import SEVERITIES
from apps.backtests.kernel.doctor.registry import EDITION, as_row, counts, examine
from apps.backtests.models import Gauntlet, Holdout, Rerun, Run, Sweep, Trial, TrialEntry
from apps.backtests.selectors.gauntlets import luck_of
from apps.backtests.selectors.holdouts import looks_of, spent_of
from apps.backtests.selectors.inputs import panel_of
from apps.backtests.selectors.results import TABLES, curves_of, has_table, request_of, table_of
from apps.backtests.selectors.trials import find_family_of, significance_of
from apps.core.errors import Invalid, LabError
from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.interface import Strategy, inputs_of
from apps.strategies.selectors import get_strategy, get_version
from apps.strategies.selectors.probes import find_probe

# Bars revised meanwhile are noticed after this long at the latest.
KEEP_SECONDS = 3600
MOST_CELLS = 20_000_000
MOST_SWEEPS, MOST_TRIALS, MOST_RUNS = 5, 4000, 500
MOST_TWINS = 6
CHARGED = ("per_unit", "schedule", "maker_bps")


def doctor_of(run: Run, severity: str = "") -> dict[str, Any]:
    """Return the diagnoses of a finished run, the worst first; of one ``severity`` if asked.

    Computed on first asking and kept for the state of all that they rest on.

    Raises
    ------
    Invalid
        For a severity there is none of.
    """
    if severity and severity not in SEVERITIES:
        message = f"severity = {severity!r}; choose one of {', '.join(SEVERITIES)}."
        raise Invalid(message, code="doctor.severity", details={"field": "severity"})
    key = f"backtests.doctor.{EDITION}.{run.pk}.{run.digest}.{_state_of(run)}"
    found = cache.get(key)
    if not isinstance(found, dict):
        found = _examined(run)
        cache.set(key, found, KEEP_SECONDS)
    items = [row for row in found["items"] if not severity or row["severity"] == severity]
    return {**found, "severity": severity, "items": items}


def critical_of(run: Run) -> int:
    """Return how many critical diagnoses a run has."""
    return int(doctor_of(run)["counts"]["critical"])


def _state_of(run: Run) -> str:
    """Return what the diagnoses rest on beside the run, as text: all cheap to ask."""
    team = {"team_id": run.team_id}
    probe = find_probe(run.version_id, run.team_id)
    parts = (
        TrialEntry.objects.filter(**team).aggregate(n=Max("pk"))["n"],
        Sweep.objects.filter(**team, version__strategy_id=run.version.strategy_id).aggregate(
            n=Max("finished_at")
        )["n"],
        Holdout.objects.filter(**team).aggregate(n=Max("created_at"))["n"],
        Rerun.objects.filter(**team, run=run).aggregate(n=Max("finished_at"))["n"],
        Gauntlet.objects.filter(**team, run=run).aggregate(n=Max("finished_at"))["n"],
        probe.pk if probe else None,
        engine.ENGINE_VERSION,
    )
    return ".".join(str(part).replace(" ", "T") for part in parts)


def _examined(run: Run) -> dict[str, Any]:
    case = case_of(run)
    found = examine(case)
    panel = case.panel
    return {
        "run": str(run.pk),
        "digest": run.digest,
        "counts": counts(found),
        "bars": None if panel is None else {"bars": panel.n_bars, "instruments": panel.n_assets},
        "no_bars": "" if panel is not None else case.no_panel,
        "items": [as_row(one, str(run.pk)) for one in found],
    }


def case_of(run: Run) -> Case:
    """Return everything the doctor looks at of a finished run."""
    ts, curves = curves_of(run)
    tables = {name: _table(run, name) for name in TABLES}
    strategy = _strategy_of(run)
    panel, why, changed = _bars_of(run, strategy, tables["fills"])
    family = find_family_of(f"run:{run.pk}", run.team_id)
    probe = find_probe(run.version_id, run.team_id)
    spec = None if strategy is None else strategy.spec
    return Case(
        request=run.request,
        params=run.params,
        result=run.result,
        ts=ts,
        equity=curves["equity"],
        cash=curves["cash"],
        exposure=curves["exposure"],
        net_exposure=curves["net_exposure"],
        benchmark=curves["benchmark"],
        **tables,
        panel=panel,
        no_panel=why,
        data_changed=changed,
        declared=() if spec is None else spec.parameters,
        passive=spec is not None and spec.passive,
        version=run.version_id,
        worth=significance_of(run),
        looks=looks_of(f"run:{run.pk}", run.team_id),
        alpha_left=spent_of(family, run.team_id).get("holdout_alpha_left"),
        probe="" if probe is None else str(probe.verdict),
        sweeps=_sweeps_of(run),
        varied=_varied(run),
        twins=_twins_of(run),
        moved=_moved(run),
        engine_version=run.engine_version,
        engine_now=engine.ENGINE_VERSION,
        break_even_bps=_break_even(run),
    )


def _table(run: Run, name: str) -> dict[str, Any]:
    return table_of(run, name) if has_table(run, name) else {}


def _strategy_of(run: Run) -> Strategy | None:
    """Return what the run ran; None where it can't be had any more."""
    try:
        version = get_version(run.version_id, run.team_id)
        return get_strategy(version.name, version.team_id)
    except LabError:
        return None


def _bars_of(
    run: Run, strategy: Strategy | None, fills: dict[str, Any]
) -> tuple[Panel | None, str, bool | None]:
    """Return the bars of what was traded, why there are none, and whether all have changed."""
    cells = int(run.result.get("bars") or 0) * len(run.result.get("instruments") or ())
    if strategy is None:
        return None, "What it ran can't be had any more, so its bars are not known.", None
    if cells > MOST_CELLS:
        message = f"The run read {cells:,} bars; the doctor looks at {MOST_CELLS:,} at most."
        return None, message, None
    try:
        whole = panel_of(request_of(run), run.team_id, inputs_of(strategy, run.params))
    except LabError as error:
        return None, f"The bars can't be read: {error.message}", None
    changed = whole.digest != run.data_digest
    return _only(whole, set(map(str, fills.get("symbol", ())))), "", changed


def _only(panel: Panel, symbols: set[str]) -> Panel:
    """Return the columns of some instruments."""
    kept = [at for at, symbol in enumerate(panel.symbols) if symbol in symbols]
    if len(kept) == panel.n_assets:
        return panel
    prices: dict[str, Any] = {
        name: np.ascontiguousarray(getattr(panel, name)[:, kept]) for name in FIELDS
    }
    return replace(
        panel,
        symbols=tuple(panel.symbols[at] for at in kept),
        **prices,
        extras={name: array[:, kept] for name, array in panel.extras.items()},
        kinds=tuple(panel.kinds[at] for at in kept) if panel.kinds else (),
        series_ids=(),
        known_digest="",
    )


def _sweeps_of(run: Run) -> tuple[Swept, ...]:
    """Return the sweeps of the same strategy on the same bars, the largest first."""
    rows = Sweep.objects.filter(
        team_id=run.team_id,
        version__strategy_id=run.version.strategy_id,
        data_digest=run.data_digest,
        done__gt=1,
    ).select_related("version")
    return tuple(_swept(sweep) for sweep in rows.order_by("-done", "pk")[:MOST_SWEEPS])


def _swept(sweep: Sweep) -> Swept:
    rows = Trial.objects.filter(sweep=sweep, status=Trial.Status.DONE).order_by("number")
    found = list(rows.values_list("params", "sharpe")[:MOST_TRIALS])
    sharpe = np.array([np.nan if s is None else s for _, s in found], dtype=np.float64)
    # What is not swept is the version's own; a run of other values is no trial of it.
    fixed = {n: v for n, v in sweep.version.params.items() if n not in sweep.space}
    return Swept(str(sweep.pk), sweep.title, tuple({**fixed, **p} for p, _ in found), sharpe)


def _varied(run: Run) -> frozenset[str]:
    """Return the parameters that took more than one value in runs and sweeps of the strategy."""
    mine = {"team_id": run.team_id, "version__strategy_id": run.version.strategy_id}
    runs = Run.objects.filter(**mine).order_by("-created_at").values_list("params", flat=True)
    spaces = Sweep.objects.filter(**mine, done__gt=1).values_list("space", flat=True)
    swept = {name for space in spaces[:MOST_RUNS] for name in space}
    return frozenset(swept | _changed(run.params, runs[:MOST_RUNS]))


def _changed(mine: dict[str, Any], others: Iterable[dict[str, Any]]) -> set[str]:
    return {n for other in others for n, value in mine.items() if other.get(n, value) != value}


def _twins_of(run: Run) -> tuple[tuple[str, str], ...]:
    rows = Run.objects.filter(team_id=run.team_id, digest=run.digest, finished_at__isnull=False)
    found = rows.exclude(pk=run.pk).order_by("-created_at").values_list("pk", "title")
    return tuple((str(pk), title) for pk, title in found[:MOST_TWINS])


def _moved(run: Run) -> float | None:
    """Return by how much the newest computation on revised bars moved the total return."""
    row = Rerun.objects.filter(run=run, finished_at__isnull=False, error=None).last()
    if row is None:
        return None
    before, after = (side.get("total_return") for side in (row.before, row.after))
    return None if before is None or after is None else float(after) - float(before)


def _break_even(run: Run) -> float | None:
    """Return by how much a side may cost more, computed by a gauntlet; None without one."""
    costs = run.request.get("costs") or {}
    found = luck_of(run).get("break_even_bps")
    if found is None or any(costs.get(name) for name in CHARGED):
        return None
    paid = sum(float(costs.get(name) or 0.0) for name in ("fee_bps", "slippage_bps"))
    return float(found) - paid
