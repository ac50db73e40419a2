"""The process that reads an uploaded file: within limits, without the network.

Started by ``reading`` as ``python -m apps.market.providers.uploads.child``; a request comes in as
one line of JSON, progress and the report go out as lines of JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import platform
import resource
import struct
import sys
import time
from pathlib import Path
from typing import Any

from apps.core.errors import Invalid, LabError
from apps.market.providers.uploads import (
    actions,
    bars,
    containers,
    gather,
    metrics,
    reference,
    roles,
    symbols,
    tables,
)

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER_MODE = 38, 22, 2
# Per machine: its number for the kernel, and the calls refused: socket, connect, bind, execve,
# execveat, ptrace.
CALLS = {
    "x86_64": (0xC000003E, (41, 42, 49, 59, 322, 101)),
    "aarch64": (0xC00000B7, (198, 203, 200, 221, 281, 117)),
}


class WithoutPandas:
    """Hides pandas from Arrow, which would spend most of a second on importing it unasked."""

    def find_spec(self, name: str, *rest: object) -> None:
        """Find no module called pandas."""
        del rest
        if name == "pandas":
            raise ImportError(name)


def main() -> int:
    """Read the file that the request names and report."""
    request = json.loads(sys.stdin.readline())
    confine(request)
    _say(read(request))
    return 0


def read(request: dict[str, Any]) -> dict[str, Any]:
    """Return the report on a file: its tables, or why it was refused, and what reading took."""
    started = time.monotonic()
    report: dict[str, Any] = {"tables": [], "error": None}
    try:
        _read(request, report)
    except LabError as error:
        report["error"] = _as_json(error)
    except MemoryError:
        report["error"] = _as_json(tables.unreadable("reading it needs more memory than is given"))
    except Exception as error:  # noqa: BLE001 whatever a damaged file makes a parser do
        what = f"the reader gave up with {type(error).__name__}: {error}"[:300]
        report["error"] = _as_json(tables.unreadable(what))
    report["seconds"] = round(time.monotonic() - started, 3)
    report["peak_mb"] = round(_peak_kilobytes() / 1024, 1)
    return report


def _peak_kilobytes() -> int:
    """Return the most memory held; the kernel's other figure counts the parent's before exec."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def confine(request: dict[str, Any]) -> None:
    """Give up what a reader of files doesn't need: memory, time, network, other programs."""
    sys.meta_path.insert(0, WithoutPandas())
    limits = {
        resource.RLIMIT_DATA: request["memory"],
        resource.RLIMIT_FSIZE: request["disk"],
        resource.RLIMIT_CPU: request["cpu_seconds"],
        resource.RLIMIT_NOFILE: 512,
        resource.RLIMIT_CORE: 0,
    }
    for name, value in limits.items():
        hard = resource.getrlimit(name)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))
    _refuse_calls()


def _refuse_calls() -> None:
    """Have the kernel refuse the network and other programs, where it can (seccomp)."""
    if sys.platform != "linux" or platform.machine() not in CALLS:
        return
    machine, numbers = CALLS[platform.machine()]
    code = [(0x20, 0, 0, 4), (0x15, 0, len(numbers) + 1, machine), (0x20, 0, 0, 0)]
    code += [(0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    code += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | 1)]
    packed = b"".join(struct.pack("HBBI", *line) for line in code)
    lines = ctypes.create_string_buffer(packed)
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(lines))
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_SECCOMP, FILTER_MODE, program, 0, 0)


def _read(request: dict[str, Any], report: dict[str, Any]) -> None:
    folder = Path(request["folder"])
    members = containers.unpack(Path(request["path"]), request["name"], folder)
    for number, member in enumerate(members):
        place = folder / f"table{number}"
        place.mkdir()
        table: dict[str, Any] = {"name": member.name}
        report["tables"].append(table)
        _read_member(member, place, request, table, many=len(members) > 1)
        if member.path.parent == folder:
            member.path.unlink()  # what was unpacked has been read


def _read_member(
    member: containers.Member,
    place: Path,
    request: dict[str, Any],
    table: dict[str, Any],
    *,
    many: bool,
) -> None:
    source = tables.open_source(
        member, place, delimiter=request["delimiter"], decimal=request["decimal"]
    )
    there = {column.name for column in source.columns}
    wished = {name: role for name, role in request["columns"].items() if name in there or not many}
    wish = roles.Wish(wished, request["kind"], request["symbol"], request["metric"])
    table |= {**source.form, "columns": _columns(source.columns)}
    columns = roles.propose(source.columns, wish)
    table["columns"] = _columns(columns)
    kind = roles.kind_of(columns, wish)
    table["kind"], table["notes"] = kind, []
    headers = {c.role: c.name for c in columns if c.role not in {roles.FIGURE, roles.OMIT}}
    if kind in {roles.MEMBERS, roles.RENAMES}:
        shaped = reference.shape_reference(source, columns, kind, request["index"])
        table |= shaped.facts
        return
    symbol = _symbol(member, kind, headers, request, table["notes"])
    found = gather.gather(
        source,
        columns,
        kind,
        symbol=symbol,
        spool=tables.Spool(place),
        tell=lambda rows: _say({"rows": rows, "name": member.name}),
    )
    found.notes += table["notes"]
    shaped = _shape(found, kind, member.name, {**headers, **found.fields}, request, symbol)
    left = [c.name for c in columns if c.role == roles.OMIT and c.type != "empty"]
    if left:
        found.notes.append(f"Columns left out: {', '.join(left[:20])}.")
    table |= {
        **shaped.facts,
        "rows": found.rows,
        "notes": found.notes,
        "names": found.names.all,
        "arrays": {name: [found.spool.dtypes[name], path] for name, path in shaped.arrays.items()},
        "alike": symbols.look_alikes(found.names.all),
    }


def _shape(
    found: gather.Gathered,
    kind: str,
    file: str,
    headers: dict[str, str],
    request: dict[str, Any],
    symbol: str,
) -> bars.Shaped:
    if kind == roles.BARS:
        terms = bars.Terms(**request["terms"])
        shaped = bars.shape_bars(found, terms, file, headers)
        actions.beside_bars(found, shaped, file, headers)
        return shaped
    if kind == roles.ACTIONS:
        return actions.shape_actions(found, file, headers)
    wide = "symbol" not in headers and not symbol
    return metrics.shape_metrics(found, wide=wide, metric=request["metric"], headers=headers)


def _symbol(
    member: containers.Member,
    kind: str,
    headers: dict[str, str],
    request: dict[str, Any],
    notes: list[str],
) -> str:
    """Return the symbol of every row: the one given, or the name of the file."""
    if "symbol" in headers or (kind == roles.METRICS and not request["symbol"]):
        return ""
    symbol = symbols.normalise(request["symbol"]) or symbols.from_file_name(member.name)
    if not symbol:
        message = (
            f"{member.name} lacks symbol; give one symbol for the whole file, or map the column "
            "that holds it."
        )
        raise Invalid(message, code="upload.columns", details={"missing": ["symbol"]})
    if wrong := symbols.fault(symbol):
        raise tables.unreadable(f"the symbol is {wrong}")
    if not request["symbol"]:
        notes.append(f"The file has no column of symbols: {symbol} is its name.")
    return symbol


def _columns(columns: list[roles.Column]) -> list[dict[str, Any]]:
    return [
        {"name": c.name, "type": c.type, "role": c.role, "examples": list(c.examples)}
        for c in columns
    ]


def _as_json(error: LabError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "details": error.details}


def _say(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
