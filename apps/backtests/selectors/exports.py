"""Runs as files, each with the run's digest; and whether a file is one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.staticfiles import finders
from numpy.typing import NDArray

from apps.backtests.kernel.curves import Curves
from apps.backtests.kernel.files import measure_file as measure_file
from apps.backtests.kernel.metrics import METRICS, Metric
from apps.backtests.kernel.reports import RUN_METRICS
from apps.backtests.kernel.sheet_marks import digest_in, with_column, with_metadata
from apps.backtests.kernel.sheet_paper import pdf_sheet
from apps.backtests.kernel.sheets import Behind, Live, html_sheet
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
from apps.backtests.selectors.sheets import (
    holdings_of,
    intervals_of,
    regression_of,
    windows_of,
)
from apps.core.errors import Invalid, LabError, NotFound, Unavailable
from apps.risk.kernel.paper import FACES

EXPORTS = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "html": "text/html; charset=utf-8",
    "html_light": "text/html; charset=utf-8",
    "pdf": "application/pdf",
}
SHEETS = ("html", "html_light", "pdf")
BY_BAR = ("equity", "exposure")
TABLES = ("figures", *BY_BAR, "orders", "fills", "trades", "positions")
GIVEN = ("given_orders", "given_targets", "given_signals")
LIBRARY, SCRIPT = "plotly/plotly.min.js", "js/sheet_file.js"
# Curves, holdings and factors to figures by name: the drawing is the doors' own.
Draw = Callable[[Curves, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def export_of(run: Run, kind: str, what: str, draw: Draw) -> tuple[bytes, str, str]:
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
    if kind in SHEETS:
        return _sheet(run, kind, draw), EXPORTS[kind], f"{stem}.{kind.partition('_')[0]}"
    content = _csv(run, what) if kind == "csv" else _parquet(run, what)
    return content, EXPORTS[kind], f"{stem}-{what}.{kind}"


def _sheet(run: Run, kind: str, draw: Draw) -> bytes:
    detail, curves = run_detail(run), get_curves(run)
    factors = regression_of(run)
    behind = Behind(intervals=intervals_of(run), factors=factors, **windows_of(run))
    if kind == "pdf":
        return pdf_sheet(detail, curves, behind, _fonts()).content
    live = None
    if kind == "html":
        figures = draw(curves, holdings_of(run), factors)
        live = Live(_static(LIBRARY), _static(SCRIPT), figures)
    return html_sheet(detail, curves, rows_of(run, "trades"), behind, live).encode()


def _fonts() -> dict[str, bytes]:
    folder = Path(settings.BASE_DIR) / "static" / "fonts"
    return {name: (folder / file).read_bytes() for name, file in FACES.items()}


def _static(name: str) -> str:
    found = finders.find(name)
    if not isinstance(found, str):
        message = f"{name} is not among the static files; the install is not whole."
        raise Unavailable(message, code="export.library")
    return Path(found).read_text(encoding="utf-8")


def _csv(run: Run, what: str) -> bytes:
    if what in GIVEN:
        table: Mapping[str, Any] = cells_from_parquet(artifact_of(run, what))
    else:
        table = _readable(_table(run, what))
    return to_csv(with_column(table, run.digest)).encode()


def given_csv(run: Run, what: str) -> bytes:
    """Return rows that came with a request as CSV, as they may be given again."""
    return to_csv(cells_from_parquet(artifact_of(run, what))).encode()


def _parquet(run: Run, what: str) -> bytes:
    kept = what not in BY_BAR and what != "figures"
    content = artifact_of(run, what) if kept else to_parquet(_table(run, what))
    return with_metadata(content, run.digest)


def _table(run: Run, what: str) -> dict[str, NDArray[Any]]:
    if what == "figures":
        return _figures(run)
    return _by_bar(run, what) if what in BY_BAR else table_of(run, what)


def _by_bar(run: Run, what: str) -> dict[str, NDArray[Any]]:
    if what == "exposure":
        return exposure_table(run)
    ts, curves = curves_of(run)
    return {"ts": ts.astype("datetime64[us]"), **curves}


def _figures(run: Run) -> dict[str, NDArray[Any]]:
    """Return every figure of the sheet with its interval, formula and the benchmark's, by row."""
    told, found = intervals_of(run), run.result
    table: dict[str, Metric] = {**METRICS, **RUN_METRICS}
    theirs = found["benchmark"]["metrics"]
    periods = float(found["periods_per_year"])
    rows = [
        (name, one.unit, found["metrics"][name], theirs.get(name), told["figures"].get(name),
         one.formula, periods if one.annualised else None)
        for name, one in table.items() if name in found["metrics"]
    ]  # fmt: skip
    rows += [
        (f"{name}_{part}", "fraction", entry[part], None, told["tail"].get(f"{name}.{part}"),
         f"{part} of one bar, a loss is positive", None)
        for name, entry in found["tail_losses"].items() for part in ("var", "es")
    ]  # fmt: skip
    names, units, values, benchmark, spans, formulas, yearly = zip(*rows, strict=True)
    limits = [span or {} for span in spans]
    return {
        "figure": np.array(names, dtype=object),
        "unit": np.array(units, dtype=object),
        "value": np.array(values, dtype=np.float64),
        "low": np.array([span.get("low") for span in limits], dtype=np.float64),
        "high": np.array([span.get("high") for span in limits], dtype=np.float64),
        "level": np.array([span.get("level") for span in limits], dtype=np.float64),
        "worlds": np.array([span.get("n", 0) for span in limits], dtype=np.int64),
        "method": np.array([span.get("method", "") for span in limits], dtype=object),
        "benchmark": np.array(benchmark, dtype=np.float64),
        "formula": np.array(formulas, dtype=object),
        "periods_per_year": np.array(yearly, dtype=np.float64),
    }


def _readable(table: dict[str, NDArray[Any]]) -> dict[str, Any]:
    names = {name for name in table if name.endswith("ts")}
    return {
        name: [iso(t) for t in values.astype(np.int64)] if name in names else values
        for name, values in table.items()
    }


def verify_file(content: bytes, name: str, draw: Draw) -> dict[str, Any]:
    """Return whose sheet a file is, by the digest it carries, and whether it is unchanged.

    ``unchanged`` compares it byte by byte with the same export made now; of a PDF that differs it
    is None, since a PDF also tells what had been tried when it was made.

    Raises ``Invalid`` for a file without a digest, ``NotFound`` when no run has it.
    """
    digest = digest_in(content, name)
    runs = list(Run.objects.filter(digest=digest).select_related("job", "study", "version"))
    if not runs:
        message = f"{name} carries the digest {digest}, which no run of this lab has."
        raise NotFound(message, code="sheet.unknown_run")
    mine = hashlib.sha256(content).digest()
    same = any(hashlib.sha256(made).digest() == mine for made in _again(runs, name, draw))
    is_paper = name.lower().endswith(".pdf")
    return {
        "digest": digest,
        "runs": [str(run.pk) for run in runs],
        "unchanged": True if same else (None if is_paper else False),
        "sha256": mine.hex(),
    }


def _again(runs: list[Run], name: str, draw: Draw) -> Iterator[bytes]:
    """Yield every export of that kind of file, made anew."""
    ending = name.lower().rpartition(".")[2]
    kinds = [kind for kind in EXPORTS if kind.partition("_")[0] == ending]
    for run in runs:
        for kind in kinds:
            for what in ("equity",) if kind in SHEETS else (*TABLES, *GIVEN):
                try:
                    yield export_of(run, kind, what, draw)[0]
                except LabError:
                    continue
