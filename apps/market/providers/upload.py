"""Bars from a file somebody uploads: CSV or Parquet, in long form."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid, NotFound
from apps.market.kernel.cleaning import Defect, describe, find_defects
from apps.market.kernel.columns import PRICES, Columns
from apps.market.providers.base import (
    Capabilities,
    Fetched,
    Listing,
    Request,
    Section,
    Task,
)

COLUMNS = ("symbol", "ts", *PRICES, "volume")
ALIASES = {
    "ts": ("ts", "time", "timestamp", "date", "datetime"),
    "symbol": ("symbol", "ticker", "instrument"),
    "volume": ("volume", "vol"),
}
MAX_ROWS = 5_000_000
MAX_SYMBOL = 40


@dataclass(frozen=True, slots=True)
class Parsed:
    """A whole file as columns, in its own row order."""

    symbols: NDArray[np.str_]
    bars: Columns


class UploadProvider:
    """Reads one file; ``open`` returns the provider of that file."""

    capabilities = Capabilities(name="upload", title="Uploaded file")

    def __init__(self, parsed: Parsed | None = None, name: str = "") -> None:
        self.parsed = parsed
        self.name = name

    def open(
        self, content: bytes, name: str, mapping: dict[str, str], symbol: str = ""
    ) -> UploadProvider:
        """Return the provider of one file whose bars may all be stored.

        Parameters
        ----------
        mapping
            House name of a column (symbol, ts, open, …) to its name in the file.
        symbol
            The symbol of every row, for files without such a column.

        Raises
        ------
        Invalid
            ``upload.unreadable``, ``upload.columns``, ``upload.values``: row and column named.
        """
        parsed = _parse(_frame(content, name), mapping, symbol)
        defects = find_defects(parsed.bars, parsed.symbols)
        if defects:
            raise refusal(defects)
        return UploadProvider(parsed, name)

    def section(self, name: str) -> Section:
        """Describe the file as a section."""
        return Section(
            name=name,
            title=self.name,
            timeframe="1d",
            calendar="XNYS",
            source=f"upload {self.name}",
            licence="the uploader's",
            universe=name,
            survivorship="Uploaded bars: who is missing is known to the uploader only.",
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List the symbols of the file."""
        del section
        if self.parsed is None:
            return []
        return [Listing(symbol=str(symbol)) for symbol in np.unique(self.parsed.symbols)]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per symbol. Raises ``NotFound`` for a symbol not in the file."""
        known = [listing.symbol for listing in self.listings(request.section)]
        for symbol in request.symbols:
            if symbol not in known:
                raise NotFound(f"There is no {symbol!r} in the file.", code="symbol.unknown")
        return [
            Task(request.section, symbol, request.timeframe, request.since, request.until)
            for symbol in (request.symbols or known)
        ]

    def fetch(self, task: Task) -> Fetched:
        """Return the bars of one symbol. Raises ``NotFound``."""
        if self.parsed is None or task.symbol not in self.parsed.symbols:
            raise NotFound(f"There is no {task.symbol!r} in the file.", code="symbol.unknown")
        mine = self.parsed.symbols == task.symbol
        if task.since is not None:
            mine &= self.parsed.bars.ts >= task.since
        if task.until is not None:
            mine &= self.parsed.bars.ts < task.until
        return Fetched(Listing(task.symbol), self.parsed.bars.take(mine))


def refusal(defects: Sequence[Defect]) -> Invalid:
    """Return the error that names rows and columns of a file at fault."""
    first = defects[0]
    message = (
        f"The file was refused and nothing stored: {describe(defects)} "
        "(rows counted from 1 after the header). Correct the file and upload it again."
    )
    rows = [
        {
            "row": defect.row + 1,
            "column": defect.column,
            "found": defect.found,
            "expected": defect.expected,
        }
        for defect in defects
    ]
    details = {"row": first.row + 1, "column": first.column, "defects": rows}
    return Invalid(message, code="upload.values", details=details)


def _frame(content: bytes, name: str) -> Any:
    import pandas as pd

    if not content:
        raise Invalid("The file is empty.", code="upload.unreadable", details={"field": "file"})
    try:
        if content[:4] == b"PAR1":
            frame = pd.read_parquet(io.BytesIO(content))
        else:
            frame = pd.read_csv(io.BytesIO(content), skip_blank_lines=False)
    except (ValueError, OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        message = f"{name} is neither readable CSV nor Parquet: {error}."
        raise Invalid(message, code="upload.unreadable", details={"field": "file"}) from None
    if not len(frame) or len(frame) > MAX_ROWS:
        message = f"{name} has {len(frame):,} rows; 1 to {MAX_ROWS:,} can be taken at once."
        raise Invalid(message, code="upload.unreadable", details={"field": "file"})
    return frame


def _parse(frame: Any, mapping: dict[str, str], symbol: str) -> Parsed:
    names = _columns_of(frame, mapping, symbol)
    ts = _times(frame[names["ts"]])
    values = [_numbers(frame[names[name]], name) for name in (*PRICES, "volume")]
    if "symbol" in names:
        symbols = _symbols(frame[names["symbol"]])
    else:
        symbols = np.full(len(frame), symbol)
    return Parsed(symbols, Columns(ts, *values))


def _columns_of(frame: Any, mapping: dict[str, str], symbol: str) -> dict[str, str]:
    lowered = {str(name).strip().lower(): name for name in frame.columns}
    names: dict[str, str] = {}
    for wanted in COLUMNS:
        choices = [mapping[wanted]] if mapping.get(wanted) else ALIASES.get(wanted, (wanted,))
        for choice in choices:
            if choice in frame.columns or choice.strip().lower() in lowered:
                found = choice if choice in frame.columns else lowered[choice.strip().lower()]
                names.setdefault(wanted, found)
    if symbol and not mapping.get("symbol"):
        names.pop("symbol", None)
    missing = [name for name in COLUMNS if name not in names and not (name == "symbol" and symbol)]
    if missing:
        found = ", ".join(str(name) for name in frame.columns[:20])
        message = (
            f"The file lacks {', '.join(missing)}; it has {found}. Name the columns in the mapping"
            " (or give one symbol for the whole file)."
        )
        raise Invalid(message, code="upload.columns", details={"missing": missing})
    return names


def _numbers(column: Any, name: str) -> NDArray[np.float64]:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    lost = np.flatnonzero(np.isnan(numbers))
    if len(lost):
        row = int(lost[0])
        found = column.iloc[row]
        shown = "nothing or NaN" if pd.isna(found) else repr(str(found)[:40])
        raise refusal([Defect(row, name, shown, "a finite number")])
    return np.asarray(numbers)


def _times(column: Any) -> NDArray[np.int64]:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        raise refusal([Defect(0, "ts", str(column.iloc[0]), "an ISO date or time")])
    times = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    lost = np.flatnonzero(times.isna().to_numpy())
    if len(lost):
        row = int(lost[0])
        raise refusal([Defect(row, "ts", repr(column.iloc[row])[:40], "an ISO date or time")])
    return np.asarray(times.dt.tz_convert(None).to_numpy().astype("M8[us]").astype(np.int64))


def _symbols(column: Any) -> NDArray[np.str_]:
    texts = column.fillna("").astype(str).str.strip().to_numpy(dtype=np.str_)
    bad = np.flatnonzero((np.char.str_len(texts) == 0) | (np.char.str_len(texts) > MAX_SYMBOL))
    if len(bad):
        row = int(bad[0])
        found = repr(str(texts[row])[:50])
        raise refusal([Defect(row, "symbol", found, f"1 to {MAX_SYMBOL} characters")])
    return np.asarray(texts, dtype=np.str_)
