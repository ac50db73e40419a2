"""Tiers of isolation: bubblewrap's namespaces with the guard's fences within, or the guard alone.

Tier A is used wherever it holds. Tier B takes its place where user namespaces are missing, and
only when the lab can give the text a user of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from apps.core.errors import LabError
from apps.strategies.sandbox import canary, tree
from apps.strategies.sandbox.base import Status, unavailable
from apps.strategies.sandbox.processes import Child, Ended, Process

MIB = 1 << 20
STARTS_WITHIN_SECONDS = 30.0
HOUR = 3600.0
# After so long without another being asked for, one is made ready for the next time.
REFILL_SECONDS = 0.3
TIERS = ("A", "B")
DOUBT = "doubt"
# Of a user namespace in tier A; shared by all texts of the machine that run in tier B.
THREADS = {"A": 8, "B": 256}
BOOT = "import sys; sys.path[:0] = {path}; import runner"
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    # The same text gives the same bytes: sets of words are gone through in one order.
    "PYTHONHASHSEED": "0",
}
# What bubblewrap and Python set by themselves.
BESIDES = ("PWD", "LC_CTYPE", "LD_LIBRARY_PATH")


class Bubblewrap:
    """Opens processes of the best tier that holds; keeps one ready, so that a run need not wait.

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
    tiers
        Those that may be used, the best first.
    """

    def __init__(
        self, *, home: str, uid: int = 64001, seconds: float = 60.0, memory_mb: int = 1024,
        output: int = 65_536, program: str = "bwrap", keep_ready: bool = True,
        tiers: Sequence[str] = TIERS,
    ) -> None:  # fmt: skip
        self.home, self.seconds, self.keep_ready = Path(home), seconds, keep_ready
        self.uid = uid if os.geteuid() == 0 else os.geteuid()
        self.memory, self.output, self.program = memory_mb * MIB, output, program
        self.tiers = tuple(tier for tier in TIERS if tier in tiers)
        self._found: tuple[float, Status] | None = None
        self._spare: tuple[int, Process] | None = None
        self._lock = threading.Lock()
        self._due: threading.Timer | None = None

    @property
    def is_made(self) -> bool:
        """Whether what it needs on disk is there, or nothing can be made: trying it is quick."""
        can_be = shutil.which(self.program) is not None or os.geteuid() == 0
        return not can_be or tree.place_of(self.home).is_dir()

    def status(self, *, fresh: bool = False) -> Status:
        """Return whether it holds, tried at most an hour ago, or just now."""
        found = self._found
        if fresh or found is None or time.time() - found[0] > HOUR or self._is_doubted(found[0]):
            status = self._try_all()
            if not status.holds:
                self.close()
                if found is None or found[1].holds:
                    self._doubt()
            found = self._found = (time.time(), status)
        return found[1]

    def _doubt(self) -> None:
        """Let every other process of the lab try for itself before it runs another text."""
        with suppress(OSError):
            mark = self.home / DOUBT
            mark.touch()
            # Not the clock of files, which may be some milliseconds behind.
            os.utime(mark, (time.time(), time.time()))

    def _is_doubted(self, since: float) -> bool:
        """Tell whether another process found that it does not hold."""
        try:
            return (self.home / DOUBT).stat().st_mtime > since
        except OSError:
            return False

    def open(self) -> Process:
        """Return a process behind all fences. Raises ``Conflict`` where they don't hold."""
        status = self.status()
        if not status.holds:
            raise unavailable(status.why)
        process = self._take() or self._start(status.tier)
        try:
            process.ready(STARTS_WITHIN_SECONDS)
        except (Ended, TimeoutError, LabError) as error:
            process.close()
            raise unavailable(str(error) or "its process did not start") from error
        self._refill_soon(REFILL_SECONDS)
        return process

    def start_cold(self) -> Process:
        """Return a process made just now, whatever is kept ready: for measurements."""
        process = self._start(self.status().tier)
        process.ready(STARTS_WITHIN_SECONDS)
        return process

    def close(self) -> None:
        """End the process that is kept ready."""
        with self._lock:
            if self._due is not None:
                self._due.cancel()
            self._due = None
        spare = self._take()
        if spare is not None:
            spare.close()

    def _take(self) -> Process | None:
        """Return the process kept ready by this very process of the lab, if it lives."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is None or spare[0] != os.getpid():
            return None
        if spare[1].is_alive:
            return spare[1]
        spare[1].close()
        return None

    def _refill_soon(self, seconds: float) -> None:
        """Make one ready in a while: now it would take time from the one just handed out."""
        if not self.keep_ready:
            return
        with self._lock:
            if self._due is not None and self._due.is_alive():
                return
            self._due = threading.Timer(seconds, self._refill, (os.getpid(),))
            self._due.daemon = True
            self._due.start()

    def _refill(self, pid: int) -> None:
        if pid != os.getpid() or self._spare is not None or not self.status().holds:
            return
        with suppress(OSError, RuntimeError):
            self._keep((pid, self._start(self.status().tier)))

    def _keep(self, spare: tuple[int, Process]) -> None:
        with self._lock:
            before, self._spare = self._spare, spare
        if before is not None:
            before[1].close()

    def _try_all(self) -> Status:
        """Return the first tier that holds; what came before it is told in ``why``."""
        reasons: list[str] = []
        for tier in self.tiers:
            found = self._try(tier)
            if found.holds:
                why = f"no tier {', '.join(reasons)}" if reasons else ""
                return Status(tier, why, found.guard, self.uid, found.fences, found.checks)
            reasons.append(f"{tier}: {found.why}")
        why = "; ".join(reasons) or "no tier is allowed"
        return Status("", why, uid=self.uid)

    def _try(self, tier: str) -> Status:
        """Run the canary, and say where it came through."""
        if tier == "B" and os.geteuid() != 0:
            return Status("", "the lab was not started by root, so it has no other user to give")
        try:
            process = self._start(tier)
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
        return Status("" if why else tier, why, tree.digest_of_tree(), self.uid, fences, checks)

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
            process.ask("begin", meta={}, n_assets=1, extras=[])
            wanted = {"targets": rows.shape}
            _, found = process.ask("targets", params=params, given=given, wanted=wanted)
        return dict(zip(canary.NAMES, (found["targets"][:, 0] == 1.0).tolist(), strict=True))

    def _start(self, tier: str) -> Process:
        """Start a process; it says by itself when its fences stand. Raises ``OSError``.

        It ends with the thread that started it, so that is one which stays.
        """
        return _starter(os.getpid()).submit(self._start_here, tier).result()

    def _start_here(self, tier: str) -> Process:
        program = shutil.which(self.program)
        if tier == "A" and program is None:
            raise FileNotFoundError(f"{self.program} is not installed (Debian: bubblewrap)")
        root = tree.build(self.home)
        within = "" if tier == "A" else str(root)
        ours, theirs = _pipes()
        config = {
            "answers": theirs["answers"],
            "faults": theirs["faults"],
            "output": self.output,
            "parent": 0 if tier == "A" else os.getpid(),
            "readable": [within or "/"],
            "limits": {
                "memory": self.memory,
                "cpu_seconds": int(2 * self.seconds) + 2,
                "threads": THREADS[tier],
            },
        }
        libraries = f"{within}/py/so"
        walls = [str(program), *_walls(root, libraries)] if tier == "A" else []
        path = [f"{within}/py/inside", f"{within}/py/packages"]
        as_root = os.geteuid() == 0
        try:
            child = Child(
                [*walls, f"{within}/{tree.PYTHON}", "-P", "-s", "-S", "-c",
                 BOOT.format(path=path), json.dumps(config)],
                stdin=theirs["asks"], stdout=theirs["stray"], stderr=theirs["stray"],
                pass_fds=(theirs["answers"], theirs["faults"]),
                env={} if walls else {**ENVIRONMENT, "LD_LIBRARY_PATH": libraries},
                cwd="/" if walls else within, start_new_session=True,
                user=self.uid if as_root else None,
                group=self.uid if as_root else None,
                extra_groups=[] if as_root else None,
            )  # fmt: skip
        except OSError:
            for fd in ours.values():
                os.close(fd)
            raise
        finally:
            for fd in theirs.values():
                os.close(fd)
        return Process(child, **ours, seconds=self.seconds, ended=self._after(os.getpid()))

    def _after(self, pid: int) -> Callable[[], None]:
        def ended() -> None:
            if pid == os.getpid() and self._spare is None and self._due is not None:
                self._refill_soon(0.0)

        return ended


def _pipes() -> tuple[dict[str, int], dict[str, int]]:
    """Return the lab's ends and the process's ends of four pipes."""
    ours, theirs = {}, {}
    theirs["asks"], ours["asks"] = os.pipe()
    for name in ("answers", "faults", "stray"):
        ours[name], theirs[name] = os.pipe()
    return ours, theirs


@cache
def _starter(_pid: int) -> ThreadPoolExecutor:
    """Return the one thread of this process that starts others; it does not survive a fork."""
    return ThreadPoolExecutor(1, thread_name_prefix="sandbox")


def _walls(root: Path, libraries: str) -> list[str]:
    """Return bubblewrap's arguments: every namespace, the tree read-only and nothing else."""
    words = [
        "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
        "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--hostname", "sandbox", "--clearenv",
    ]  # fmt: skip
    for name, value in {**ENVIRONMENT, "LD_LIBRARY_PATH": libraries}.items():
        words += ["--setenv", name, value]
    return [*words, "--ro-bind", str(root), "/", "--chdir", "/", "--"]
