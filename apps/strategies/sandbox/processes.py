"""One process of the sandbox as the lab sees it: messages with a deadline, answers not trusted."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from apps.strategies.sandbox.base import Arrays, Floats, Stopped, stopped
from apps.strategies.sandbox.inside.frames import HEAD

MOST_HEAD = 1 << 20
MOST_STRAY = 1 << 16
MOST_WEIGHT = 1000.0
AT_ONCE = 1 << 20
GRACE_SECONDS = 3.0
SIGNALLED = 128
# While it is silent: how often to look what it uses, since one that is killed can't be asked.
LOOK_SECONDS = 0.25
TICKS = os.sysconf("SC_CLK_TCK")
CODES = frozenset(
    f"strategy.{name}"
    for name in ("raised", "memory_limit", "output_limit", "bad_answer", "forbidden")
)
AT_LINE = re.compile(r'File "<strategy>", line (\d{1,6})')


class Ended(Exception):
    """The process closed its end before it had answered."""


class Child(subprocess.Popen[bytes]):
    """A child that tells, once it has ended by itself, how long it and its children worked."""

    cpu_seconds = 0.0

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        try:
            pid, status, used = os.wait4(self.pid, wait_flags)
        except ChildProcessError:
            return self.pid, 0
        if pid:
            self.cpu_seconds = used.ru_utime + used.ru_stime
        return pid, status


class Process:
    """A process behind the fences, and the pipes to it."""

    def __init__(
        self, popen: Child, asks: int, answers: int, faults: int, stray: int,
        seconds: float, ended: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.popen, self.asks, self.answers, self.seconds = popen, asks, answers, seconds
        self._ended = ended
        self.faults, self.stray = faults, stray
        self.worked = 0.0
        self.is_closed = False
        self.kept = {faults: bytearray(), stray: bytearray()}
        self.incoming = bytearray()
        self.cpu_seconds, self.peak_memory = 0.0, 0
        self.output = self.stderr = ""
        self._polls: dict[int, select.poll] = {}
        for fd in (asks, answers, faults, stray):
            os.set_blocking(fd, False)

    @property
    def is_spent(self) -> bool:
        """Whether another should be opened: it is closed, or half its time is used up."""
        return self.is_closed or self.worked > self.seconds / 2

    @property
    def stray_words(self) -> str:
        """What was written past Python's own streams, or before it was stopped."""
        return bytes(self.kept[self.stray]).decode(errors="replace")

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return not self.is_closed and self.popen.poll() is None

    def ready(self, seconds: float) -> dict[str, int]:
        """Wait for the fences to stand; return what they are. Raises ``Ended`` or ``Stopped``."""
        deadline = time.monotonic() + seconds
        head, _ = self._answer(deadline, {})
        if "ready" not in head:
            raise Ended(str(head.get("missing", "no fences"))[:200])
        return {str(name): int(value) for name, value in head["ready"].items()}

    def ask(
        self,
        do: str,
        *,
        given: Arrays | None = None,
        wanted: Mapping[str, tuple[int, ...]] | None = None,
        **head: Any,
    ) -> tuple[dict[str, Any], dict[str, Floats]]:
        """Send a message and return what came back, checked. Raises ``Stopped``.

        Parameters
        ----------
        wanted
            The arrays that must come back, by name with their shapes; no others are read.
        """
        began = time.monotonic()
        try:
            self._send(do, given or {}, head, began + self.seconds + GRACE_SECONDS)
            found, arrays = self._answer(began + self.seconds + GRACE_SECONDS, wanted or {})
        except Ended:
            raise self._post_mortem(began) from None
        except TimeoutError:
            self.close()
            raise stopped("strategy.time_limit", self._late(), self._line()) from None
        except BaseException:
            self.close()
            raise
        finally:
            self.worked += time.monotonic() - began
        self.output, self.stderr = _words(found, "output"), _words(found, "stderr")
        if found.get("error"):
            self.close()
            raise _told(found["error"])
        return found, arrays

    def close(self) -> None:
        """Kill the process, and with it everything in its namespace."""
        if self.is_closed:
            return
        self.is_closed = True
        if self.popen.poll() is None:
            self._account(*used_by(self.popen.pid))
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()
        self._account(self.popen.cpu_seconds, 0)
        with suppress(Stopped):
            while self._keep(self.stray):
                pass
        for fd in (self.asks, self.answers, self.faults, self.stray):
            os.close(fd)
        if self._ended is not None:
            self._ended()

    def _account(self, cpu_seconds: float, memory: int) -> None:
        self.cpu_seconds = max(self.cpu_seconds, cpu_seconds)
        self.peak_memory = max(self.peak_memory, memory)

    def _send(self, do: str, given: Arrays, head: dict[str, Any], deadline: float) -> None:
        named = [[name, one.dtype.str, list(one.shape)] for name, one in given.items()]
        text = json.dumps({**head, "do": do, "seconds": self.seconds, "arrays": named}).encode()
        parts = [memoryview(HEAD.pack(len(text)) + text)]
        parts += [
            np.ascontiguousarray(one).reshape(-1).view("u1").data
            for one in given.values()
            if one.nbytes
        ]
        for part in parts:
            left = part
            while len(left):
                try:
                    left = left[os.write(self.asks, left[:AT_ONCE]) :]
                except BlockingIOError:
                    self._wait(self.asks, select.POLLOUT, deadline)
                except BrokenPipeError:
                    raise Ended from None

    def _answer(
        self, deadline: float, wanted: Mapping[str, tuple[int, ...]]
    ) -> tuple[dict[str, Any], dict[str, Floats]]:
        (size,) = HEAD.unpack(self._take(HEAD.size, deadline))
        if size > MOST_HEAD:
            raise _bad(f"its answer announces {size} bytes of words")
        head = _read_head(self._take(size, deadline))
        named = head.pop("arrays", None)
        if head.get("error") or not wanted:
            return head, {}
        # What is read next is what was asked for, in order, whatever else it may announce.
        if named != [[name, "<f8", list(shape)] for name, shape in wanted.items()]:
            raise _bad(f"its answer has {str(named)[:100]}, not {str(dict(wanted))[:100]}")
        arrays = {}
        for name, shape in wanted.items():
            content = self._take(int(np.prod(shape, dtype=np.int64)) * 8, deadline)
            values = np.frombuffer(content, "<f8").reshape(shape)
            arrays[name] = _checked(name, values, line_in(head))
        return head, arrays

    def _take(self, count: int, deadline: float) -> bytes:
        """Return exactly ``count`` bytes of the answer."""
        while len(self.incoming) < count:
            self._wait(self.answers, select.POLLIN, deadline)
            try:
                got = os.read(self.answers, max(AT_ONCE, count - len(self.incoming)))
            except BlockingIOError:
                continue
            if not got:
                raise Ended
            self.incoming += got
        out = bytes(self.incoming[:count])
        del self.incoming[:count]
        return out

    def _wait(self, fd: int, event: int, deadline: float) -> None:
        """Wait until ``fd`` can be used, keeping what comes on the side pipes meanwhile."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0.0:
                raise TimeoutError
            ready = {side for side, _ in self._poll(fd, event).poll(min(left, LOOK_SECONDS) * 1e3)}
            if not ready:
                self._account(*used_by(self.popen.pid))
            ended = [side for side in self.kept if side in ready and not self._keep(side)]
            if fd in ready:
                return
            if ended:
                # Its side pipes are closed: it is gone, or will not be heard of again.
                raise Ended

    def _poll(self, fd: int, event: int) -> select.poll:
        """Return what waits for ``fd`` and the side pipes, made once."""
        found = self._polls.get(fd)
        if found is None:
            found = self._polls[fd] = select.poll()
            found.register(fd, event)
            for side in self.kept:
                found.register(side, select.POLLIN)
        return found

    def _keep(self, side: int) -> bool:
        """Keep what came on a side pipe; False at its end. Raises ``Stopped`` for a flood."""
        try:
            got = os.read(side, AT_ONCE)
        except BlockingIOError:
            return not self.is_closed
        self.kept[side] += got
        if len(self.kept[side]) > MOST_STRAY:
            raise stopped("strategy.output_limit", f"more than {MOST_STRAY} bytes were written")
        return bool(got)

    def _post_mortem(self, began: float) -> Stopped:
        """Return why the process ended, by what it left behind."""
        try:
            code = self.popen.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.send_signal(signal.SIGKILL)
            code = self.popen.wait()
        # bubblewrap tells a signal as shells do, a process without it as it is.
        code = code if code >= 0 else SIGNALLED - code
        with suppress(Stopped):
            while self._keep(self.faults):
                pass
        fault, line = bytes(self.kept[self.faults]).decode(errors="replace"), self._line()
        used_up = time.monotonic() - began >= self.seconds and code == SIGNALLED + signal.SIGKILL
        self.close()
        if "Timeout (" in fault or used_up or code == SIGNALLED + signal.SIGXCPU:
            return stopped("strategy.time_limit", self._late(), line)
        if code == SIGNALLED + signal.SIGSYS:
            words = "a system call that no strategy has a reason to make"
            return stopped("strategy.forbidden", words, line)
        return stopped("strategy.killed", f"its process ended ({code}) without an answer", line)

    def _line(self) -> int | None:
        found = AT_LINE.search(bytes(self.kept[self.faults]).decode(errors="replace"))
        return int(found[1]) if found else None

    def _late(self) -> str:
        return f"it was not done after {self.seconds:g} seconds; it was ended"


def _words(head: dict[str, Any], name: str) -> str:
    """Return what was printed while a message was answered."""
    return str(head.get(name) or "")[:MOST_STRAY]


def _read_head(content: bytes) -> dict[str, Any]:
    try:
        head = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _bad("its answer is not plain JSON") from None
    if not isinstance(head, dict):
        raise _bad("its answer is no object")
    return head


def _no_constant(name: str) -> None:
    raise ValueError(name)


def line_in(head: Mapping[str, Any]) -> int | None:
    """Return the line of the text that a message names, if it can be one."""
    line = head.get("line")
    is_line = isinstance(line, int) and not isinstance(line, bool) and 0 < line < 10**6
    return line if is_line else None


def _checked(name: str, values: Floats, line: int | None) -> Floats:
    """Return weights that are numbers within reason; NaN says that nothing is wanted."""
    wrong = ~(np.isnan(values) | (np.abs(values) <= MOST_WEIGHT))
    if wrong.any():
        at = np.argwhere(wrong)[0].tolist()
        found = float(values[tuple(at)])
        words = f"{name} has {found} at {at}; weights are NaN or at most {MOST_WEIGHT:g}"
        raise stopped("strategy.bad_answer", words, line)
    return values


def _told(error: object) -> Stopped:
    """Return the error that the process told, taking from it only what it may say."""
    if not isinstance(error, dict):
        return _bad("its error is no object")
    code = str(error.get("code"))
    words = "".join(one if one.isprintable() else " " for one in str(error.get("message"))[:400])
    code = code if code in CODES else "strategy.raised"
    return stopped(code, words, line_in(error))


def _bad(words: str) -> Stopped:
    return stopped("strategy.bad_answer", words)


def used_by(pid: int) -> tuple[float, int]:
    """Return processor seconds and peak memory of a process and all below it, as far as known.

    Read from outside: what a process says of itself need not be so.
    """
    seconds, memory = 0.0, 0
    with suppress(OSError, ValueError, IndexError):
        place = Path(f"/proc/{pid}")
        fields = (place / "stat").read_text().rpartition(")")[2].split()
        seconds = (int(fields[11]) + int(fields[12])) / TICKS
        found = re.search(r"VmHWM:\s+(\d+)", (place / "status").read_text())
        memory = int(found[1]) * 1024 if found else 0
        for child in (place / "task" / str(pid) / "children").read_text().split():
            more, at_most = used_by(int(child))
            seconds, memory = seconds + more, max(memory, at_most)
    return seconds, memory
