"""A file as columns, and tidy columns as a panel: one row per symbol and time."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS, Panel

TIMES = ("ts", "date", "datetime", "time", "timestamp")
NAMED = ("open", "high", "low", "close")


def columns_of(content: bytes, name: str) -> dict[str, Any]:
    """Return the columns of CSV, Parquet or Arrow by what the name ends with.

    Numbers are float64 arrays, times microseconds under ``ts``, anything else lists of texts.
    Raises ``Invalid``.
    """
    import pandas as pd

    ending = name.rpartition(".")[2].lower()
    readers: dict[str, Any] = {"csv": pd.read_csv, "parquet": pd.read_parquet}
    try:
        frame = readers.get(ending, pd.read_feather)(BytesIO(content))
        return dict(_column(frame[label], str(label)) for label in frame.columns)
    except Exception as error:
        message = f"{name} can't be read as CSV, Parquet or Arrow: {error}"[:400]
        raise Invalid(message, code="data.unreadable") from error


def _column(column: Any, name: str) -> tuple[str, Any]:
    import pandas as pd

    if name.lower() in TIMES:
        times = pd.to_datetime(column, utc=True).dt.as_unit("us")
        return "ts", times.astype("int64").to_numpy()
    if column.dtype.kind in "biuf":
        return name, np.ascontiguousarray(column.to_numpy(dtype=np.float64))
    return name, [str(one) for one in column]


def panel_of(columns: Mapping[str, Any], *, timeframe: str = "1d") -> Panel:
    """Return the panel of ``symbol`` (one without), ``ts`` (microseconds), prices and volume.

    Raises ``Invalid`` for a missing column, or a symbol twice at a time.
    """
    missing = [name for name in ("ts", *NAMED) if name not in columns]
    if missing:
        message = f"The data lack {', '.join(missing)}; a panel has symbol, ts, open to volume."
        raise Invalid(message, code="panel.columns")
    ts, row = np.unique(np.asarray(columns["ts"], dtype=np.int64), return_inverse=True)
    given = columns.get("symbol", ["ASSET"] * len(row))
    symbols, column = np.unique([str(one) for one in given], return_inverse=True)
    if len(np.unique(row * len(symbols) + column)) != len(row):
        raise Invalid("A symbol has two bars at one time; keep one.", code="panel.duplicate")
    fields: dict[str, Any] = {}
    for name in FIELDS:
        fields[name] = np.full((len(ts), len(symbols)), np.nan)
        fields[name][row, column] = columns.get(name, 0.0)
    return Panel(tuple(map(str, symbols)), ts, **fields, timeframe=timeframe)
