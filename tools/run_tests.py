"""Run the tests: ``make test``. A few that failed beside others are run once more, alone.

A pass that ends with at most ``FEW`` failed tests runs exactly those again in one process with
nothing beside them. Those that pass are named at the end as unsteady, with the words of their
first failure further up; the pass counts as green only when all of them do. See decision 0111.

What every process would make for itself is made once before: the compiled loops of the engine, and
migrated databases (``tests/servers/template.py``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

FEW = 3
ROOT = Path(__file__).resolve().parents[1]
# Longest first; one that can't be made here is made, or missed, by each process as it needs it.
PREPARED = (
    ("manage.py", "warm", "--only", "engine"),
    ("manage.py", "warm", "--only", "expressions"),
    ("-m", "tests.servers.template", "Embedded", "{folder}"),
    ("-m", "tests.servers.template", "Timescale", "{folder}"),
)
AT_A_TIME = 2
# How pytest ends: all green, some red, nothing chosen. All else is no verdict on single tests.
GREEN, RED, NOTHING = 0, 1, 5
LAST_FAILED = Path("v", "cache", "lastfailed")
ALONE = ("--numprocesses", "0")
COUNTS = re.compile(r'errors="(\d+)" failures="(\d+)" skipped="(\d+)" tests="(\d+)"')


@dataclass(slots=True)
class Verdict:
    """How a pass ended, and what failed at first and passed alone."""

    status: int
    unsteady: list[str] = field(default_factory=list)


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """Make once what every process needs, and tell them where it is."""
    loops = str(Path(tempfile.gettempdir()) / "quantsite-numba")
    os.environ.setdefault("NUMBA_CACHE_DIR", loops)
    with tempfile.TemporaryDirectory(prefix="quantsite-templates-") as folder:
        commands = [[part.format(folder=folder) for part in words] for words in PREPARED]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(prepare, commands))
        os.environ["TEST_TEMPLATES"] = folder
        yield


def prepare(words: list[str]) -> None:
    """Run one command quietly; how it ends is seen by those that look for what it made."""
    environment = {**os.environ, "QUANTSITE_ENV": "test"}
    command = [sys.executable, *words]
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)


def run_pass(options: list[str]) -> Verdict:
    """Run pytest with these options, and the few tests that failed once more alone."""
    with tempfile.TemporaryDirectory(prefix="quantsite-tests-") as folder:
        notes = Path(folder)
        status = pytest(options, notes)
        failed = read_failed(notes)
        if status != RED or not may_run_again(failed):
            return Verdict(status)
        say("", f"{len(failed)} failed beside the others; once more alone:", *failed, "")
        report = notes / "alone.xml"
        again = [*options, *ALONE, "--last-failed", f"--junitxml={report}"]
        if pytest(again, notes) != GREEN or count_passed(report) != len(failed):
            say("", "Failed twice, or not all of them ran again.")
            return Verdict(RED)
        return Verdict(GREEN, failed)


def pytest(options: list[str], notes: Path) -> int:
    """Run pytest, which keeps its notes in a folder of ours; return how it ended."""
    command = [sys.executable, "-m", "pytest", *options, "-o", f"cache_dir={notes}"]
    return subprocess.run(command, check=False).returncode


def read_failed(notes: Path) -> list[str]:
    """Return what pytest noted as failed: tests, or files that could not be collected."""
    try:
        return sorted(json.loads((notes / LAST_FAILED).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []


def may_run_again(failed: list[str]) -> bool:
    """Tell whether these are few, and tests each: a file that can't be read is nobody's load."""
    return 0 < len(failed) <= FEW and all("::" in one for one in failed)


def count_passed(report: Path) -> int:
    """Return how many tests passed; a test that was skipped has not."""
    found = COUNTS.search(report.read_text(encoding="utf-8"))
    if not found:
        return 0
    errors, failures, skipped, tests = map(int, found.groups())
    return tests - errors - failures - skipped


def say(*lines: str) -> None:
    """Tell the person at the terminal."""
    for line in lines:
        print(line, flush=True)


def main(arguments: list[str]) -> int:
    """Run every test, then those of the store on TimescaleDB; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="*", default=["tests"], help="what to run; tests")
    parser.add_argument("--processes", default=os.environ.get("TEST_PROCESSES") or "2")
    asked = parser.parse_args(arguments)
    options = [*asked.paths, "--numprocesses", asked.processes, "--dist", "loadfile"]
    first = run_pass(options)
    verdicts = [first]
    if first.status == GREEN:
        verdicts.append(run_pass([*options, "--timescale"]))
        # Nothing chosen: this machine has no TimescaleDB, or none of these tests is of the store.
        if verdicts[-1].status == NOTHING:
            verdicts[-1].status = GREEN
    for name in (name for verdict in verdicts for name in verdict.unsteady):
        say(f"unsteady: {name} (failed beside the others, passed alone; a bug to mend)")
    return verdicts[-1].status


if __name__ == "__main__":
    with prepared():
        sys.exit(main(sys.argv[1:]))
