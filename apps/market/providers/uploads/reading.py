"""Has a child process read an uploaded file, and takes over what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid, LabError

ROOT = Path(__file__).resolve().parents[4]
MEMORY = 400 * 2**20  # what the child may allocate; its libraries come on top, below 512 MiB
DISK = 3 * 2**30
BASE_CPU_SECONDS = 6
BYTES_PER_CPU_SECOND = 2**20
WALL_PER_CPU = 5  # other work may hold the processors
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_NUM_THREADS": "1",
    "ARROW_IO_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A file on disk and how to read it; what is empty is found out.

    Parameters
    ----------
    columns
        Name of a column in the file to its role.
    terms
        See ``bars.Terms``.
    """

    path: Path
    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    symbol: str = ""
    metric: str = ""
    index: str = ""
    delimiter: str = ""
    decimal: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """What one plain file holds: facts for people, arrays for the store."""

    facts: dict[str, Any]

    @property
    def kind(self) -> str:
        """What it holds: bars, actions, metrics, members or renames."""
        return str(self.facts.get("kind", ""))

    @property
    def names(self) -> list[str]:
        """The symbols by number."""
        return list(self.facts.get("names", []))

    def array(self, name: str) -> NDArray[Any]:
        """Return a column, mapped from disk."""
        dtype, path = self.facts["arrays"][name]
        if not Path(path).stat().st_size:
            return np.empty(0, dtype)
        return np.memmap(path, dtype, mode="r")

    def has(self, name: str) -> bool:
        """Tell whether there is such a column."""
        return name in self.facts.get("arrays", {})

    def slices(self, codes: str) -> Iterator[tuple[str, slice]]:
        """Return each symbol with the rows that are its own in columns ordered by symbol."""
        numbers = self.array(codes)
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for a, b in pairwise(cuts):
            if b > a:
                yield self.names[int(numbers[a])], slice(a, b)


@dataclass(frozen=True, slots=True)
class Report:
    """What reading a file came to; ``error`` says why it was refused."""

    tables: list[Table]
    error: LabError | None
    seconds: float
    peak_mb: float


def read_file(
    asked: Asked, folder: Path, tell: Callable[[int, str], None] | None = None
) -> Report:
    """Return what a file holds, read by a child process within limits.

    Parameters
    ----------
    folder
        An empty folder for the columns; the caller removes it.
    tell
        Called with rows read and the name of the file they are in.
    """
    size = asked.path.stat().st_size
    cpu = BASE_CPU_SECONDS + size // BYTES_PER_CPU_SECOND
    child = subprocess.Popen(
        [sys.executable, "-m", "apps.market.providers.uploads.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**QUIET, "PATH": os.defpath, "TMPDIR": str(folder)},
        start_new_session=True,
    )
    started = time.monotonic()
    watch = threading.Timer(cpu * WALL_PER_CPU, child.kill)
    watch.start()
    try:
        last = _converse(child, _request(asked, folder, cpu), tell)
    finally:
        watch.cancel()
        child.kill()
        child.wait()
    if "tables" not in last:
        error = _killed(asked.name)
        return Report([], error, round(time.monotonic() - started, 3), MEMORY / 2**20)
    found = [Table(facts) for facts in last["tables"]]
    return Report(found, _error(last["error"]), last["seconds"], last["peak_mb"])


def _request(asked: Asked, folder: Path, cpu: int) -> dict[str, Any]:
    return {
        "path": str(asked.path),
        "name": asked.name,
        "folder": str(folder),
        "columns": dict(asked.columns),
        "kind": asked.kind,
        "symbol": asked.symbol,
        "metric": asked.metric,
        "index": asked.index,
        "delimiter": asked.delimiter,
        "decimal": asked.decimal,
        "terms": dict(asked.terms),
        "memory": MEMORY,
        "disk": DISK,
        "cpu_seconds": cpu,
    }


def _converse(
    child: subprocess.Popen[bytes],
    request: dict[str, Any],
    tell: Callable[[int, str], None] | None,
) -> dict[str, Any]:
    """Send the request, pass progress on, return the report; nothing when the child died."""
    assert child.stdin is not None  # noqa: S101 for the type checker
    assert child.stdout is not None  # noqa: S101
    try:
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.close()
    except BrokenPipeError:
        return {}
    for line in child.stdout:
        try:
            facts: dict[str, Any] = json.loads(line)
        except ValueError:
            return {}
        if "tables" in facts:
            return facts
        if tell is not None:
            tell(int(facts["rows"]), str(facts["name"]))
    return {}


def _error(facts: dict[str, Any] | None) -> LabError | None:
    if facts is None:
        return None
    return Invalid(facts["message"], code=facts["code"], details=facts["details"])


def _killed(name: str) -> Invalid:
    message = (
        f"{name} was refused and nothing stored: reading it took more memory or time than a file "
        "of its size is given, or crashed the reader. It is damaged, or made to do harm."
    )
    return Invalid(message, code="upload.limits", details={"field": "file"})
