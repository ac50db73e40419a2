"""Plain CSV files of bars, read without pandas: what it costs to load is most of a short run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRICES = ("open", "high", "low", "close")
TIMES = {"ts", "date", "datetime", "time", "timestamp"}
COLUMNS = {"symbol", "ts", *PRICES, "volume"}
MISSING = ("None", "<NA>")  # what pandas takes for an empty cell besides Arrow's own list

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Bars:
    """What a file holds: columns and extras are ``(n_bars, n_assets)``."""

    symbols: tuple[str, ...]
    ts: NDArray[np.int64]
    columns: Columns
    extras: Columns = field(default_factory=dict)


def plain_bars(content: bytes) -> Bars | None:
    """Return the bars of a CSV file without faults.

    None when anything is not plain: other columns, empty cells, times that are not ISO 8601 or
    repeat, prices that are no positive numbers. ``panels.read_panel_file`` reads such a file, or
    says what is wrong with it; a plain one it reads to the same bytes.
    """
    table = _table(content)
    if table is None:
        return None
    ts, values = _times(table["ts"]), {name: _numbers(table[name]) for name in (*PRICES, "volume")}
    symbols = _texts(table["symbol"])
    if ts is None or symbols is None:
        return None
    known = {name: column for name, column in values.items() if column is not None}
    if len(known) < len(values) or not _sound(known):
        return None
    return _laid(symbols, ts, known)


def _table(content: bytes) -> Any:
    """Return the file's columns by name, or None."""
    import pyarrow as pa
    from pyarrow import csv

    options = csv.ConvertOptions(strings_can_be_null=True)
    options.null_values = [*options.null_values, *MISSING]
    try:
        found = csv.read_csv(pa.BufferReader(content), convert_options=options)
    except pa.ArrowInvalid:
        return None
    names = [str(name).strip().lower() for name in found.column_names]
    names = ["ts" if name in TIMES else name for name in names]
    if sorted(names) != sorted(COLUMNS) or not found.num_rows:
        return None
    columns = dict(zip(names, found.columns, strict=True))
    return None if any(column.null_count for column in columns.values()) else columns


def _times(column: Any) -> NDArray[np.int64] | None:
    """Return times in microseconds; what names no zone is UTC."""
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_date32(kind) or pa.types.is_timestamp(kind)):
        return None
    try:
        found = column.cast(pa.timestamp("us", getattr(kind, "tz", None)))
    except pa.ArrowInvalid:
        return None
    return _array(found.cast(pa.int64()))


def _numbers(column: Any) -> NDArray[np.float64] | None:
    import pyarrow as pa

    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return None
    return _array(column).astype(np.float64)


def _array(column: Any) -> NDArray[Any]:
    """Return a column's numbers; ``to_numpy`` would load pandas."""
    return np.from_dlpack(column.combine_chunks())


def _texts(column: Any) -> NDArray[np.str_] | None:
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        return None
    return np.array(column.to_pylist())


def _sound(columns: Columns) -> bool:
    """Tell whether all numbers are finite, prices above zero and volumes not below."""
    lowest = {name: float(column.min()) for name, column in columns.items()}
    finite = all(np.isfinite(column).all() for column in columns.values())
    return finite and lowest.pop("volume") >= 0.0 and min(lowest.values()) > 0.0


def _laid(symbols: NDArray[np.str_], ts: NDArray[np.int64], columns: Columns) -> Bars | None:
    """Return columns by time and symbol, NaN where an instrument has no bar."""
    names, across = np.unique(symbols, return_inverse=True)
    times, down = np.unique(ts, return_inverse=True)
    place = down * len(names) + across
    if len(np.unique(place)) < len(place):
        return None
    wide = {name: np.full(len(times) * len(names), np.nan) for name in columns}
    for name, column in columns.items():
        wide[name][place] = column
    shape = (len(times), len(names))
    shaped = {name: table.reshape(shape) for name, table in wide.items()}
    return Bars(tuple(map(str, names)), times, shaped)
