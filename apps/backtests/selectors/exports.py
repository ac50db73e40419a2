"""Runs as files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.files import measure_file as measure_file
from apps.backtests.kernel.sheets import html_sheet
from apps.backtests.kernel.tables import cells_from_parquet, to_csv, to_parquet
from apps.backtests.models import Run
from apps.backtests.selectors.results import (
    artifact_of,
    curves_of,
    exposure_table,
    get_curves,
    iso,
    rows_of,
    table_of,
)
from apps.backtests.selectors.runs import run_detail
from apps.core.errors import Invalid

EXPORTS = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "html": "text/html; charset=utf-8",
}


BY_BAR = ("equity", "exposure")
TABLES = (*BY_BAR, "orders", "fills", "trades", "positions")
GIVEN = ("given_orders", "given_targets", "given_signals")


def export_of(run: Run, kind: str, what: str) -> tuple[bytes, str, str]:
    """Return content, media type and file name of an export.

    Raises ``Invalid`` for a format or table there is none of.
    """
    if kind not in EXPORTS:
        message = f"format = {kind!r}; choose one of {', '.join(EXPORTS)}."
        raise Invalid(message, code="export.format", details={"field": "format"})
    if what not in TABLES + GIVEN:
        message = f"what = {what!r}; choose one of {', '.join(TABLES)}."
        raise Invalid(message, code="export.table", details={"field": "what"})
    stem = f"backtest-{str(run.pk)[:8]}"
    if kind == "html":
        sheet = html_sheet(run_detail(run), get_curves(run), rows_of(run, "trades"))
        return sheet.encode(), EXPORTS[kind], f"{stem}.html"
    name = f"{stem}-{what}.{kind}"
    if kind == "parquet" and what not in BY_BAR:
        return artifact_of(run, what), EXPORTS[kind], name
    if what in GIVEN:
        return to_csv(cells_from_parquet(artifact_of(run, what))).encode(), EXPORTS[kind], name
    table = _by_bar(run, what) if what in BY_BAR else table_of(run, what)
    if kind == "parquet":
        return to_parquet(table), EXPORTS[kind], name
    return to_csv(_readable(table)).encode(), EXPORTS[kind], name


def _by_bar(run: Run, what: str) -> dict[str, NDArray[Any]]:
    if what == "exposure":
        return exposure_table(run)
    ts, curves = curves_of(run)
    return {"ts": ts.astype("datetime64[us]"), **curves}


def _readable(table: dict[str, NDArray[Any]]) -> dict[str, Any]:
    names = {name for name in table if name.endswith("ts")}
    return {
        name: [iso(t) for t in values.astype(np.int64)] if name in names else values
        for name, values in table.items()
    }
