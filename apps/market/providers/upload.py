"""Bars of an uploaded file as a provider: what a child process read of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from apps.core.errors import Invalid, NotFound
from apps.market.kernel.columns import Columns
from apps.market.providers.base import Capabilities, Fetched, Listing, Request, Section, Task
from apps.market.providers.uploads import reading, roles

VALUES = ("open", "high", "low", "close", "volume")


class UploadProvider:
    """Reads one file; ``open`` returns the provider of that file."""

    capabilities = Capabilities(name="upload", title="Uploaded file", figures=("any column",))

    def __init__(
        self,
        bars: Mapping[str, Columns] | None = None,
        name: str = "",
        timeframe: str = "1d",
        calendar: str = "XNYS",
    ) -> None:
        self.bars = bars or {}
        self.name = name
        self.timeframe = timeframe
        self.calendar = calendar

    def open(
        self, content: bytes, name: str, mapping: Mapping[str, str], symbol: str = ""
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
        with tempfile.TemporaryDirectory() as place:
            path, folder = Path(place) / "file", Path(place) / "read"
            folder.mkdir()
            path.write_bytes(content)
            columns = {header: role for role, header in mapping.items() if header}
            asked = reading.Asked(path, name, columns=columns, symbol=symbol)
            report = reading.read_file(asked, folder)
            if report.error is not None:
                raise report.error
            return self._of(report.tables, name)

    def _of(self, tables: Sequence[reading.Table], name: str) -> UploadProvider:
        table = tables[0]
        if table.kind != roles.BARS:
            message = f"{name} holds {table.kind}, no bars."
            raise Invalid(message, code="upload.columns", details={"field": "file"})
        columns = [np.array(table.array(name)) for name in ("ts", *VALUES)]
        bars = {
            symbol: Columns(*(column[cut] for column in columns))
            for symbol, cut in table.slices("codes")
        }
        frames = sorted(set(table.facts["timeframes"].values()))
        return UploadProvider(bars, name, frames[0], table.facts["calendar"])

    def section(self, name: str) -> Section:
        """Describe the file as a section."""
        return Section(
            name=name,
            title=self.name,
            timeframe=self.timeframe,
            calendar=self.calendar,
            source=f"upload {self.name}",
            licence="the uploader's",
            universe=name,
            survivorship="Uploaded bars: who is missing is known to the uploader only.",
        )

    def listings(self, section: str) -> Sequence[Listing]:
        """List the symbols of the file."""
        del section
        return [Listing(symbol=symbol) for symbol in sorted(self.bars)]

    def plan(self, request: Request) -> list[Task]:
        """Return one task per symbol. Raises ``NotFound`` for a symbol not in the file."""
        for symbol in request.symbols:
            self._bars_of(symbol)
        return [
            Task(request.section, symbol, request.timeframe, request.since, request.until)
            for symbol in (request.symbols or sorted(self.bars))
        ]

    def fetch(self, task: Task) -> Fetched:
        """Return the bars of one symbol. Raises ``NotFound``."""
        bars = self._bars_of(task.symbol)
        keep = np.ones(len(bars), bool)
        if task.since is not None:
            keep &= bars.ts >= task.since
        if task.until is not None:
            keep &= bars.ts < task.until
        return Fetched(Listing(task.symbol), bars.take(keep))

    def _bars_of(self, symbol: str) -> Columns:
        if symbol not in self.bars:
            raise NotFound(f"There is no {symbol!r} in the file.", code="symbol.unknown")
        return self.bars[symbol]
