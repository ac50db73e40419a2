"""From a source with roles to columns on disk: numbers, times and symbols, or a refusal by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.cleaning import Defect
from apps.market.providers.uploads import roles, tables, times
from apps.market.providers.uploads.roles import Column
from apps.market.providers.uploads.tables import Names, Source, Spool

NEEDED = {roles.BARS: (*roles.PRICES, "volume")}
LARGEST = {"volume": 1e18, roles.FIGURE: 1e18}
LARGEST_PRICE = 1e12


@dataclass(slots=True)
class Gathered:
    """A whole file as columns on disk in its own row order.

    ``codes`` and ``ts`` stand for every row; ``fields`` are the columns of numbers by the name
    under which they are kept.
    """

    spool: Spool
    names: Names
    fields: dict[str, str]
    rows: int = 0
    kinds: Names = field(default_factory=Names)
    notes: list[str] = field(default_factory=list)


def gather(
    source: Source,
    columns: list[Column],
    kind: str,
    *,
    symbol: str,
    spool: Spool,
    tell: Callable[[int], None],
) -> Gathered:
    """Read a source to its end. Raises ``Invalid`` naming the first rows at fault."""
    by_role = {c.role: c.name for c in columns if c.role not in {roles.FIGURE, roles.OMIT}}
    fields = _fields(columns)
    found = Gathered(spool, Names(), fields)
    reader = _Reader(source, kind, by_role, fields, found, symbol)
    wanted = [c.name for c in columns if c.role != roles.OMIT]
    for batch in source.batches(wanted):
        reader.take(batch)
        tell(found.rows)
        if found.rows > tables.MAX_ROWS:
            raise tables.too_many(source.member.name, found.rows)
    return found


def _fields(columns: list[Column]) -> dict[str, str]:
    """Return the name a column of numbers is kept under, and its name in the file."""
    fields = {}
    for column in columns:
        if column.role in roles.NUMBERS:
            name = roles.plain(column.name) if column.role == roles.FIGURE else column.role
            while name in fields:
                name += "_2"
            fields[name] = column.name
    return fields


@dataclass(slots=True)
class _Reader:
    source: Source
    kind: str
    by_role: dict[str, str]
    fields: dict[str, str]
    found: Gathered
    symbol: str
    clock: times.Clock = field(default_factory=times.Clock)

    def take(self, batch: Any) -> None:
        """Add a batch to the columns on disk, or raise ``Invalid`` when it is at fault."""
        defects: list[Defect] = []
        found, spool = self.found, self.found.spool
        spool.add("codes", self._symbols(batch, defects))
        spool.add("ts", self._times(batch, defects))
        if "kind" in self.by_role:
            codes, defect = found.kinds.read(batch.column(self.by_role["kind"]))
            spool.add("kinds", codes)
            defects += [defect] if defect else []
        for name, header in self.fields.items():
            spool.add(name, self._numbers(batch.column(header), name, defects))
        if defects:
            moved = [Defect(d.row + found.rows, d.column, d.found, d.expected) for d in defects]
            headers = {**self.by_role, **self.fields}
            raise tables.refusal(moved, self.source.member.name, headers)
        found.rows += batch.num_rows

    def _symbols(self, batch: Any, defects: list[Defect]) -> NDArray[np.int32]:
        if "symbol" not in self.by_role:
            if self.symbol:
                self.found.names.codes.setdefault(self.symbol, 0)
            return np.zeros(batch.num_rows, np.int32)
        venue = self.by_role.get("venue")
        venues = batch.column(venue) if venue else None
        codes, defect = self.found.names.read(batch.column(self.by_role["symbol"]), venues)
        defects += [defect] if defect else []
        return codes

    def _times(self, batch: Any, defects: list[Defect]) -> NDArray[np.int64]:
        column = batch.column(self.by_role["ts"])
        ts = self.clock.read(column)
        lost = np.flatnonzero(ts == times.MISSING)
        if len(lost):
            row = int(lost[0])
            defects.append(Defect(row, "ts", shown(column[row]), times.EXPECTED))
        return ts

    def _numbers(self, column: Any, name: str, defects: list[Defect]) -> NDArray[np.float64]:
        decimal = self.source.dialect.decimal if self.source.dialect else "."
        values, bad = tables.numbers(column, decimal)
        bad |= np.isinf(values)
        expected = "a finite number"
        if not bad.any():
            limit = LARGEST_PRICE if name in roles.PRICES else tables.LARGEST
            with np.errstate(invalid="ignore"):
                bad = np.abs(values) > limit
            expected = f"a number up to {limit:g}"
        if name in NEEDED.get(self.kind, ()) and not bad.any():
            bad, expected = np.isnan(values), "a finite number"
        lost = np.flatnonzero(bad)
        if len(lost):
            row = int(lost[0])
            defects.append(Defect(row, name, shown(column[row]), expected))
        return values


def shown(value: Any) -> str:
    """Return a value of a file as a refusal may show it."""
    try:
        value = value.as_py() if hasattr(value, "as_py") else value
    except (ValueError, OverflowError):
        return "a value out of range"
    if value is None or value != value:
        return "nothing or NaN"
    return ascii(str(value)[:40]) + ("…" if len(str(value)) > 40 else "")
