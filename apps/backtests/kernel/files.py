"""Figures of a file of returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.effective import effective_trials
from apps.backtests.kernel.integrity.families import judge, split_json
from apps.backtests.kernel.integrity.overfitting import BLOCKS, block_sums, overfitting
from apps.backtests.kernel.integrity.sharpe import moments
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


def significance_file(
    content: bytes, name: str, *, periods: float | None = None
) -> dict[str, Any]:
    """Return what the best column of a file of trials is worth after all of them.

    Every column is a trial; rows in which one is missing are left out. Raises ``Invalid``.
    """
    table = read_returns(content, name)
    per_year = infer_periods(table.ts) if periods is None else periods
    labels = list(table.columns)
    sample = np.column_stack([table.columns[label] for label in labels])
    sample = sample[np.isfinite(sample).all(axis=1)]
    found = [moments(column) for column in sample.T]
    ratios = np.array([one.sharpe if one else np.nan for one in found])
    if not np.isfinite(ratios).any():
        message = f"{name} has no column with 3 returns that vary in rows where none is missing."
        raise Invalid(message, code="significance.flat")
    best = int(np.nanargmax(ratios))
    effective = effective_trials(sample)
    mine = found[best]
    assert mine is not None  # noqa: S101 its ratio is finite
    worth = judge(mine, ratios, effective.number, per_year)
    split: dict[str, Any] = {}
    if len(labels) > 1 and len(sample) >= 2 * BLOCKS:
        split = split_json(overfitting(block_sums(sample)), per_year)
    return {
        "best": labels[best],
        "deflated_sharpe": worth.deflated_sharpe,
        "pbo": split.get("pbo"),
        "effective_n": worth.effective_n,
        "groups": effective.groups,
        "trials": len(labels),
        "sharpe": worth.sharpe,
        "benchmark_sharpe": worth.benchmark,
        "probabilistic_sharpe": worth.probabilistic_sharpe,
        "observations": worth.observations,
        "min_track_record": worth.min_track_record,
        "months_needed": worth.months_needed,
        "periods": per_year,
        "overfitting": {k: v for k, v in split.items() if not isinstance(v, list | dict)},
    }


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
