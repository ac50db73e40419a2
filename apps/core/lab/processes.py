"""Processes as Linux shows them: which one is meant, whether it lives, how it is stopped."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

PR_SET_PDEATHSIG = 1
LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that can't be mistaken for a later one with the same number."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Return the identity of a living process; None when there is none."""
        started = start_ticks(pid)
        return None if started is None else cls(pid, started)

    @property
    def lives(self) -> bool:
        """Tell whether this very process still runs."""
        return start_ticks(self.pid) == self.started


def start_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot; None for dead or zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def folder_of(pid: int) -> Path | None:
    """Return the folder a process works in; None when that can't be seen."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def command_of(pid: int) -> list[str]:
    """Return the command line of a process; empty when that can't be seen."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode(errors="replace") for part in raw.split(b"\0") if part]


def launched(command: Sequence[str | Path], *, on_death: int = 0, root: str = "keep") -> list[str]:
    """Return the command line that starts ``command`` through the launcher."""
    parts = [shutil.which(str(command[0])) or str(command[0]), *map(str, command[1:])]
    if not on_death and root == "keep":
        return parts
    python = [sys.executable, "-I", "-S", str(LAUNCHER)]
    return [*python, str(os.getpid()), str(int(on_death)), root, *parts]


def start(
    command: Sequence[str | Path],
    *,
    log: IO[Any] | int,
    on_death: int = signal.SIGTERM,
    root: str = "keep",
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
    files: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that the kernel ends with this one.

    Call it from a thread that lives as long as the process shall: the kernel watches the thread.
    """
    return subprocess.Popen(  # noqa: S603 our own commands
        launched(command, on_death=on_death, root=root),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=folder,
        pass_fds=files,
        start_new_session=True,
    )


def die_with_parent(number: int) -> None:
    """Have the kernel send us ``number`` when the process that started us dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def wait_gone(process: ProcessId, seconds: float) -> bool:
    """Wait until the process is gone; tell whether it is."""
    until = time.monotonic() + seconds
    while process.lives:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def stop_by(process: ProcessId, steps: Sequence[tuple[int, float]]) -> bool:
    """Send one signal after the other, each with its seconds to work; tell whether it is gone."""
    for number, seconds in steps:
        if not process.lives:
            return True
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return True
        if wait_gone(process, seconds):
            return True
    return not process.lives
