"""The table of runs: which of them, in which order, with which columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, FloatField, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Coalesce

from apps.backtests.kernel.queries import COMPLETIONS, FIGURES, KEY, mentions, parse
from apps.backtests.kernel.tables import to_csv
from apps.backtests.models import Run, SavedView, Study
from apps.backtests.selectors.locks import locks_among
from apps.backtests.selectors.marks import find_default, get_view
from apps.backtests.selectors.queries import BY, STATUS, condition, number_in
from apps.backtests.selectors.runs import by_figure, run_summary
from apps.core.actors import Actor
from apps.core.errors import Invalid

NUMBERS = (
    "sharpe",
    "deflated_sharpe",
    "cagr",
    "total_return",
    "max_drawdown",
    "equity_final",
    "trades",
)
TEXTS: dict[str, Any] = {
    "strategy": F("strategy"),
    "universe": F("universe"),
    "fill": F("fill"),
    "study": Coalesce(F("study__name"), Value("")),
    "status": STATUS,
    "created_by": BY,
}
SORTS = ("created_at", "finished_at", "title", *TEXTS, *NUMBERS)
COLUMNS = (
    "title",
    "tags",
    "strategy",
    "study",
    "universe",
    "status",
    "total_return",
    "cagr",
    "sharpe",
    "deflated_sharpe",
    "max_drawdown",
    "trades",
    "equity_final",
    "fill",
    "created_by",
    "created_at",
    "finished_at",
)
SHOWN = (
    "title",
    "tags",
    "strategy",
    "status",
    "total_return",
    "cagr",
    "sharpe",
    "deflated_sharpe",
    "max_drawdown",
    "trades",
    "created_at",
)
MOST_COLUMNS = 24
MOST_EXPORTED = 50_000
RECENT = 300
# Read by a list only where a column asks for them.
WIDE = ("result", "request", "figures")
END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
START_OF_TIME = datetime(1, 1, 2, tzinfo=UTC)


def list_runs(
    *,
    team_id: int,
    q: str = "",
    strategy: str = "",
    status: str = "",
    text: str = "",
    study: str = "",
    universe: str = "",
    archived: bool | None = False,
) -> QuerySet[Run]:
    """Return the team's runs that fit the search ``q`` and the other filters.

    ``archived`` None means both, and so does a search that says which. Raises ``Invalid`` for a
    search that can't be read, with the column.
    """
    rows, asked = Run.objects.filter(team_id=team_id), parse(q)
    if asked is not None:
        rows = rows.filter(condition(asked, team_id))
    if archived is not None and not mentions(asked, "archived"):
        rows = rows.filter(archived_at__isnull=not archived)
    equal = {"strategy": strategy, "job__status": status, "universe": universe}
    rows = rows.filter(**{name: value for name, value in equal.items() if value})
    if study:
        rows = rows.filter(study__name=study)
    if text:
        rows = rows.filter(
            Q(title__icontains=text) | Q(labels__icontains=text) | Q(digest__startswith=text)
        )
    return rows.select_related("job", "study").defer(*WIDE)


def sorted_runs(rows: QuerySet[Run], sort: str) -> tuple[QuerySet[Run], tuple[str, str]]:
    """Return runs with the order that ``sort`` asks for (``-sharpe``); runs without it last.

    A figure is ``metrics.NAME``, a parameter ``params.NAME``. Raises ``Invalid`` for a column
    that is not sorted by.
    """
    name = sort.removeprefix("-")
    sign = "-" if sort.startswith("-") else ""
    if name in {"created_at", "title"}:
        return rows, (sort, f"{sign}id")
    order = (f"{sign}sort_value", f"{sign}id")
    if name in NUMBERS:
        return by_figure(rows, name, sign), order
    if name in TEXTS:
        return rows.annotate(sort_value=Cast(TEXTS[name], TextField())), order
    if name == "finished_at":
        last = START_OF_TIME if sign else END_OF_TIME
        return rows.annotate(sort_value=Coalesce(F(name), Value(last))), order
    root, point, key = name.partition(".")
    if point and KEY.fullmatch(key) and root in {"metrics", "params"}:
        column = "figures" if root == "metrics" else root
        missing = Value(-1e300 if sign else 1e300)
        found = Coalesce(number_in(column, key), missing, output_field=FloatField())
        return rows.annotate(sort_value=found), order
    message = (
        f"sort = {sort!r}; choose one of {', '.join(SORTS)}, metrics.NAME or params.NAME, "
        "with - for descending."
    )
    raise Invalid(message, code="runs.sort", details={"field": "sort"})


def read_columns(text: str) -> list[str]:
    """Return the columns asked for, those of the lab without any. Raises ``Invalid``."""
    names = [name for name in (part.strip() for part in text.split(",")) if name]
    bad = [name for name in names if not is_column(name)]
    if bad or len(names) > MOST_COLUMNS:
        message = (
            f"columns = {text!r}: {', '.join(bad) or f'at most {MOST_COLUMNS}'}; there are "
            f"{', '.join(COLUMNS)}, metrics.NAME, params.NAME and tags.NAME."
        )
        raise Invalid(message, code="runs.columns", details={"field": "columns"})
    return list(dict.fromkeys(names)) or list(SHOWN)


def is_column(name: str) -> bool:
    """Tell whether there is such a column."""
    root, point, key = name.partition(".")
    is_named = bool(point) and root in {"metrics", "params", "tags"}
    return name in COLUMNS or (is_named and KEY.fullmatch(key) is not None)


def with_columns(rows: QuerySet[Run], columns: Sequence[str]) -> QuerySet[Run]:
    """Return runs that bring all that the columns show."""
    wanted = any(name.startswith("metrics.") for name in columns)
    return rows.defer(None).defer("result", "request") if wanted else rows


def table_row(run: Run, columns: Sequence[str]) -> dict[str, Any]:
    """Return a run as the table shows it: its summary, and ``cells`` by column."""
    found = run_summary(run)
    return {**found, "cells": {name: _cell(run, found, name) for name in columns}}


def _cell(run: Run, found: Mapping[str, Any], name: str) -> Any:
    root, point, key = name.partition(".")
    if not point:
        return found[name]
    held = run.figures if root == "metrics" else found[root]
    return held.get(key)


def with_locks(found: dict[str, Any], team_id: int) -> dict[str, Any]:
    """Return a page of runs with ``locked``: which are evidence of a proposal that stands."""
    items = found["items"]
    locked = locks_among([row["id"] for row in items], team_id)
    return {**found, "items": [{**row, "locked": row["id"] in locked} for row in items]}


def export_runs(rows: QuerySet[Run], columns: Sequence[str]) -> str:
    """Return runs in their order as CSV, with ids and digests; at most 50,000."""
    names = ("id", *columns, "digest", "data_digest")
    lines = (
        {**row, **row["cells"]}
        for row in (table_row(run, columns) for run in _whole(with_columns(rows, columns)))
    )
    table: dict[str, list[Any]] = {name: [] for name in names}
    for line in lines:
        for name in names:
            table[name].append(_written(line[name]))
    return to_csv(table)


def _whole(rows: QuerySet[Run]) -> Iterator[Run]:
    return iter(rows[:MOST_EXPORTED])


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{key}={held}" if held else key for key, held in sorted(value.items()))
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else value


def names_for(team_id: int) -> list[str]:
    """Return names that a search may begin with: fields, and what recent runs have."""
    return [*COMPLETIONS, *_names_of_runs(team_id)]


def _names_of_runs(team_id: int) -> list[str]:
    rows = Run.objects.filter(team_id=team_id).order_by("-created_at", "-id")
    params, tags, strategies = set(), set(), set()
    for mine, marks, strategy in rows.values_list("params", "tags", "strategy")[:RECENT]:
        params |= set(mine)
        tags |= set(marks)
        strategies.add(strategy)
    studies = Study.objects.filter(team_id=team_id).order_by("-created_at")
    return [
        *(f"params.{name}" for name in sorted(params)),
        *(f"tag:{name}" for name in sorted(tags)),
        *(f"strategy = {name}" for name in sorted(strategies)),
        *(f"study = {name}" for name in studies.values_list("name", flat=True)[:50]),
    ]


def columns_for(names: Sequence[str]) -> list[str]:
    """Return every column one may choose, those of ``names`` first."""
    every = (*COLUMNS, *(f"metrics.{name}" for name in FIGURES))
    return [*names, *(name for name in every if name not in names)]


@dataclass(frozen=True, slots=True)
class Table:
    """What a page of the table was asked for, and the rows; ``problem`` if it can't be read."""

    rows: QuerySet[Run]
    order: tuple[str, str]
    q: str
    sort: str
    columns: list[str]
    filters: dict[str, Any]
    view: SavedView | None
    problem: str = ""


def open_table(actor: Actor, asked: Mapping[str, str], filters: Mapping[str, Any]) -> Table:
    """Return the table as asked for, by a saved view, or by the one that opens with the list.

    Raises ``NotFound`` for a view that the actor may not use. What can't be read is told in
    ``problem``, with no rows.
    """
    number = asked.get("view", "")
    view = get_view(int(number), actor) if number.isascii() and number.isdigit() else None
    if view is None and not asked:
        view = find_default(actor)
    q = asked.get("q", view.query if view else "")
    sort = asked.get("sort", "") or (view.sort if view else "") or "-created_at"
    names = asked.get("columns", "") or ",".join(view.columns if view else ())
    try:
        columns = read_columns(names)
        rows = list_runs(team_id=actor.team, **{**filters, "q": q})
        rows, order = sorted_runs(with_columns(rows, columns), sort)
    except Invalid as error:
        none = Run.objects.none()
        plain = ("-created_at", "-id")
        return Table(none, plain, q, "-created_at", list(SHOWN), {}, view, error.message)
    return Table(rows, order, q, sort, columns, dict(filters), view)
