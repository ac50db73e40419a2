"""What an uploaded file holds, told before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.adjust import check_mode
from apps.market.kernel.health import iso
from apps.market.models import Instrument
from apps.market.providers.uploads import reading, roles, symbols
from apps.market.services.uploads import files

CALENDARS = ("XNYS", "24/7", "24/5", "XLON", "XETR", "XPAR", "XTKS", "XHKG", "XOSL", "CMES")
CHOICES = {
    "stamp": ("", "open", "close"),
    "defects": ("", "refuse", "set_aside"),
    "decimal": ("", ".", ","),
    "delimiter": ("", ",", ";", "\t", "|"),
    "kind": ("", *roles.KINDS),
}
MAX_SHOWN = 1000
HOLDS = {
    roles.BARS: "bars",
    roles.ACTIONS: "dividends and splits",
    roles.METRICS: "figures by time",
    roles.MEMBERS: "members of an index",
    roles.RENAMES: "ticker changes",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and how to read it; what is empty is found out from the file.

    Parameters
    ----------
    sent
        The file of the request, or None when ``file_id`` names one that was sent before.
    columns
        Name of a column in the file to its role.
    mapping
        The other way round: role to name of the column.
    """

    dataset: str
    sent: files.Sent | None = None
    file_id: str = ""
    timeframe: str = ""
    calendar: str = ""
    symbol: str = ""
    price_mode: str = ""
    stamp: str = ""
    defects: str = ""
    decimal: str = ""
    delimiter: str = ""
    kind: str = ""
    metric: str = ""
    index: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ``Invalid`` for a choice that there is not."""
        if self.timeframe:
            seconds_of(self.timeframe)
        if self.price_mode:
            check_mode(self.price_mode)
        if self.calendar and self.calendar not in CALENDARS:
            message = f"{self.calendar!r} is not a calendar; choose {', '.join(CALENDARS)}."
            raise Invalid(message, code="upload.calendar", details={"field": "calendar"})
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                message = f"{name} is {getattr(self, name)!r}; choose one of {known[1:]}."
                raise Invalid(message, code="upload.choice", details={"field": name})

    def asked(self, kept: files.Kept) -> reading.Asked:
        """Return what the reader is to do."""
        wished = {header: role for role, header in self.mapping.items() if header}
        return reading.Asked(
            path=kept.path,
            name=kept.name,
            columns={**wished, **{name: role for name, role in self.columns.items() if role}},
            kind=self.kind,
            symbol=self.symbol,
            metric=self.metric,
            index=self.index,
            delimiter=self.delimiter,
            decimal=self.decimal,
            terms={
                "timeframe": self.timeframe,
                "calendar": self.calendar,
                "stamp": self.stamp or "open",
                "defects": self.defects,
                "price_mode": self.price_mode,
            },
        )


def take_in(*, team_id: int, upload: Upload, now: datetime) -> files.Kept:
    """Return the file on disk, written there when the request brings it."""
    upload.check()
    if upload.sent is not None:
        return files.keep(team_id=team_id, sent=upload.sent, now=now)
    return files.find(team_id=team_id, file_id=upload.file_id)


def read_kept(
    *,
    upload: Upload,
    kept: files.Kept,
    folder: Path,
    tell: Callable[[int, str], None] | None = None,
) -> reading.Report:
    """Have a file read. Raises ``Invalid`` with what was understood of it among the details."""
    report = reading.read_file(upload.asked(kept), folder, tell)
    if report.error is not None:
        report.error.details |= {
            "upload": kept.id,
            "file": kept.name,
            "seconds": report.seconds,
            "peak_mb": report.peak_mb,
            "tables": [_understood(table) for table in report.tables],
        }
        raise report.error
    return report


def preview_upload(*, team_id: int, upload: Upload, now: datetime) -> dict[str, Any]:
    """Return what a file holds and where it would be stored, or raise; nothing is stored."""
    kept = take_in(team_id=team_id, upload=upload, now=now)
    with files.scratch() as folder:
        report = read_kept(upload=upload, kept=kept, folder=folder)
        known = _known(team_id, upload.dataset)
        tables = [_described(table, known) for table in report.tables]
    return {
        "upload": kept.id,
        "file": kept.name,
        "bytes": kept.size,
        "seconds": report.seconds,
        "peak_mb": report.peak_mb,
        "rows": sum(table["rows"] for table in tables),
        "tables": tables,
    }


def _known(team_id: int, dataset: str) -> list[str]:
    rows = Instrument.objects.filter(dataset__team_id=team_id, dataset__name=dataset)
    return list(rows.order_by("symbol").values_list("symbol", flat=True))


def _understood(table: reading.Table) -> dict[str, Any]:
    names = ("name", "kind", "columns", "format", "encoding", "delimiter", "decimal", "notes")
    return {name: table.facts.get(name) for name in names}


def _described(table: reading.Table, known: list[str]) -> dict[str, Any]:
    facts = table.facts
    shown = [{**item, **_dated(item)} for item in facts["symbols"][:MAX_SHOWN]]
    return {
        **_understood(table),
        "rows": rows_of(table),
        "holds": HOLDS[table.kind],
        "goes_to": goes_to(table),
        "symbols": shown,
        "symbol_count": len(facts["symbols"]),
        "timeframes": sorted(set((facts.get("timeframes") or {}).values())),
        "calendar": facts.get("calendar", ""),
        "price_mode": facts.get("price_mode", ""),
        "kinds": [{"kind": k["kind"], "rows": k["rows"]} for k in facts.get("kinds", [])],
        "figures": facts.get("figures", []),
        "dividends": facts.get("dividends", 0),
        "splits": facts.get("splits", 0),
        "index": facts.get("index", ""),
        "aside": [{**row, "ts": iso(row["ts"])} for row in facts.get("aside", [])[:20]],
        "aside_count": len(facts.get("aside", [])),
        "alike": symbols.look_alikes(table.names, known),
        "head": [{**row, **_dated(row)} for row in facts["head"]],
    }


def rows_of(table: reading.Table) -> int:
    """Return how many rows a table has."""
    facts = table.facts
    return int(facts.get("rows") or len(facts.get("members", [])) or len(facts.get("renames", [])))


def goes_to(table: reading.Table) -> str:
    """Return in words where the rows of a table are stored."""
    facts = table.facts
    if table.kind == roles.BARS:
        parts = [f"bars of {_instruments(facts)}"]
        parts += [f"figures {', '.join(facts['figures'])}"] if facts["figures"] else []
        if facts.get("dividends") or facts.get("splits"):
            parts.append(f"{facts['dividends']:,} dividends and {facts['splits']:,} splits")
        parts += [f"{len(facts['aside']):,} bars in quarantine"] if facts["aside"] else []
        return ", ".join(parts)
    if table.kind == roles.METRICS:
        kinds = ", ".join(item["kind"] for item in facts["kinds"][:12])
        return f"figures {kinds} of {_instruments(facts)}"
    if table.kind == roles.ACTIONS:
        return f"{facts['dividends']:,} dividends and {facts['splits']:,} splits"
    if table.kind == roles.MEMBERS:
        return f"members of the index {facts['index']}"
    return "ticker changes"


def _instruments(facts: dict[str, Any]) -> str:
    count = len(facts["symbols"])
    return f"{count:,} instrument{'' if count == 1 else 's'}"


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    names = {"ts", "first", "last", "joined", "left", "on"} & row.keys()
    return {name: iso(row[name]) for name in names if row[name] is not None}
