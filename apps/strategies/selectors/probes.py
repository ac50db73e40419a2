"""Reads of look-ahead probes: what one is done on, what it came to, where in the source."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import QuerySet

from apps.core.errors import LabError, NotFound
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import FIELDS, Panel
from apps.market.kernel.periods import micros, moment_of
from apps.market.selectors import list_universes, read_panel
from apps.strategies.kernel.interface import Params, Strategy, check_panel, inputs_of
from apps.strategies.kernel.probe.drawn import drawn_panel
from apps.strategies.kernel.scanning import closed
from apps.strategies.models import Probe
from apps.strategies.selectors.versions import VersionView, get_version

# How many instruments and bars: enough for what compares instruments and for three warm-ups.
INSTRUMENTS, LEAST_BARS, MOST_BARS = 8, 420, 1500
SHORTEST_SECONDS = 3600
AROUND = 3


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of a text as the page shows it."""

    number: int
    text: str
    is_named: bool


def get_probe(probe_id: int, team_id: int) -> Probe:
    """Return a probe of the team. Raises ``NotFound``, also for another team's."""
    row = _rows(team_id).filter(pk=probe_id).first()
    if row is None:
        raise NotFound(f"There is no probe {probe_id} in this team.", code="probe.not_found")
    return row


def list_probes(version_id: int, team_id: int) -> QuerySet[Probe]:
    """Return a version's probes, newest first. Raises ``NotFound`` for an unknown version."""
    get_version(version_id, team_id)
    return _rows(team_id).filter(version_id=version_id).order_by("-created_at", "-id")


def find_probe(version_id: int, team_id: int) -> Probe | None:
    """Return the newest probe of a version that is over, None while there is none."""
    rows = _rows(team_id).filter(version_id=version_id, finished_at__isnull=False)
    return rows.order_by("-created_at", "-id").first()


def list_recent(version_id: int, team_id: int) -> list[Probe]:
    """Return the newest probes of a version."""
    return list(_rows(team_id).filter(version_id=version_id).order_by("-created_at", "-id")[:5])


def find_open_probe(version_id: int, team_id: int) -> Probe | None:
    """Return a probe of a version that waits or runs."""
    rows = _rows(team_id).filter(version_id=version_id, finished_at__isnull=True)
    rows = rows.exclude(job__isnull=True)
    return next((row for row in rows.order_by("-id") if row.job and not row.job.is_final), None)


def probe_evidence(version_id: int, team_id: int) -> dict[str, Any]:
    """Return what a promotion's evidence says of the probe; nothing while none is over.

    The figure ``probe_passed`` is what the gate reads.
    """
    row = find_probe(version_id, team_id)
    if row is None:
        return {}
    facts = {
        "probe": row.pk,
        "verdict": row.verdict,
        "digest": row.digest,
        "data": row.data,
        "data digest": row.data_digest,
        "said": said(row),
    }
    return {"probe_passed": row.verdict == Probe.Verdict.PASSED, "look-ahead probe": facts}


def probe_block(version: dict[str, Any], team_id: int) -> dict[str, Any]:
    """Return what the version's page shows of its probes."""
    rows = list_recent(version["id"], team_id)
    row = next((one for one in rows if one.finished_at is not None), None)
    newest = rows[0] if rows else None
    waits = newest is not None and newest.finished_at is None
    job = newest.job if newest is not None and waits else None
    finding = (row.report.get("finding") or {}) if row else {}
    return {
        "row": row,
        "job": job if job is not None and not job.is_final else None,
        "ended": job if job is not None and job.is_final else None,
        "said": said(row) if row else "",
        "finding": finding,
        "bar_at": moment_of(finding["ts"]) if finding else None,
        "lines": source_lines(version["source"], finding.get("line")),
        "formula": _formula(version, finding),
    }


def source_lines(source: str, named: int | None) -> list[SourceLine]:
    """Return the lines around the named one; none when no line is named."""
    if not named:
        return []
    lines = source.splitlines()
    first, last = max(named - AROUND, 1), min(named + AROUND, len(lines))
    return [SourceLine(at, lines[at - 1], at == named) for at in range(first, last + 1)]


