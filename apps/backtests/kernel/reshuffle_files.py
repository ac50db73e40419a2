"""Monte Carlo over a file: returns by bar, or round trips with their profit."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.reshuffles import (
    reshuffle,
    seed_of,
    summary,
    trade_steps,
)
from apps.backtests.kernel.metrics import infer_periods
from apps.backtests.kernel.tables import read_frame, read_returns
from apps.core.errors import Invalid

Floats = NDArray[np.float64]
MICROSECONDS_PER_YEAR = 365.25 * 86_400e6


def reshuffle_file(
    content: bytes,
    name: str,
    *,
    method: str = "",
    n: int | None = None,
    seed: int | None = None,
    cash: float = 100_000.0,
    column: str = "",
    periods: float | None = None,
) -> dict[str, Any]:
    """Return Monte Carlo over the rows of a file, without the numbers of its pictures.

    A file with a column ``pnl`` holds trades in the order they ended (by ``exit_ts`` when it is
    there); any other holds times and returns, of which ``column`` or the first is taken. Without
    a seed the bytes of the file give one. Raises ``Invalid``.
    """
    frame = read_frame(content, name)
    if "pnl" in frame.columns:
        chosen = method or "shuffle"
        steps, years = _trades(frame, name, cash, periods)
        if chosen == "bars":
            message = f"{name} holds trades, not bars; choose shuffle or trades."
            raise Invalid(message, code="reshuffle.method", details={"field": "method"})
    else:
        chosen = method or "bars"
        steps, years = _returns(content, name, column, periods)
    digest = sha256(content).hexdigest()
    drawn = seed_of(digest, chosen) if seed is None else seed
    found = summary(reshuffle(steps, chosen, n, drawn), steps, years=years, start=cash)
    return {k: v for k, v in found.items() if k not in {"fan", "histogram"}} | {"seed": drawn}


def _trades(frame: Any, name: str, cash: float, periods: float | None) -> tuple[Floats, float]:
    """Return trades as steps and the years they took: by their times, or at ``periods`` a year."""
    import pandas as pd

    if not cash > 0.0:
        message = f"cash = {cash}; the equity before the first trade is above 0."
        raise Invalid(message, code="reshuffle.cash", details={"field": "cash"})
    if "exit_ts" in frame.columns:
        frame = frame.sort_values("exit_ts", kind="stable")
    pnl = pd.to_numeric(frame["pnl"], errors="coerce").to_numpy(np.float64)
    if not np.isfinite(pnl).all():
        row = int(np.argmax(~np.isfinite(pnl))) + 1
        message = f"{name}: pnl is no number in trade {row}."
        raise Invalid(message, code="table.not_a_number")
    if periods is not None:
        return trade_steps(pnl, cash), len(pnl) / periods
    if not {"entry_ts", "exit_ts"} <= set(frame.columns):
        message = f"{name} has no entry_ts and exit_ts; say with --periods how many trades a year."
        raise Invalid(message, code="reshuffle.years", details={"field": "periods"})
    ends = [_microseconds(frame[one]) for one in ("entry_ts", "exit_ts")]
    span = float(ends[1].max(initial=0) - ends[0].min(initial=ends[1].max(initial=0)))
    if not span > 0.0:
        message = f"{name}: the trades take no time; say with --periods how many there are a year."
        raise Invalid(message, code="reshuffle.years", details={"field": "periods"})
    return trade_steps(pnl, cash), span / MICROSECONDS_PER_YEAR


def _microseconds(column: Any) -> NDArray[np.int64]:
    import pandas as pd

    if pd.api.types.is_integer_dtype(column):
        return np.asarray(column, dtype=np.int64)
    try:
        times = pd.to_datetime(column, utc=True, format="mixed")
    except (ValueError, TypeError) as error:
        message = f"{column.name} is not a time: {error}."
        raise Invalid(message, code="table.time") from error
    return np.asarray(times.dt.as_unit("us").to_numpy("datetime64[us]").astype(np.int64))


def _returns(
    content: bytes, name: str, column: str, periods: float | None
) -> tuple[Floats, float]:
    table = read_returns(content, name)
    label = column or next(iter(table.columns))
    if label not in table.columns:
        message = f"{name} has no column {label!r}; it has {', '.join(table.columns)}."
        raise Invalid(message, code="table.no_column")
    per_year = infer_periods(table.ts) if periods is None else periods
    steps = table.columns[label]
    steps = steps[np.isfinite(steps)]
    return steps, len(steps) / per_year
