"""A lab in a process of its own, as a user starts it, for tests and soak runs."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from apps.core.lab.processes import ProcessId

ROOT = Path(__file__).parents[2]
FIRST_START = 300
LATER_START = 180


class Lab:
    """A lab in a process of its own."""

    def __init__(self, home, port):
        self.home, self.port = home, port
        self.process = None
        self.out = home.parent / f"{home.name}.out"

    def start(self, **environment):
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "lab"],
                cwd=ROOT,
                env={**self.environment(), **environment},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def environment(self):
        """Ours, without what the tests' own servers and settings put there."""
        foreign = ("DJANGO_", "QUANTSITE_", "DB_")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(foreign) and not name.endswith(("DATABASE_URL", "REDIS_URL"))
        }
        return {**kept, "LAB_HOME": str(self.home), "PORT": str(self.port)}

    def words(self):
        return self.out.read_text()

    @property
    def base_url(self):
        return f"http://localhost:{self.port}"

    @property
    def people(self):
        """The demo team by role."""
        found = json.loads((self.home / "credentials.json").read_text())
        return {user["role"]: user for user in found["users"]}

    def ask(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready") as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def wait_ready(self, seconds):
        until = time.monotonic() + seconds
        while self.ask()[0] != 200:
            assert self.process.poll() is None, self.words()
            assert time.monotonic() < until, f"{self.words()}\n{self.ask()}"
            time.sleep(0.2)
        return self

    def noted(self):
        rows = json.loads((self.home / "run/processes.json").read_text())
        return {row["name"]: ProcessId(row["pid"], row["started"]) for row in rows}

    def servers(self):
        first = (self.home / "postgres/postmaster.pid").read_text().split()[0]
        redis = (self.home / "run/redis.pid").read_text()
        return {"postgres": ProcessId.of(int(first)), "redis": ProcessId.of(int(redis))}

    def stop(self, number=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=60) if self.process is not None else None


def free_port():
    """Find a port below those that the kernel gives to outgoing connections meanwhile."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port from 20000 to 31999")


def wait_for(condition, seconds=30.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)
