"""An expression on a file of bars."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from apps.backtests.kernel.panels import read_panel_file
from apps.strategies.kernel.expressions import (
    describe,
    evaluate,
    lookback,
    parse,
    remarks,
    render,
    unit_of,
)
from apps.strategies.kernel.expressions.units import spell


def evaluate_file(text: str, content: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """Return what the expression is, and its values as Parquet: ``symbol``, ``ts``, ``value``.

    There is one row per bar of the file, by time and then symbol; a missing value is null. Raises
    ``Invalid`` for a formula or a file that can't be read.
    """
    node = parse(text)
    panel = read_panel_file(content, name)
    values = evaluate(node, panel)
    row, column = np.nonzero(np.isfinite(panel.close))
    found = values[row, column]
    summary = {
        "expression": render(node),
        "words": describe(node),
        "lookback": lookback(node),
        "unit": spell(unit_of(node)),
        "remarks": remarks(node),
        "symbols": panel.n_assets,
        "bars": panel.n_bars,
        "values": int(np.isfinite(found).sum()),
        "missing": int(np.isnan(found).sum()),
    }
    names = np.array(panel.symbols, dtype=object)
    return summary, _parquet(names[column], panel.ts[row], found)


def _parquet(symbols: Any, ts: Any, values: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "symbol": pa.array(symbols, pa.string()),
            "ts": pa.array(ts, pa.timestamp("us", tz="UTC")),
            "value": pa.array(values, pa.float64(), mask=np.isnan(values)),
        }
    )
    out = BytesIO()
    pq.write_table(table, out)
    return out.getvalue()
