"""A tidy file of bars as a panel, and series put on a panel's times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.plain_files import Bars, plain_bars
from apps.backtests.kernel.tables import PARQUET, read_frame
from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel

Floats = NDArray[np.float64]
PRICES = ("open", "high", "low", "close")
NAMES = {
    "date": "ts",
    "datetime": "ts",
    "time": "ts",
    "timestamp": "ts",
    "index": "ts",
    "dividends": "dividend",
    "splits": "split",
    "stock splits": "split",
}
# What a file may hold beside bars. No action on a day is 0 or empty; the others are unknown then.
ACTIONS = ("split", "dividend")
INPUTS = ("fx", "funding", "open_interest", "long_short_ratio")
NEVER_NEGATIVE = {*ACTIONS, "fx", "open_interest", "long_short_ratio"}
DAY = 86_400_000_000
WEEKEND = 5


def read_panel_file(
    content: bytes,
    name: str,
    *,
    timeframe: str = "1d",
    price_mode: str = "raw",
    currency: str = "",
) -> Panel:
    """Return the panel of a CSV or Parquet file (symbol, ts, open, high, low, close, volume).

    Further columns it may have: ``dividend`` (a share, on its ex-day), ``split`` (new shares for
    one, on its first day), ``fx`` (what the currency is worth in the account's), ``funding``,
    ``open_interest``, ``long_short_ratio``. Others are left out.

    Parameters
    ----------
    price_mode
        What the prices hold: ``raw`` prices hold neither splits nor dividends.

    Raises
    ------
    Invalid
        For missing columns, times that repeat, prices that are missing or not positive, values
        that are no numbers.
    """
    is_plain = not name.lower().endswith(PARQUET)
    bars = (plain_bars(content) if is_plain else None) or _framed(content, name)
    columns: dict[str, Any] = bars.columns
    weekday = (bars.ts // DAY + 3) % 7
    return Panel(
        symbols=bars.symbols,
        ts=bars.ts,
        **columns,
        timeframe=timeframe,
        price_mode=price_mode,
        continuous=bool(np.mean(weekday >= WEEKEND) > 0.1),
        survivorship=f"Instruments as given in {name}; nothing is known of those left out.",
        extras=bars.extras,
        currency=currency,
    )


def _framed(content: bytes, name: str) -> Bars:
    """Return the bars of any file there may be, or refuse it."""
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
    more = [field for field in (*ACTIONS, *INPUTS) if field in frame]
    extras = {field: _beside(frame, field, close) for field in more}
    ts = close.index.as_unit("us").to_numpy("datetime64[us]").astype(np.int64)
    columns: dict[str, Any] = {
        field: np.ascontiguousarray(table.to_numpy(dtype=np.float64))
        for field, table in wide.items()
    }
    return Bars(tuple(str(symbol) for symbol in close.columns), ts, columns, extras)


def _beside(frame: Any, field: str, close: Any) -> Floats:
    """Return a column beside bars in the panel's shape."""
    table = frame.pivot(index="ts", columns="symbol", values=field)
    table = table.reindex(index=close.index, columns=close.columns)
    found = np.ascontiguousarray(table.to_numpy(dtype=np.float64))
    return np.nan_to_num(found, nan=0.0) if field in ACTIONS else found


def _complete(frame: Any, name: str) -> Any:
    twice = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
    if twice:
        message = f"{name} has more than one column for {', '.join(twice)}; keep one of each."
        raise Invalid(message, code="panel.columns")
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
    more = [field for field in (*ACTIONS, *INPUTS) if field in frame]
    return frame[["symbol", "ts", *PRICES, "volume", *more]].copy()


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
    for field in (one for one in (*ACTIONS, *INPUTS) if one in frame):
        _check_beside(frame, field, name)
    twice = frame.duplicated(["symbol", "ts"])
    if twice.any():
        row = frame[twice].iloc[0]
        message = f"{name} has {row['symbol']} at {row['ts']} twice; keep one bar per time."
        raise Invalid(message, code="panel.duplicate")


def _check_beside(frame: Any, field: str, name: str) -> None:
    import pandas as pd

    numbers = pd.to_numeric(frame[field], errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.isinf(numbers) | (np.isnan(numbers) & frame[field].notna().to_numpy())
    if field in NEVER_NEGATIVE:
        wrong |= numbers < 0
    if wrong.any():
        row = int(np.argmax(wrong))
        kind = "numbers from 0 on" if field in NEVER_NEGATIVE else "numbers"
        message = (
            f"{name}: {field} of {frame['symbol'].iloc[row]} is {frame[field].iloc[row]!r} in "
            f"row {row + 1}; {kind} are expected, empty where there is none."
        )
        raise Invalid(message, code="panel.bad_value")
    frame[field] = numbers


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
