"""Ingestions killed at random points, with servers of their own; what is left must be the same."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from apps.core.lab.servers import embedded_servers
from tests.servers.databases import Embedded

ROOT = Path(__file__).parents[2]
TRIES = 15


def chance(seed):
    """The same numbers for the same seed."""
    return random.Random(seed)  # noqa: S311


class Durable(Embedded):
    """Servers whose commits survive a kill, as in a real lab."""

    def start(self):
        self.stack = embedded_servers(self.home)
        self.servers = self.stack.__enter__()


class Killer:
    """Servers and a worker that may be killed, and runs that go on afterwards."""

    def __init__(self, home):
        self.servers = Durable(home)
        self.runner = None
        self.number = 0
        self.log = home / "runner.log"

    def __enter__(self):
        self.servers.start()
        self.servers.migrate()
        environment = {
            **os.environ,
            "QUANTSITE_ENV": "test",
            "DJANGO_SETTINGS_MODULE": "quantsite.settings",
            "LAB_HOME": str(self.servers.home),
            "DATABASE_URL": self.servers.dsn("app"),
            "REDIS_URL": self.servers.redis_url,
        }
        self.runner = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.ingest_runner"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            text=True,
        )
        assert self._answer() == {"ready": True}
        self.expected = self.undisturbed()
        # The first run warms things up: moments are drawn from what a later one takes.
        began = time.monotonic()
        assert self.undisturbed() == self.expected
        self.seconds = time.monotonic() - began
        return self

    def __exit__(self, *exc):
        self.runner.stdin.close()
        self.runner.wait(timeout=30)
        self.servers.stop()

    def _answer(self):
        line = self.runner.stdout.readline()
        assert line, f"the runner is gone: {self.log.read_text()[-2000:]}"
        return json.loads(line)

    def ask(self, do, **asked):
        """Send a command; a server that is coming back is asked again."""
        for _ in range(TRIES):
            answer = self._ask(do, asked)
            if "error" not in answer:
                return answer
            time.sleep(1.0)
        raise AssertionError(f"{do}: {answer['error']}")

    def _ask(self, do, asked):
        self.runner.stdin.write(json.dumps({"do": do, **asked}) + "\n")
        self.runner.stdin.flush()
        return self._answer()

    def begin(self):
        """Start an ingestion into a dataset of its own; return dataset and job."""
        self.number += 1
        dataset = f"kill-{self.number}"
        return dataset, self.ask("start", dataset=dataset)["job"]

    def work(self, job, during=None, **asked):
        """Run the job in a child; ``during`` gets its number while it runs."""
        started = self._ask("work", {"job": job, **asked})
        if during:
            during(started["pid"])
        return self._answer()["code"]

    def undisturbed(self):
        dataset, job = self.begin()
        assert self.work(job) == 0, self.log.read_text()[-3000:]
        return self.ask("told", dataset=dataset)

    def go_on(self, dataset, job):
        """Hand the job on and run it until it is done; return what is left in the tables."""
        for _ in range(TRIES):
            if self.ask("hand_on", job=job)["status"] == "done":
                return self.ask("told", dataset=dataset)
            self.work(job)
        raise AssertionError(f"never done: {self.log.read_text()[-3000:]}")

    def check(self, dataset, job, point):
        found = self.go_on(dataset, job)
        assert found == self.expected, (point, found, self.expected)

    # The faults: each runs one ingestion and strikes once, at a point the seed decides.

    def worker_by_statement(self, seed):
        at = chance(seed).randint(1, 190)
        dataset, job = self.begin()
        code = self.work(job, die_at=at)
        self.check(dataset, job, f"statement {at}")
        return code == -signal.SIGKILL

    def worker_by_moment(self, seed):
        wait = chance(seed).uniform(0, self.seconds)
        dataset, job = self.begin()
        code = self.work(job, lambda pid: _kill_after(pid, wait))
        self.check(dataset, job, f"{wait:.3f} s")
        return code == -signal.SIGKILL

    def redis(self, seed):
        wait = chance(seed).uniform(0, self.seconds)
        dataset, job = self.begin()
        server = self.servers.servers.redis
        self.work(job, lambda _: _kill_after(server.found().pid, wait))
        server.process.wait(timeout=60)
        server.start()
        server.wait_ready()
        self.check(dataset, job, f"{wait:.3f} s")
        return True

    def postgres(self, seed):
        wait = chance(seed).uniform(0, self.seconds)
        dataset, job = self.begin()
        server = self.servers.servers.postgres
        code = self.work(job, lambda _: _kill_after(server.found().pid, wait))
        _revive(server)
        self.check(dataset, job, f"{wait:.3f} s")
        return code != 0


def _kill_after(pid, wait):
    time.sleep(wait)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _revive(server):
    """Start PostgreSQL again; its children take a moment to see that their parent is gone."""
    server.process.wait(timeout=60)
    for _ in range(TRIES):
        try:
            server.start()
            server.wait_ready()
        except Exception:  # noqa: BLE001 shared memory of the last one may still be held
            time.sleep(1.0)
        else:
            return
    raise AssertionError("PostgreSQL did not come back")
