"""Who was in an index, and which ticker became which."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np

from apps.market.kernel.cleaning import Defect
from apps.market.providers.uploads import roles, symbols, tables, times
from apps.market.providers.uploads.bars import DAY, Shaped
from apps.market.providers.uploads.gather import shown
from apps.market.providers.uploads.roles import Column
from apps.market.providers.uploads.tables import Source

MAX_ROWS = 200_000
FAR = np.datetime64("2050-01-01", "us").astype(np.int64)  # "until further notice" of map files


def shape_reference(source: Source, columns: list[Column], kind: str, index: str) -> Shaped:
    """Read members or renames. Raises ``Invalid`` naming row and column."""
    by_role = {c.role: c.name for c in columns if c.role not in {roles.FIGURE, roles.OMIT}}
    rows = _rows(source, by_role)
    if kind == roles.MEMBERS:
        members = _members(rows, by_role, source.member.name)
        name = index or re.sub(r"[^a-z0-9]+", "-", source.member.name.rsplit(".", 1)[0].lower())
        facts = {"members": members, "index": name.strip("-")[:40], "head": members[:10]}
    else:
        renames = _renames(rows, by_role, source.member.name)
        facts = {"renames": renames, "head": renames[:10]}
    return Shaped({**facts, "symbols": [], "rows": len(rows)})


def _rows(source: Source, by_role: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows by role; times in microseconds, None where there is nothing."""
    clocks = {role: times.Clock() for role in roles.TIMES & by_role.keys()}
    rows: list[dict[str, Any]] = []
    for batch in source.batches(list(by_role.values())):
        read = {}
        for role, name in by_role.items():
            column = batch.column(name)
            values = column.to_pylist()
            read[role] = values if role not in clocks else _times(
                clocks[role].read(column), values, role, source.member.name, len(rows)
            )  # fmt: skip
        rows += [dict(zip(read, cells, strict=True)) for cells in zip(*read.values(), strict=True)]
        if len(rows) > MAX_ROWS:
            raise tables.unreadable(f"it has more than {MAX_ROWS:,} rows of reference data")
    return rows


def _times(ts: Any, values: list[Any], role: str, file: str, before: int) -> list[int | None]:
    for row in np.flatnonzero(ts == times.MISSING):
        if values[row] not in {None, ""} or role == "ts":
            defect = Defect(before + int(row), role, shown(values[row]), times.EXPECTED)
            raise tables.refusal([defect], file, {})
    return [None if at == times.MISSING else int(at) for at in ts]


def _symbol(row: dict[str, Any], role: str, at: int, file: str) -> str:
    symbol = symbols.normalise(str(row[role] or ""))
    if wrong := symbols.fault(symbol):
        raise tables.refusal([Defect(at, role, wrong, "a plain symbol such as AAPL")], file, {})
    return symbol


def _members(
    rows: list[dict[str, Any]], by_role: dict[str, str], file: str
) -> list[dict[str, Any]]:
    found: dict[tuple[str, int | None], dict[str, Any]] = {}
    for at, row in enumerate(rows):
        symbol = _symbol(row, "symbol", at, file)
        joined, left = row.get("joined"), row.get("left")
        if joined is not None and left is not None and left <= joined:
            defect = Defect(at, "left", str(np.datetime64(left, "us")), "a day after it joined")
            raise tables.refusal([defect], file, by_role)
        found[symbol, joined] = {
            "symbol": symbol,
            "joined": joined,
            "left": left,
            "name": str(row.get("name") or "")[:200],
            "sector": str(row.get("sector") or "")[:60],
        }
    return list(found.values())


def _renames(
    rows: list[dict[str, Any]], by_role: dict[str, str], file: str
) -> list[dict[str, Any]]:
    if "permtick" in by_role:
        return _mapped(rows, file)
    found = [
        {
            "before": _symbol(row, "before", at, file),
            "after": _symbol(row, "after", at, file),
            "on": row["ts"] // DAY * DAY,
        }
        for at, row in enumerate(rows)
    ]
    return list({(row["before"], row["on"]): row for row in found}.values())


def _mapped(rows: list[dict[str, Any]], file: str) -> list[dict[str, Any]]:
    """Return the renames of Lean's map files, where a ticker holds up to and on its day."""
    lines: dict[str, list[tuple[int, str]]] = {}
    for at, row in enumerate(rows):
        ticker = _symbol(row, "after", at, file).upper()
        lines.setdefault(str(row["permtick"]), []).append((row["ts"], ticker))
    found = {}
    for steps in lines.values():
        ordered = sorted(steps)
        for (until, before), (_, after) in pairwise(ordered):
            if before != after and until < FAR:
                found[before, until] = {"before": before, "after": after, "on": until + DAY}
    return list(found.values())
