"""Children from a nursery: one process loads what all parts share and splits into them."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from apps.core.lab import processes
from apps.core.lab.children import Child
from apps.core.lab.plan import NO_CHECKS, ONE_THREAD, ChildSpec

PR_SET_CHILD_SUBREAPER = 36
MODULE = "quantsite.nursery"
SECONDS = 60.0
GO = b"g"
# Room for the longest command line of a part, which is written over this one.
ROOM = "." * 400
SPEC = ChildSpec(
    "nursery",
    (sys.executable, "-m", MODULE),
    {**ONE_THREAD, **NO_CHECKS},
    ((signal.SIGKILL, 3.0),),
    signal.SIGKILL,
)


class Adopted:
    """A child that another process of ours gave birth to; looks like a ``Popen``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        return self._look(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end and return how it was. Raises ``TimeoutExpired`` like a ``Popen``."""
        if timeout is None:
            return self._look(0)
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return self.returncode

    def _look(self, how: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, how)
            except ChildProcessError:
                self.returncode = -signal.SIGKILL
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


class Nursery:
    """The process that becomes the parts. What goes wrong with it costs its time only."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.line: socket.socket | None = None

    def start(self) -> None:
        """Let it load what it can before there are servers."""
        if sys.platform != "linux":
            return
        self.line, theirs = socket.socketpair()
        with theirs, self.child.log.open("ab") as log:
            self.child.process = processes.start(
                [*self.child.spec.command, str(theirs.fileno()), ROOM],
                log=log,
                on_death=self.child.spec.on_death,
                environment=self.child.environment,
                folder=self.child.folder,
                files=(theirs.fileno(),),
            )

    def deliver(self, parts: list[Child]) -> bool:
        """Have it become these parts; tell whether they run now."""
        if self.line is None or self.child.process is None:
            return False
        try:
            with takes_orphans_in():
                numbers = ask(self.line, [order_of(part) for part in parts])
                self.child.process.wait(SECONDS)
            for part, pid in zip(parts, numbers, strict=True):
                part.process = Adopted(pid)
            self.line.sendall(GO * len(parts))
        except (OSError, ValueError, subprocess.TimeoutExpired):
            for part in parts:
                part.stop()
            return False
        finally:
            self.close()
        return True

    def close(self) -> None:
        """End it, and with it what it may have become without being told to go."""
        if self.line is not None:
            self.line.close()
            self.line = None
        self.child.stop()


def ask(line: socket.socket, orders: list[dict[str, object]]) -> list[int]:
    """Send the orders; return the process numbers. Raises ``ValueError`` without them."""
    line.settimeout(SECONDS)
    line.sendall(json.dumps(orders).encode() + b"\n")
    heard = b""
    while not heard.endswith(b"\n"):
        more = line.recv(65536)
        if not more:
            raise ValueError("the nursery ended without a word")
        heard += more
    return [int(number) for number in json.loads(heard)]


def order_of(part: Child) -> dict[str, object]:
    """Return what the nursery must know of a part."""
    return {
        "name": part.name,
        "command": list(part.spec.command),
        "environment": part.environment,
        "log": str(part.log),
        "on_death": int(part.spec.on_death),
        "lab": os.getpid(),
    }


@contextlib.contextmanager
def takes_orphans_in() -> Iterator[None]:
    """Be the parent of what our children leave behind."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
