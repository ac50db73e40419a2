"""Figures of a file of returns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.metrics import Figures, explain, infer_periods
from apps.backtests.kernel.tables import ReturnsTable, read_returns
from apps.core.errors import Invalid

Floats = NDArray[np.float64]


def measure_file(
    content: bytes, name: str, *, benchmark: str = "", rf: str = "0", periods: float | None = None
) -> tuple[dict[str, Figures], list[str]]:
    """Return figures by column and notes on what could not be told.

    ``benchmark`` names a column; ``rf`` a column of rates per period, or a yearly number. Without
    ``periods`` the times decide. Raises ``Invalid``.
    """
    table = read_returns(content, name)
    per_year = infer_periods(table.ts) if periods is None else periods
    market = _column(table, benchmark, name) if benchmark else None
    rate = table.columns[rf] if rf in table.columns else _number(rf, table, name)
    figures: dict[str, Figures] = {}
    notes = [f"{per_year:g} periods a year"]
    for label, column in table.columns.items():
        if label == rf:
            continue
        figures[label], reasons = explain(
            column, periods=per_year, benchmark=market, rf=rate, ts=table.ts
        )
        notes += [f"{label}: no {metric}: {why}" for metric, why in reasons.items()]
    return figures, notes


def _column(table: ReturnsTable, label: str, name: str) -> Floats:
    if label not in table.columns:
        message = f"{name} has no column {label!r}; it has {', '.join(table.columns)}."
        raise Invalid(message, code="table.no_column")
    return table.columns[label]


def _number(rf: str, table: ReturnsTable, name: str) -> float:
    try:
        return float(rf)
    except ValueError:
        message = (
            f"--rf {rf!r} is neither a number nor a column of {name}: {', '.join(table.columns)}."
        )
        raise Invalid(message, code="metrics.rf") from None
