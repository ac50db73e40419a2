"""Runs side by side: which, their figures, what differs between them and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from apps.backtests import store
from apps.backtests.kernel import comparing
from apps.backtests.kernel.comparing import CODE, DATA, ENVIRONMENT, PARAMS, Curve
from apps.backtests.models import Run
from apps.backtests.selectors.runs import get_run, run_summary, status_of
from apps.core.errors import Conflict, Invalid, NotFound
from apps.market import selectors as market
from apps.strategies.kernel.versions import diff_text

MOST_COMPARED = 50
MOST_PARENTS = 12
MOST_DRAWN = 5_000
MOST_BATCHES = 20
MOST_LINES = 2_000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Figures that are drawn beside parameters, the last one ranks.
DRAWN = ("total_return", "max_drawdown", "sharpe")


def runs_to_compare(ids: str, team_id: int, *, study: str = "", parents: str = "") -> list[Run]:
    """Return done runs, the base first: by ids, the newest of a study, or a run's forerunners.

    Parameters
    ----------
    ids
        Between commas.
    parents
        A run; it is compared with the newest run of each earlier version of its strategy.

    Raises
    ------
    Invalid
        ``compare.count`` for too few or too many.
    NotFound, Conflict
        For a run of another team, or one that is not done.
    """
    if parents:
        return _enough(_with_parents(get_run(parents, team_id)))
    if study:
        rows = _rows(team_id).filter(study__name=study, archived_at=None)
        return _enough(list(rows.order_by("-created_at", "-id")[:MOST_COMPARED]))
    wanted = list(dict.fromkeys(one.strip() for one in ids.split(",") if one.strip()))
    if not 2 <= len(wanted) <= MOST_COMPARED:
        raise _count(len(wanted))
    found = {str(run.pk): run for run in _rows(team_id).filter(pk__in=_uuids(wanted))}
    return [found.get(one.lower()) or _missing(one, team_id) for one in wanted]


def _rows(team_id: int) -> Any:
    rows = Run.objects.filter(team_id=team_id, finished_at__isnull=False)
    return rows.select_related("job", "study", "version__strategy")


def _with_parents(run: Run) -> list[Run]:
    earlier = _rows(run.team_id).filter(
        version__strategy_id=run.version.strategy_id, version__number__lt=run.version.number
    )
    newest = earlier.order_by("-version__number", "-created_at").distinct("version__number")
    mine = list(_rows(run.team_id).filter(pk=run.pk))
    return [*list(newest[: MOST_PARENTS - 1])[::-1], *mine]


def _uuids(wanted: Sequence[str]) -> list[UUID]:
    found = []
    for one in wanted:
        try:
            found.append(UUID(one))
        except ValueError:
            message = f"There is no backtest {one} in this team; see /research."
            raise NotFound(message, code="backtest.not_found") from None
    return found


def _missing(run_id: str, team_id: int) -> Run:
    run = get_run(run_id, team_id)
    if run.is_done:
        return run
    message = f"The backtest {run_id} is {status_of(run)}; its result is not there yet."
    raise Conflict(message, code="backtest.not_done")


def _enough(runs: list[Run]) -> list[Run]:
    if len(runs) < 2:
        raise _count(len(runs))
    return runs


def _count(found: int) -> Invalid:
    message = f"{found} runs were named; compare 2 to {MOST_COMPARED}, as ids=a,b."
    return Invalid(message, code="compare.count", details={"field": "ids"})


def letter(place: int) -> str:
    """Return how the run at a place is called: A to Z, then AA."""
    first, second = divmod(place, len(LETTERS))
    return (LETTERS[first - 1] if first else "") + LETTERS[second]


def told_of_run(run: Run) -> dict[str, Any]:
    """Return what a run was made of and came to, without a question for each of many."""
    return {
        **run_summary(run),
        "metrics": run.result.get("metrics", {}),
        "request": run.request,
        "origin": run.result.get("origin", {}),
        "engine_version": run.engine_version,
        "source_digest": run.version.source_digest,
        "first": run.result.get("first"),
        "last": run.result.get("last"),
    }


def curves_of_runs(runs: Sequence[Run]) -> list[Curve]:
    """Return the equity of runs, in their order."""
    found = store.read_equity([run.pk for run in runs])
    nothing = np.empty(0, np.int64), np.empty(0)
    return [
        Curve(
            *found.get(run.pk, nothing),
            start=float(run.request["cash"]),
            periods=float(run.result["periods_per_year"]),
        )
        for run in runs
    ]


def lines_of(
    runs: Sequence[Run], *, common: bool = False, curves: Sequence[Curve] | None = None
) -> list[tuple[str, NDArray[np.int64], NDArray[np.float64], str]]:
    """Return what is drawn of each run: label, times, growth of 1, length of its bars.

    ``common`` begins and ends all where all have bars.
    """
    found = curves or curves_of_runs(runs)
    days = comparing.common_days(found) if common else None
    return [
        (
            f"{letter(place)} {run.title}",
            *comparing.growth(curve, days),
            str(run.result["timeframe"]),
        )
        for place, (run, curve) in enumerate(zip(runs, found, strict=True))
    ]


def comparison(
    runs: Sequence[Run], base: str = "", curves: Sequence[Curve] | None = None
) -> dict[str, Any]:
    """Return runs side by side: figures with the change from the base, and what differs.

    Parameters
    ----------
    base
        The id of the run that changes are from; the first without any.

    Raises
    ------
    Invalid
        ``compare.base`` for a base that is none of the runs.
    """
    told = [told_of_run(run) for run in runs]
    at = _base_of(told, base)
    parts = [comparing.parts_of(one) for one in told]
    shown = [{**run_summary(run), "letter": letter(n)} for n, run in enumerate(runs)]
    metrics = comparing.figure_rows([one["metrics"] for one in told], at)
    return {
        "runs": shown,
        "base": at,
        "metrics": metrics,
        "common": _common(curves or curves_of_runs(runs), at),
        "differs": _differing(parts),
        "pairs": [
            _pair(runs, told, parts, at, place, metrics)
            for place in range(len(runs))
            if place != at
        ],
    }


def _base_of(told: Sequence[Mapping[str, Any]], base: str) -> int:
    ids = [one["id"] for one in told]
    if base and base not in ids:
        message = f"base = {base!r} is none of the runs compared."
        raise Invalid(message, code="compare.base", details={"field": "base"})
    return ids.index(base) if base else 0


def _common(curves: Sequence[Curve], base: int) -> dict[str, Any] | None:
    """Return the figures over the days that all runs have; None when they have none."""
    days = comparing.common_days(curves)
    if days is None:
        return None
    first, last = (str(np.datetime64(t, "us").astype("datetime64[D]")) for t in days)
    rows = comparing.figure_rows(comparing.over_common(curves, days), base)
    same = comparing.are_same_days(curves)
    return {"first": first, "last": last, "is_same": same, "metrics": rows}


NAMED = {
    (DATA, "digest"): "data_digest",
    (CODE, "engine"): "engine_version",
    (CODE, "lab"): "the lab's code",
}


def _name(part: str, name: str) -> str:
    if (part, name) in NAMED:
        return NAMED[part, name]
    return f"{part}.{name}" if part in {PARAMS, ENVIRONMENT} else name


def _differing(parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    rows = []
    for part in comparing.PARTS:
        for name in sorted({name for one in parts for name in one[part]}):
            values = [one[part].get(name) for one in parts]
            if len({repr(value) for value in values}) > 1:
                rows.append({"part": part, "name": _name(part, name), "values": values})
    return rows


def _pair(
    runs: Sequence[Run],
    told: Sequence[Mapping[str, Any]],
    parts: Sequence[Mapping[str, Mapping[str, Any]]],
    base: int,
    place: int,
    metrics: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return how a run differs from the base: by part, the text's lines, the change in figures."""
    changed = comparing.changes(parts[base], parts[place])
    lines = diff_text(runs[base].version.source, runs[place].version.source)
    return {
        "id": told[place]["id"],
        "letter": letter(place),
        "parts": [part for part in comparing.PARTS if any(c["part"] == part for c in changed)],
        "changes": [{**one, "name": _name(one["part"], one["name"])} for one in changed],
        "code": [{"sign": line.sign, "text": line.text} for line in lines[:MOST_LINES]],
        "versions": [runs[base].version_id, runs[place].version_id],
        "metric_deltas": {row["name"]: row["deltas"][place] for row in metrics},
        "revisions": _revisions(runs[base], runs[place], changed),
    }


