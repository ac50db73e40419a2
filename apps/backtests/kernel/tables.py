"""Tables in and out as bytes: CSV and Parquet, checked on the way in, safe on the way out."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid

Floats = NDArray[np.float64]
PARQUET = (".parquet", ".pq")
TIME_NAMES = ("ts", "time", "date", "datetime", "timestamp", "index", "")
# A cell that begins with one of these, blanks aside, is run as a formula by spreadsheets.
FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
CONTROL_STARTS = ("\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class ReturnsTable:
    """Columns over time: ``ts`` in microseconds, ascending; NaN where nothing was observed."""

    ts: NDArray[np.int64]
    columns: dict[str, Floats]


def read_returns(content: bytes, name: str) -> ReturnsTable:
    """Return a time column and the number columns of a CSV or Parquet file.

    Raises
    ------
    Invalid
        When the file can't be read, has no time column, repeats a time or holds something that is
        not a finite number.
    """
    frame = read_frame(content, name)
    ts = _times(frame, name)
    order = np.argsort(ts, kind="stable")
    ts = ts[order]
    if (np.diff(ts) == 0).any():
        at = datetime.fromtimestamp(int(ts[np.argmin(np.diff(ts))]) / 1e6, UTC)
        message = f"{name} has the time {at:%Y-%m-%d %H:%M} twice; keep one row per time."
        raise Invalid(message, code="table.duplicate_time")
    columns = {str(c): _numbers(frame[c], str(c), name)[order] for c in frame.columns}
    if not columns:
        message = f"{name} has a time column and nothing else; add a column of returns."
        raise Invalid(message, code="table.no_columns")
    return ReturnsTable(ts, columns)


def read_frame(content: bytes, name: str) -> Any:
    """Return a CSV or Parquet file as a frame. Raises ``Invalid`` when it can't be read."""
    import pandas as pd

    try:
        if name.lower().endswith(PARQUET):
            frame = pd.read_parquet(io.BytesIO(content))
        else:
            frame = pd.read_csv(io.BytesIO(content))
    except Exception as error:
        message = f"{name} can't be read as CSV or Parquet: {error}."
        raise Invalid(message, code="table.unreadable") from error
    if isinstance(frame.index, pd.MultiIndex):
        return frame.reset_index()
    # Row numbers, kept by a frame that was filtered, say nothing; times and names do.
    label = frame.index.name
    if isinstance(frame.index, pd.DatetimeIndex) or label is not None:
        return frame.reset_index(names="ts" if label is None else str(label))
    return frame.reset_index(drop=True)


def _times(frame: Any, name: str) -> NDArray[np.int64]:
    """Take the time column out of ``frame`` and return it in microseconds."""
    import pandas as pd

    found = [c for c in frame.columns if str(c).strip().lower() in TIME_NAMES]
    found += [c for c in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[c])]
    found += [c for c in frame.columns[:1] if not pd.api.types.is_numeric_dtype(frame[c])]
    if not found:
        message = f"{name} has no time column; name it ts or date (found {list(frame.columns)})."
        raise Invalid(message, code="table.no_time")
    column = frame.pop(found[0])
    try:
        times = pd.to_datetime(column, utc=True, format="mixed")
    except (ValueError, TypeError) as error:
        message = f"{name}: {found[0]} is not a time: {error}."
        raise Invalid(message, code="table.time") from error
    if times.isna().any():
        row = int(np.argmax(times.isna().to_numpy())) + 1
        message = f"{name}: {found[0]} is empty in row {row}; every row needs a time."
        raise Invalid(message, code="table.time")
    return np.asarray(times.dt.as_unit("us").to_numpy("datetime64[us]").astype(np.int64))


def _numbers(column: Any, label: str, name: str) -> Floats:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna() & column.notna()
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        message = f"{name}: {label} has {column.iloc[row]!r} in row {row + 1}; numbers only."
        raise Invalid(message, code="table.not_a_number")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.argmax(np.isinf(values))) + 1
        message = f"{name}: {label} is infinite in row {row}; leave missing values empty."
        raise Invalid(message, code="table.infinite")
    return np.asarray(values)


def to_parquet(columns: Mapping[str, Any]) -> bytes:
    """Return columns of equal length as a Parquet file; the same columns give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def from_parquet(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the columns of a Parquet file as arrays."""
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    return {n: table[n].to_numpy() for n in table.column_names}


def cells_from_parquet(content: bytes) -> dict[str, list[Any]]:
    """Return the columns of a Parquet file as lists, None where a cell is empty."""
    import pyarrow.parquet as pq

    found: dict[str, list[Any]] = pq.read_table(io.BytesIO(content)).to_pydict()
    return found


def to_csv(columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> str:
    """Return columns as CSV; text that a spreadsheet would run is quoted, NaN is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe_cell(name) for name in columns])
    writer.writerows(
        [safe_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True)
    )
    return out.getvalue()


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet runs; numbers stay numbers."""
    if isinstance(value, float | np.floating):
        return repr(float(value)) if np.isfinite(value) else ""
    if isinstance(value, int | np.integer | bool | np.bool_):
        return value
    if value is None:
        return ""
    text = str(value)
    is_formula = text.lstrip().startswith(FORMULA_STARTS) or text.startswith(CONTROL_STARTS)
    return f"'{text}" if is_formula else text
