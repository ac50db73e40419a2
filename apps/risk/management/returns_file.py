"""Files of returns: CSV or Parquet with a time column and one column of returns per series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from apps.core.errors import Invalid

TIME_NAMES = ("ts", "time", "date", "datetime", "timestamp", "month", "index")


def read_returns(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the return columns by name. Raises ``Invalid`` for a file that can't be read so."""
    frame = _read(path)
    times = [name for name in frame.columns if str(name).lower() in TIME_NAMES]
    times += [n for n in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[n])]
    columns = frame.drop(columns=list(dict.fromkeys(times)))
    if not len(columns.columns) or not len(columns):
        message = f"{path} has {len(frame)} rows and no return columns beside the time column."
        raise Invalid(message, code="file.empty")
    return {str(name): _numbers(columns[name], str(name)) for name in columns}


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise Invalid(f"There is no file {path}.", code="file.missing")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            frame = pd.read_parquet(path)
            return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
        return pd.read_csv(path)
    except (ValueError, OSError) as error:
        message = f"{path} is no readable CSV or Parquet file: {error}"
        raise Invalid(message, code="file.unreadable") from error


def _numbers(column: pd.Series, name: str) -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column.notna() & numbers.isna()
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        message = f"Column {name}, row {row + 1} holds {column.iloc[row]!r}, which is no number."
        raise Invalid(message, code="file.not_a_number", details={"field": name})
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def parse_weights(text: str, names: list[str]) -> dict[str, float]:
    """Return weights from ``A=0.6,B=0.4`` or, in the order of columns, ``0.6,0.4``."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        if all("=" in part for part in parts):
            pairs = [part.rpartition("=") for part in parts]
            return {name.strip(): float(share) for name, _, share in pairs}
        shares = [float(part) for part in parts]
    except ValueError:
        message = f"--weights {text!r} is neither name=share,… nor share,…"
        raise Invalid(message, code="risk.weights", details={"field": "weights"}) from None
    if len(shares) != len(names):
        message = f"--weights has {len(shares)} shares for {len(names)} columns; name them."
        raise Invalid(message, code="risk.weights", details={"field": "weights"})
    return dict(zip(names, shares, strict=True))
