"""Tier A: an unprivileged user, bubblewrap's namespaces, and within them the guard's fences."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from apps.core.errors import LabError
from apps.strategies.sandbox import canary, tree
from apps.strategies.sandbox.base import Status, unavailable
from apps.strategies.sandbox.processes import Ended, Process

MIB = 1 << 20
STARTS_WITHIN_SECONDS = 30.0
HOUR = 3600.0
CODE, PACKAGES = "/py/inside", "/py/packages"
ENVIRONMENT = {
    "LD_LIBRARY_PATH": "/py/so",
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    # The same text gives the same bytes: sets of words are gone through in one order.
    "PYTHONHASHSEED": "0",
}
# What bubblewrap and Python set by themselves.
BESIDES = ("PWD", "LC_CTYPE")


class Bubblewrap:
    """Opens processes of tier A; keeps one ready, so that a run does not wait for it.

    Parameters
    ----------
    home
        Where the tree is made; below ``/opt`` or the like when the lab is started by root, since
        ``uid`` must be able to read it.
    uid
        Whom a text runs as when the lab is started by root. Otherwise it is the lab's own user,
        within a user namespace.
    seconds, memory_mb
        How long one call may take, and how much memory the process may have.
    """

    def __init__(
        self, *, home: str, uid: int = 64001, seconds: float = 60.0, memory_mb: int = 1024,
        output: int = 65_536, program: str = "bwrap", keep_ready: bool = True,
    ) -> None:  # fmt: skip
        self.home, self.seconds, self.keep_ready = Path(home), seconds, keep_ready
        self.uid = uid if os.geteuid() == 0 else os.geteuid()
        self.memory, self.output, self.program = memory_mb * MIB, output, program
        self._found: tuple[float, Status] | None = None
        self._spare: tuple[int, Process] | None = None

    @property
    def is_made(self) -> bool:
        """Whether what it needs on disk is there, or nothing can be made: trying it is quick."""
        return shutil.which(self.program) is None or tree.place_of(self.home).is_dir()

    def status(self, *, fresh: bool = False) -> Status:
        """Return whether it holds, tried at most an hour ago, or just now."""
        if fresh or self._found is None or time.monotonic() - self._found[0] > HOUR:
            self._found = (time.monotonic(), self._try())
        return self._found[1]

    def open(self) -> Process:
        """Return a process behind all fences. Raises ``Conflict`` where they don't hold."""
        status = self.status()
        if not status.holds:
            raise unavailable(status.why)
        spare, self._spare = self._spare, None
        if spare is not None and spare[0] == os.getpid() and spare[1].is_alive:
            process = spare[1]
        else:
            process = self._start()
        if self.keep_ready:
            self._spare = (os.getpid(), self._start())
        try:
            process.ready(STARTS_WITHIN_SECONDS)
        except (Ended, TimeoutError, LabError) as error:
            process.close()
            raise unavailable(str(error) or "its process did not start") from error
        return process

    def start_cold(self) -> Process:
        """Return a process made just now, whatever is kept ready: for measurements."""
        process = self._start()
        process.ready(STARTS_WITHIN_SECONDS)
        return process

    def close(self) -> None:
        """End the process that is kept ready."""
        spare, self._spare = self._spare, None
        if spare is not None and spare[0] == os.getpid():
            spare[1].close()

    def _try(self) -> Status:
        """Run the canary, and say where it came through."""
        try:
            process = self._start()
        except OSError as error:
            return Status("", f"its process can't be started: {error}", uid=self.uid)
        try:
            fences = process.ready(STARTS_WITHIN_SECONDS)
            checks = self._sing(process)
        except (Ended, TimeoutError, LabError, OSError) as error:
            words = bytes(process.kept[process.stray]).decode(errors="replace").strip()
            why = words[-200:] or str(error) or "its process did not start"
            return Status("", why, uid=self.uid)
        finally:
            process.close()
        came_through = [name for name, held in checks.items() if not held]
        why = f"the canary came through: {', '.join(came_through)}" if came_through else ""
        tier = "" if came_through else "A"
        return Status(tier, why, tree.digest_of_tree(), self.uid, fences, checks)

    def _sing(self, process: Process) -> dict[str, bool]:
        with tempfile.TemporaryDirectory() as folder:
            secret = Path(folder) / "secret"
            secret.write_text("secret")
            Path(folder).chmod(0o755)
            secret.chmod(0o644)
            rows = np.zeros((len(canary.NAMES), 1))
            names = ("open", "high", "low", "close", "volume")
            given = {**dict.fromkeys(names, rows), "ts": np.arange(len(rows))}
            params = {
                "secret": str(secret),
                "uid": self.uid,
                "environment": [*ENVIRONMENT, *BESIDES],
            }
            process.ask("load", text=canary.TEXT)
            process.ask("take_panel", given=given, meta={})
            _, found = process.ask("targets", params=params, wanted={"targets": rows.shape})
        return dict(zip(canary.NAMES, (found["targets"][:, 0] == 1.0).tolist(), strict=True))

    def _start(self) -> Process:
        """Start a process; it says by itself when its fences stand. Raises ``OSError``."""
        program = shutil.which(self.program)
        if program is None:
            raise FileNotFoundError(f"{self.program} is not installed (Debian: bubblewrap)")
        root = tree.build(self.home)
        asked, asks = os.pipe()
        answers, answered = os.pipe()
        faults, fault = os.pipe()
        stray, strayed = os.pipe()
        config = {
            "answers": answered,
            "faults": fault,
            "output": self.output,
            "path": [CODE, PACKAGES],
            "limits": {
                "memory": self.memory,
                "cpu_seconds": int(2 * self.seconds) + 2,
                "threads": 8,
            },
        }
        as_root = os.geteuid() == 0
        try:
            popen = subprocess.Popen(  # noqa: S603 no word of it comes from a user
                [program, *_walls(root), f"/{tree.PYTHON}", "-P", "-s", "-S", f"{CODE}/runner.py",
                 json.dumps(config)],
                stdin=asked, stdout=strayed, stderr=strayed, pass_fds=(answered, fault),
                env={}, cwd="/", start_new_session=True,
                user=self.uid if as_root else None,
                group=self.uid if as_root else None,
                extra_groups=[] if as_root else None,
            )  # fmt: skip
        except OSError:
            for fd in (asks, answers, faults, stray):
                with suppress(OSError):
                    os.close(fd)
            raise
        finally:
            for fd in (asked, answered, fault, strayed):
                os.close(fd)
        return Process(popen, asks, answers, faults, stray, self.seconds)


def _walls(root: Path) -> list[str]:
    """Return bubblewrap's arguments: every namespace, the tree read-only and nothing else."""
    words = [
        "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
        "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--hostname", "sandbox", "--clearenv",
    ]  # fmt: skip
    for name, value in ENVIRONMENT.items():
        words += ["--setenv", name, value]
    return [*words, "--ro-bind", str(root), "/", "--chdir", "/", "--"]
