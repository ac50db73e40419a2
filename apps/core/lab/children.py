"""Child processes: started, watched, restarted with back-off, stopped; their logs kept small."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from apps.core.lab import processes
from apps.core.lab.plan import ChildSpec
from apps.core.lab.processes import ProcessId

LOG_LIMIT = 8 * 2**20
KEPT_LOGS = 3
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
STEADY_SECONDS = 60.0
LOOK_BACK = 12
# The last line of a traceback: a dotted name, or one that ends in Error, then a colon.
ERROR_LINE = re.compile(r"(([A-Za-z_]\w*\.)+\w+|\w*(Error|Exception)): ")


class Process(Protocol):
    """A running process of ours: one we started, or one we took on."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | Any:
        """How it ended, once that was asked for."""

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end and return how it was."""


class Supervised(Protocol):
    """What the supervisor watches: a child, or one of the two servers."""

    name: str

    @property
    def process(self) -> Process | None:
        """The process, when there is one."""

    def start(self) -> None:
        """Start the process."""

    def stop(self) -> None:
        """Stop it."""


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start of something that dies again and again."""

    wait: float = 0.0
    started: float = 0.0

    def died(self, now: float) -> float:
        """Return when to start again, given that it died at ``now``."""
        steady = now - self.started >= STEADY_SECONDS
        self.wait = FIRST_WAIT if steady or not self.wait else min(self.wait * 2, LONGEST_WAIT)
        return now + self.wait


class Child:
    """A process of the plan, with its log file."""

    def __init__(self, spec: ChildSpec, logs: Path, folder: Path, common: dict[str, str]) -> None:
        self.spec = spec
        self.name = spec.name
        self.log = logs / f"{spec.name}.log"
        self.folder = folder
        self.environment = {**os.environ, **common, **spec.environment, "PROCESS_NAME": spec.name}
        self.process: Process | None = None

    def start(self) -> None:
        """Start the process; its words go to its log."""
        with self.log.open("ab") as log:
            self.process = processes.start(
                self.spec.command,
                log=log,
                on_death=self.spec.on_death,
                environment=self.environment,
                folder=self.folder,
            )

    def stop(self) -> None:
        """Stop the process and what it started."""
        if self.process is not None:
            stop_all([self])

    def last_words(self) -> str:
        """Return the last line of the log."""
        return last_line(self.log)


def stop_all(children: list[Child]) -> None:
    """Stop children side by side, each by its own steps."""
    stopping = [Stopping(child, list(child.spec.stop)) for child in children if is_alive(child)]
    while stopping:
        now = time.monotonic()
        stopping = [one for one in stopping if one.goes_on(now)]
        time.sleep(0.02)
    for child in children:
        sweep_group(child)


def is_alive(child: Supervised) -> bool:
    """Tell whether the process of a child runs."""
    return child.process is not None and child.process.poll() is None


@dataclass(slots=True)
class Stopping:
    """A child on its way out: the signals still to send, and when the next is due."""

    child: Child
    steps: list[tuple[int, float]]
    due: float = 0.0

    def goes_on(self, now: float) -> bool:
        """Send the next signal when it is due; tell whether to look again."""
        if self.child.process is None or not is_alive(self.child):
            return False
        if now < self.due:
            return True
        if not self.steps:
            return False
        number, seconds = self.steps.pop(0)
        self.due = now + seconds
        send(self.child.process.pid, number)
        return True


def send(pid: int, number: int) -> None:
    """Send a signal to a process, and to its whole group when it is meant to kill."""
    try:
        if number == signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def sweep_group(child: Child) -> None:
    """Kill what a dead child left in its own process group."""
    if child.process is not None and child.process.poll() is not None:
        send(child.process.pid, signal.SIGKILL)
        child.process = None


def last_line(path: Path) -> str:
    """Return the last error named near the end of a log, else its last line with words."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8000))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    errors = [line for line in lines[-LOOK_BACK:] if ERROR_LINE.match(line)]
    return (errors or lines or [""])[-1].strip()[-300:]


def rotate(log: Path, *, limit: int = LOG_LIMIT) -> bool:
    """Copy a log that has grown past the limit aside and empty it; tell whether that was done.

    The writer keeps its open file, which it appends to, so nobody needs to be told.
    """
    if not log.is_file() or log.stat().st_size <= limit:
        return False
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    shutil.copy2(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    return True


def identify(child: Supervised) -> ProcessId | None:
    """Return who a running child is."""
    return ProcessId.of(child.process.pid) if child.process is not None else None
