"""A TimescaleDB server for tests, run from a Debian root folder made by ``.ci/run``."""

import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from apps.core.lab.postgres import FAST_AND_UNSAFE, SETTINGS
from tests.servers import template

# As in the embedded server. Compiling a query over many chunks takes longer than the query.
ALIKE = ("jit", "max_wal_size", "checkpoint_timeout")
ROOT = Path(os.environ.get("TIMESCALE_ROOT", "/opt/quantsite-timescale"))
BIN = "/usr/lib/postgresql/17/bin"


def why_missing():
    """Say why the server can't run here; nothing when it can."""
    if not (ROOT / BIN.lstrip("/") / "postgres").exists():
        return f"no TimescaleDB under {ROOT}; .ci/run makes it"
    if os.geteuid() != 0:
        return "the server is run in a root folder, which needs root"
    return ""


class TimescaleServer:
    """PostgreSQL 17 with TimescaleDB on a unix socket inside the root folder."""

    def __init__(self):
        self.name = f"qs{secrets.token_hex(4)}"
        self.inside = f"/var/tmp/{self.name}"
        self.outside = ROOT / self.inside.lstrip("/")
        self.process = None

    @property
    def data(self):
        return self.outside / "data"

    def start(self, made=None):
        """Start on a fresh data folder, or on a copy of one that was made."""
        self.outside.mkdir(mode=0o700)
        shutil.chown(self.outside, *self._owner())
        folder = f"{self.inside}/data"
        if made:
            template.copy(made, self.data)
        else:
            self._run(f"{BIN}/initdb", "-D", folder, "-U", "admin", "-A", "trust", "-N")
        settings = {
            **FAST_AND_UNSAFE,
            **{name: SETTINGS[name] for name in ALIKE},
            "listen_addresses": "",
            "unix_socket_directories": self.inside,
            "shared_preload_libraries": "timescaledb",
            "timescaledb.telemetry_level": "off",
            "dynamic_shared_memory_type": "mmap",
            "max_connections": "50",
        }
        options = [f"-c{key}={value}" for key, value in settings.items()]
        self.process = subprocess.Popen(
            [*self._command(), f"{BIN}/postgres", "-D", f"{self.inside}/data", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    @property
    def admin_dsn(self):
        return f"host={self.outside} user=admin dbname=postgres"

    def rest(self):
        """Stop the server, so that its files are whole."""
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None

    def stop(self):
        self.rest()
        shutil.rmtree(self.outside, ignore_errors=True)

    def _command(self):
        return ["chroot", "--userspec=postgres:postgres", str(ROOT)]

    def _run(self, *arguments):
        subprocess.run([*self._command(), *arguments], check=True, capture_output=True)

    def _owner(self):
        lines = (ROOT / "etc/passwd").read_text().splitlines()
        fields = next(line.split(":") for line in lines if line.startswith("postgres:"))
        return int(fields[2]), int(fields[3])

    def _wait(self):
        for _ in range(600):
            try:
                psycopg.connect(self.admin_dsn, connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("TimescaleDB did not start")
