"""Strategies that hang, and a real worker that has them in its library.

``python -m tests.servers.hanging`` is a worker on the queues a scan needs.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from apps.strategies.kernel.interface import Spec
from apps.strategies.library.donchian_breakout import DonchianBreakout

ROOT = Path(__file__).parents[2]
SECONDS = 4
# What the scan's job calls to warm up is short; a batch has the whole history.
LONG = 450


class Endless(DonchianBreakout):
    """Loops when there is much to read, until it is told that time is up."""

    spec = Spec("endless", "Endless", "Never done.", "tests")

    def warmup(self, params):  # noqa: ARG002
        return 1

    def prepare(self, panel, params):  # noqa: ARG002
        while panel.n_bars > LONG:
            time.sleep(0.01)
        return {}

    def targets(self, panel, params):  # noqa: ARG002
        return panel.close * 0.0


class Deaf(Endless):
    """Does not listen when it is told: it must be killed."""

    spec = Spec("deaf", "Deaf", "Never done, and does not listen.", "tests")

    def prepare(self, panel, params):  # noqa: ARG002
        while panel.n_bars > LONG:
            with contextlib.suppress(Exception):
                time.sleep(0.01)
        return {}


LIBRARY = {
    "endless": {"CLASS": "tests.servers.hanging.Endless"},
    "deaf": {"CLASS": "tests.servers.hanging.Deaf"},
}


@contextlib.contextmanager
def worker(live_db, home):
    """A worker with the hanging strategies on the tests' servers, until the block ends."""
    environment = {
        **os.environ,
        "QUANTSITE_ENV": "test",
        "DJANGO_SETTINGS_MODULE": "quantsite.settings",
        "LAB_HOME": str(home),
        "DATABASE_URL": live_db.dsn("app"),
        "REDIS_URL": live_db.redis_url,
        "SCAN_BATCH_SECONDS": str(SECONDS),
    }
    log = home / "worker.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.hanging"],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=60)


def main():
    """Serve until told to stop."""
    from django.conf import settings

    settings.STRATEGY_LIBRARY.update(LIBRARY)
    from celery_worker.app import app

    arguments = ["worker", "-Q", "compute,io", "-c", "2", "-n", "hanging@%h", "--loglevel", "INFO"]
    app.worker_main([*arguments, "--without-gossip", "--without-mingle"])


if __name__ == "__main__":
    main()