def _formula(version: dict[str, Any], finding: dict[str, Any]) -> dict[str, str]:
    """Return a formula before and from the column that a finding names."""
    text, column = version["params"].get("expression"), finding.get("column")
    if not isinstance(text, str) or not column or finding.get("line"):
        return {}
    return {"before": text[: column - 1], "named": text[column - 1 :]}


def said(row: Probe) -> str:
    """Return what a probe came to as a sentence."""
    report = row.report
    if row.verdict == Probe.Verdict.PASSED:
        if report.get("why"):
            return str(report["why"])
        return (
            f"Nothing it wants or computes at a close hangs on what comes after: the same on "
            f"{report.get('copies')} copies of {report.get('bars')} bars, cut off or with another "
            "future."
        )
    finding = report.get("finding")
    if not finding:
        return row.reason or str(report.get("why", ""))
    return said_of(finding)


def said_of(finding: dict[str, Any]) -> str:
    """Return a finding as a sentence."""
    day = str(moment_of(finding["ts"]))[:16]
    inputs = " and ".join(finding["inputs"][:3])
    ahead, where = finding["ahead"], ""
    if ahead:
        where = f", {ahead} bar{'s' if ahead > 1 else ''} ahead"
        where += ", as far as the data go" if finding["to_end"] else ""
    line = f" Line {finding['line']} of the text lets it in." if finding["line"] else ""
    return (
        f"What it gives as {finding['output']} for {finding['symbol']} at the close of the bar of "
        f"{day} hangs on later {inputs}{where}: {_number(finding['whole'])} on the bars as they "
        f"are, {_number(finding['other'])} when what follows bar {finding['cut']} is "
        f"{'not known' if finding['copy'] == 'truncated' else 'otherwise'}.{line}"
    )


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"


def panel_to_probe(
    version: VersionView, strategy: Strategy, now: datetime, seed: int
) -> tuple[Panel, str]:
    """Return bars with all that a version reads, and words for what they are.

    Of the first universe whose bars will do, the newest bars that closed; drawn by chance where
    none does.
    """
    params = version.params
    inputs, warmup = inputs_of(strategy, params), strategy.warmup(params)
    bars = min(max(LEAST_BARS, 3 * warmup + 300), max(MOST_BARS, warmup + 300))
    for view in list_universes(team_id=version.team_id):
        if seconds_of(view.timeframe) < SHORTEST_SECONDS:
            continue
        with suppress(LabError):
            panel = closed(
                read_panel(
                    team_id=version.team_id,
                    timeframe=view.timeframe,
                    universe=view,
                    instruments=list(
                        view.symbols[: 1 if strategy.spec.single_asset else INSTRUMENTS]
                    ),
                    inputs=inputs,
                ),
                micros(now),
            )
            panel = panel.rows(max(panel.n_bars - bars, 0), panel.n_bars)
            if _will_do(strategy, params, panel, warmup):
                return panel, f"{panel.n_assets} of {view.title or view.name}, {view.timeframe}"
    panel = drawn_panel(bars, inputs, np.random.default_rng(seed))
    if strategy.spec.single_asset:
        panel = _first_alone(panel)
    return panel, "bars drawn by chance: no universe has all it reads"


def _will_do(strategy: Strategy, params: Params, panel: Panel, warmup: int) -> bool:
    """Tell whether bars have all that is read, and enough of them after the warm-up."""
    check_panel(strategy.spec, warmup, panel)
    needed = {*inputs_of(strategy, params)} - {*FIELDS, *strategy.spec.optional}
    known = all(np.isfinite(panel.extras.get(name, np.nan)).any() for name in needed)
    return known and panel.n_bars > warmup + LEAST_BARS // 4


def _first_alone(panel: Panel) -> Panel:
    fields: dict[str, Any] = {name: getattr(panel, name)[:, :1] for name in FIELDS}
    extras = {name: array[:, :1] for name, array in panel.extras.items()}
    return replace(panel, symbols=panel.symbols[:1], extras=extras, **fields)


def _rows(team_id: int) -> QuerySet[Probe]:
    return Probe.objects.filter(team_id=team_id).select_related("version__strategy", "job")