def _revisions(one: Run, two: Run, changed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the batches that changed what the earlier had read, where only bars differ."""
    data = {change["name"] for change in changed if change["part"] == DATA}
    if "digest" not in data or data - {"digest", "first", "last"}:
        return []
    early, late = sorted((one, two), key=lambda run: run.finished_at or run.created_at)
    rows = market.list_revisions(team_id=one.team_id).filter(
        created_at__gt=early.created_at, created_at__lte=late.finished_at or late.created_at
    )
    found = []
    for row in rows[:MOST_BATCHES]:
        batch = market.get_revision(team_id=one.team_id, batch_id=row.pk)
        readers = market.readers_of(team_id=one.team_id, revision=batch)
        if any((r.kind, r.key) == ("backtest", str(early.pk)) for r in readers):
            found.append(
                {
                    "batch_id": batch.batch_id,
                    "dataset": batch.dataset,
                    "source": batch.source,
                    "provider": batch.provider,
                    "created_at": batch.created_at,
                    "words": batch.words,
                }
            )
    return found


def parallel_of(
    team_id: int, *, ids: str = "", study: str = ""
) -> tuple[dict[str, list[Any]], NDArray[np.float64]]:
    """Return parameters that vary among done runs, figures beside them, and their Sharpe.

    Of a study up to 5,000 runs, the newest.
    """
    rows = Run.objects.filter(team_id=team_id, finished_at__isnull=False, sharpe__isnull=False)
    if study:
        rows = rows.filter(study__name=study, archived_at=None)
    else:
        rows = rows.filter(pk__in=_uuids([one.strip() for one in ids.split(",") if one.strip()]))
    found = list(rows.order_by("-created_at").values_list("params", *DRAWN)[:MOST_DRAWN])
    names = sorted({name for params, *_ in found for name in params})
    columns = {name: [params.get(name) for params, *_ in found] for name in names}
    varied = {
        name: [_drawable(value) for value in column]
        for name, column in columns.items()
        if len({repr(value) for value in column}) > 1
    }
    for place, name in enumerate(DRAWN[:-1], start=1):
        varied[name] = [row[place] if row[place] is not None else 0.0 for row in found]
    return varied, np.array([row[-1] for row in found], dtype=np.float64)


def _drawable(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else ("" if value is None else str(value))
