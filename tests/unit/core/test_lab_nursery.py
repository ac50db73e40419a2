"""The nursery: parts as if started by their commands, each with its own role, log and end."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from apps.core.lab import adoption, processes
from apps.core.lab.adoption import Adopted, Nursery
from apps.core.lab.children import Child
from apps.core.lab.plan import ChildSpec
from apps.core.lab.processes import ProcessId

ROOT = Path(__file__).parents[3]
ADDRESS = "host=127.0.0.1 dbname=quantsite user="
# A part that tells who it is, and stays.
PART = """
import json, os, sys, time
from django.db import connections

found = connections.databases["default"]
name = found["OPTIONS"]["application_name"]
told = [found["USER"], name, sys.argv[1:], os.getppid(), os.getsid(0)]
told.append(os.environ["DJANGO_SETTINGS_MODULE"])
told.append(os.environ.get("OMP_NUM_THREADS", "as it likes"))
print(json.dumps(told), flush=True)
time.sleep(300)
"""
SECONDS = 60.0


def wait_for(condition):
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def make(tmp_path):
    """Make a child of a lab in ``tmp_path``, not yet started."""
    common = {
        "QUANTSITE_ENV": "test",
        "LAB_HOME": str(tmp_path),
        "DATABASE_URL": f"{ADDRESS}app",
        "SEQUENCER_DATABASE_URL": f"{ADDRESS}sequencer",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    made = []

    def one(spec):
        made.append(Child(spec, tmp_path, ROOT, common))
        return made[-1]

    yield one
    for child in made:
        child.stop()


def test_each_part_has_its_own_role_name_and_log_and_waits_to_be_told(make, tmp_path):
    script = tmp_path / "part.py"
    script.write_text(PART)
    command = (sys.executable, str(script), "--as", "told")
    parts = [
        make(ChildSpec("sequencer", command, {"DB_ROLE": "sequencer"})),
        make(ChildSpec("stream", command)),
    ]
    nursery = Nursery(make(adoption.SPEC))
    nursery.start()
    orders = [adoption.order_of(part) for part in parts]
    with adoption.takes_orphans_in():
        numbers = adoption.ask(nursery.line, orders)
        nursery.child.process.wait()
    adopted = [Adopted(number) for number in numbers]
    nursery.line.sendall(adoption.GO)
    wait_for(lambda: any(part.log.read_text() for part in parts))
    nursery.close()
    # Who was not told in time ends by itself, without a word.
    wait_for(lambda: any(one.poll() is not None for one in adopted))
    told = next(one for one in adopted if one.poll() is None)
    part = parts[adopted.index(told)]
    silent = parts[1 - adopted.index(told)]
    role = "sequencer" if part.name == "sequencer" else "app"
    words = [role, part.name, ["--as", "told"], os.getpid(), told.pid]
    words += ["quantsite.settings.test", "as it likes"]
    assert json.loads(part.log.read_text()) == words
    assert processes.command_of(told.pid) == list(command)
    assert silent.log.read_text() == ""
    os.kill(told.pid, signal.SIGTERM)
    assert told.wait() == -signal.SIGTERM
    assert ProcessId.of(told.pid) is None


def test_a_nursery_that_fails_leaves_the_parts_to_be_started_one_by_one(make):
    part = make(ChildSpec("one", (sys.executable, "-c", "")))
    spec = replace(adoption.SPEC, command=(sys.executable, "-c", "raise SystemExit(3)"))
    nursery = Nursery(make(spec))
    nursery.start()
    assert nursery.deliver([part]) is False
    assert part.process is None
    assert nursery.child.process is None
    assert nursery.deliver([part]) is False


def test_a_nursery_that_is_not_needed_ends(make):
    spec = replace(adoption.SPEC, command=(sys.executable, "-c", "import time; time.sleep(300)"))
    nursery = Nursery(make(spec))
    nursery.start()
    number = nursery.child.process.pid
    nursery.close()
    assert ProcessId.of(number) is None


def test_one_that_was_taken_on_answers_like_one_that_was_started():
    started = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(7)"], stdin=subprocess.PIPE
    )
    one = Adopted(started.pid)
    assert one.poll() is None
    started.stdin.close()
    assert one.wait() == 7
    assert one.poll() == 7
    assert Adopted(started.pid).poll() == -signal.SIGKILL  # gone: nobody can say how
