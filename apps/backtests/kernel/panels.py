"""A tidy file of bars as a panel, and series put on a panel's times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.tables import read_frame
from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel

Floats = NDArray[np.float64]
PRICES = ("open", "high", "low", "close")
NAMES = {"date": "ts", "datetime": "ts", "time": "ts", "timestamp": "ts", "index": "ts"}
DAY = 86_400_000_000
WEEKEND = 5


def read_panel_file(content: bytes, name: str, *, timeframe: str = "1d") -> Panel:
    """Return the panel of a CSV or Parquet file (symbol, ts, open, high, low, close, volume).

    Raises
    ------
    Invalid
        For missing columns, times that repeat, prices that are missing or not positive.
    """
    frame = read_frame(content, name)
    frame.columns = [NAMES.get(str(c).strip().lower(), str(c).strip().lower()) for c in frame]
    frame = _complete(frame, name)
    frame["ts"] = _utc(frame["ts"], name)
    _check(frame, name)
    wide = {
        field: frame.pivot_table(index="ts", columns="symbol", values=field, sort=True)
        for field in (*PRICES, "volume")
    }
    close = wide["close"]
    ts = close.index.as_unit("us").to_numpy("datetime64[us]").astype(np.int64)
    columns: dict[str, Any] = {
        field: np.ascontiguousarray(table.to_numpy(dtype=np.float64))
        for field, table in wide.items()
    }
    weekday = (ts // DAY + 3) % 7
    return Panel(
        symbols=tuple(str(symbol) for symbol in close.columns),
        ts=ts,
        **columns,
        timeframe=timeframe,
        price_mode="raw",
        continuous=bool(np.mean(weekday >= WEEKEND) > 0.1),
        survivorship=f"Instruments as given in {name}; nothing is known of those left out.",
    )


def _complete(frame: Any, name: str) -> Any:
    if "symbol" not in frame:
        frame["symbol"] = "ASSET"
    if "volume" not in frame:
        frame["volume"] = 0.0
    missing = [field for field in ("ts", *PRICES) if field not in frame]
    if missing:
        message = (
            f"{name} lacks the column(s) {', '.join(missing)}; a tidy panel has symbol, ts, open, "
            f"high, low, close, volume (found {', '.join(map(str, frame.columns))})."
        )
        raise Invalid(message, code="panel.columns")
    return frame[["symbol", "ts", *PRICES, "volume"]].copy()


def _utc(column: Any, name: str) -> Any:
    import pandas as pd

    try:
        found = pd.to_datetime(column, utc=True, format="mixed")
    except (ValueError, TypeError) as error:
        message = f"{name}: ts is not a time: {error}."
        raise Invalid(message, code="panel.time") from error
    if found.isna().any():
        message = f"{name}: {int(found.isna().sum())} row(s) have no time."
        raise Invalid(message, code="panel.time")
    return found


def _check(frame: Any, name: str) -> None:
    import pandas as pd

    if not len(frame):
        raise Invalid(f"{name} has no bars.", code="panel.no_bars")
    for field in (*PRICES, "volume"):
        numbers = pd.to_numeric(frame[field], errors="coerce").to_numpy(dtype=np.float64)
        wrong = ~np.isfinite(numbers) | ((numbers <= 0) if field in PRICES else (numbers < 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            message = (
                f"{name}: {field} of {frame['symbol'].iloc[row]} is {frame[field].iloc[row]!r} in "
                f"row {row + 1}; prices are positive numbers. Leave out a bar that is missing."
            )
            raise Invalid(message, code="panel.bad_value")
        frame[field] = numbers
    twice = frame.duplicated(["symbol", "ts"])
    if twice.any():
        row = frame[twice].iloc[0]
        message = f"{name} has {row['symbol']} at {row['ts']} twice; keep one bar per time."
        raise Invalid(message, code="panel.duplicate")


def between(panel: Panel, low: int, high: int) -> Panel:
    """Return the bars with ``low <= ts <= high`` in microseconds. Raises ``Invalid`` for none."""
    first, last = (int(np.searchsorted(panel.ts, low)), int(np.searchsorted(panel.ts, high + 1)))
    if first >= last:
        message = "There are no bars between start and end; choose dates within the data."
        raise Invalid(message, code="panel.no_bars", details={"field": "start"})
    return panel.rows(first, last)


def on_times(ts: NDArray[np.int64], found_ts: NDArray[np.int64], values: Floats) -> Floats:
    """Return a series at other times: the last value at or before each; NaN before the first."""
    known = np.isfinite(values)
    found_ts, values = found_ts[known], values[known]
    at = np.searchsorted(found_ts, ts, side="right") - 1
    padded = np.concatenate((values, [np.nan]))
    return np.where(at >= 0, padded[np.maximum(at, -1)], np.nan)
