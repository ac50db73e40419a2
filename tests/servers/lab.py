"""A whole lab, started as a user would, on a port and a home of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_ready(base_url):
    try:
        with urllib.request.urlopen(f"{base_url}/health/ready", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Lab:
    """A running lab: its address and its people."""

    def __init__(self, home, port):
        self.home, self.port = Path(home), port
        self.base_url = f"http://localhost:{port}"
        self.process = None

    def start(self):
        environment = {**os.environ, "LAB_HOME": str(self.home), "PORT": str(self.port)}
        for name in ("DATABASE_URL", "REDIS_URL", "QUANTSITE_ENV", "DJANGO_SETTINGS_MODULE"):
            environment.pop(name, None)
        self.log = (self.home.parent / f"{self.home.name}.log").open("w")
        command = [sys.executable, "manage.py", "lab"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        for _ in range(READY_SECONDS * 5):
            if is_ready(self.base_url):
                return self
            assert self.process.poll() is None, self.words()
            time.sleep(0.2)
        raise AssertionError(f"the lab was not ready in {READY_SECONDS} s\n{self.words()}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)

    def words(self):
        return Path(self.log.name).read_text()[-3000:]

    @property
    def people(self):
        found = json.loads((self.home / "credentials.json").read_text())
        return {user["role"]: user for user in found["users"]}
