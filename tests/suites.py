"""What this machine can run: a line per suite it can't, and a failure for each under CI=true."""

import os
from pathlib import Path

import pytest

from tests.servers import timescale

CHROMIUM = Path("/usr/bin/chromium")
STORE = "mark.store"
MISSING = {}


def configure(config):
    if not CHROMIUM.exists():
        MISSING["browser"] = f"no {CHROMIUM}; on Debian: apt-get install chromium"
    if config.getoption("--timescale") and (why := timescale.why_missing()):
        MISSING["timescale"] = why
    if MISSING and os.environ.get("CI") == "true":
        words = "; ".join(f"{suite}: {why}" for suite, why in MISSING.items())
        pytest.exit(f"With CI=true every suite must run. {words}", returncode=1)


def is_of_no_use(path, config):
    """The second pass doesn't load what has no test of the store; None: let others say."""
    if path.suffix != ".py" or not config.getoption("--timescale"):
        return None
    return True if STORE not in path.read_text(encoding="utf-8") else None


def choose(config, items):
    if config.getoption("--timescale"):
        wanted = [item for item in items if item.get_closest_marker("store")]
        items[:] = [] if "timescale" in MISSING else wanted
        return
    if "browser" in MISSING:
        items[:] = [item for item in items if "tests/browser" not in item.nodeid]


def excuse(session, exitstatus):
    """A suite this machine can't run is told, not failed."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and MISSING:
        session.exitstatus = pytest.ExitCode.OK


def report(terminalreporter):
    for suite, why in MISSING.items():
        terminalreporter.write_line(f"not run: {suite} tests ({why})", yellow=True)
