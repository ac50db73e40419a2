"""``make soak``: everything of a lab is killed again and again; JSON lines tell how it recovers.

``ROUNDS`` (default 3) says how often each process is killed, and how often every attempt to get
out of the sandbox is made. The lab is one of its own, in a temporary folder on a free port. Then
an ingestion and a ledger under load are killed (12 times the sequencer, 6 times the database),
each app's newest migration is taken back and run again, 10,000 races are run at proposals, and
the corpus of leaks is probed with other seeds, and p-values of null worlds are held against
the uniform law. The exit code is 1 when something did not come
back, or came through.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.servers.lab import FIRST_START, LATER_START, ROOT, Lab, free_port, wait_for
from tests.speed import (
    approval_races,
    deflation,
    doors,
    grade_sizes,
    ingest_kills,
    leak_corpus,
    ledger_kills,
    migrations,
    nulls,
    walk_forward,
)

SERVERS = ("redis", "postgres")


def tell(row, **facts):
    sys.stdout.write(json.dumps({"row": row, **facts}) + "\n")
    sys.stdout.flush()


def kill(lab, name):
    """Kill a process, wait until another has taken its place and the lab is ready."""
    find = lab.servers if name in SERVERS else lab.noted
    killed = find()[name]
    began = time.monotonic()
    os.kill(killed.pid, signal.SIGKILL)
    wait_for(lambda: not killed.lives)

    def is_replaced():
        try:
            found = find().get(name)
        except (OSError, ValueError, IndexError):
            return False
        return found not in (None, killed)

    wait_for(is_replaced, LATER_START)
    lab.wait_ready(LATER_START)
    return time.monotonic() - began


def kill_supervisor(lab):
    """Kill the supervisor itself and start the lab again."""
    began = time.monotonic()
    lab.process.kill()
    lab.process.wait()
    lab.start().wait_ready(LATER_START)
    return time.monotonic() - began


def verify_ledger(lab):
    command = [sys.executable, "manage.py", "verify_audit"]
    done = subprocess.run(command, cwd=ROOT, env=lab.environment(), capture_output=True, text=True)
    return done.returncode == 0, (done.stdout + done.stderr).strip()[-300:]


def escape(rounds):
    """Make every attempt to get out of the sandbox, again and again; 1 when one came through."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/integration/test_sandbox_escapes.py"]
    failed = 0
    for number in range(rounds):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        counts = [line for line in done.stdout.splitlines() if "came through" in line]
        tell("sandbox_escapes", round=number, ok=done.returncode == 0, counts=counts)
        failed |= done.returncode != 0
    return int(failed)


def main():
    rounds = int(os.environ.get("ROUNDS") or 3)
    folder = Path(tempfile.mkdtemp(prefix="qs-soak-"))
    lab = Lab(folder / "lab", free_port())
    failed = False
    try:
        began = time.monotonic()
        lab.start().wait_ready(FIRST_START)
        tell("first_start", seconds=round(time.monotonic() - began, 2))
        for number in range(rounds):
            for name in [*lab.noted(), *SERVERS]:
                seconds = kill(lab, name)
                tell("recovery", round=number, killed=name, seconds=round(seconds, 2))
            tell(
                "recovery",
                round=number,
                killed="supervisor",
                seconds=round(kill_supervisor(lab), 2),
            )
        intact, words = verify_ledger(lab)
        tell("ledger_after_faults", intact=intact, words=words)
        failed = not intact
    except AssertionError as error:
        tell("failed", words=str(error)[-2000:])
        failed = True
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)
    kills = (ingest_kills.main(), ledger_kills.main(), migrations.main())
    statistics = (deflation.main(), grade_sizes.main(), leak_corpus.main(), nulls.main())
    walks = walk_forward.main()
    others = (approval_races.main(), doors.main(), *statistics)
    return max(*kills, *others, walks, 1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main())
