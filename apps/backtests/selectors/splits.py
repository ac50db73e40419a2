"""Splits of a combinatorial cross-validation as a file."""

from __future__ import annotations

import csv
import io
from typing import Any

from apps.backtests.models import Validation

SIDES = ("train", "test")
FIGURES = ("sharpe", "total_return")


def export_splits(row: Validation) -> tuple[bytes, str]:
    """Return the splits as CSV, and a name for the file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = list(row.space)
    told = [f"{side}_{name}" for side in SIDES for name in FIGURES]
    writer.writerow(["split", "tested", "train_bars", *names, "score", *told, "logit"])
    for one in row.result["splits"]:
        params = one["chosen"]["params"]
        cells = [one["number"], " ".join(map(str, one["tested"])), one["train"]["bars"]]
        cells += [params.get(name, "") for name in names]
        figures = [_cell(one[side][name]) for side in SIDES for name in FIGURES]
        writer.writerow([*cells, _cell(one["score"]), *figures, _cell(one["logit"])])
    note = f"# Combinatorial purged CV, digest {row.digest}\n"
    return (note + out.getvalue()).encode(), f"splits-{str(row.pk)[:8]}.csv"


def _cell(value: Any) -> str:
    return "" if value is None else repr(value)
