"""Children: back-off, stopping by steps, logs that stay small; schema comparison; the plan."""

import signal
import subprocess
import sys
import time

import pytest

from apps.core.lab import children, processes, upgrade
from apps.core.lab.children import Backoff, Child
from apps.core.lab.plan import WORKERS, ChildSpec, plan_children
from apps.core.lab.processes import ProcessId
from celery_worker.queues import QUEUES

STUBBORN = (
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('up', flush=True)\n"
    "time.sleep(60)\n"
)
WAITS_FOR = """
import signal, sys, time
from pathlib import Path

def told(*_):
    folder = Path({folder!r})
    (folder / "told-{mine}").touch()
    while not (folder / "told-{other}").exists():
        time.sleep(0.01)
    sys.exit(0)

signal.signal(signal.SIGTERM, told)
print("up", flush=True)
time.sleep(120)
"""


def make_child(tmp_path, code, stop=((signal.SIGTERM, 0.5), (signal.SIGKILL, 2.0))):
    spec = ChildSpec("one", (sys.executable, "-c", code), {}, stop)
    return Child(spec, tmp_path, tmp_path, {})


def wait_for(condition, seconds=30.0):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    assert condition()


def test_backoff_doubles_up_to_a_limit_and_forgets_after_a_steady_minute():
    backoff = Backoff(started=0.0)
    waits = []
    for _ in range(9):
        backoff.died(1.0)
        waits.append(backoff.wait)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    backoff.started = 100.0
    assert backoff.died(160.0) == 160.5


def test_a_child_that_ignores_sigterm_is_killed_with_what_it_started(tmp_path):
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{'pass'}'])\n"
    child = make_child(tmp_path, code + STUBBORN)
    child.start()
    wait_for(lambda: child.last_words() == "up")
    found = children.identify(child)
    children.stop_all([child])
    assert found is not None
    assert not found.lives


def test_children_are_stopped_side_by_side(tmp_path):
    # Each goes when both were told: one after the other, the first would have to be killed.
    slow = ((signal.SIGTERM, 60.0), (signal.SIGKILL, 5.0))
    codes = [WAITS_FOR.format(folder=str(tmp_path), mine=k, other=1 - k) for k in range(2)]
    both = [make_child(tmp_path, code, slow) for code in codes]
    for child in both:
        child.start()
    wait_for(lambda: (tmp_path / "one.log").read_text().count("up") == 2)
    started = [child.process for child in both]
    children.stop_all(both)
    assert [process.returncode for process in started] == [0, 0]


def test_a_child_dies_with_its_supervisor(tmp_path):
    supervisor = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from apps.core.lab import processes\n"
        "log = open(sys.argv[1], 'ab')\n"
        "child = processes.start([sys.executable, '-c', 'import time; time.sleep(60)'], log=log)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", supervisor, tmp_path / "log"], stdout=subprocess.PIPE, text=True
    )
    child = ProcessId.of(int(parent.stdout.readline()))
    assert child is not None
    time.sleep(0.3)
    parent.kill()
    parent.wait()
    assert processes.wait_gone(child, 60.0)


def test_a_process_number_used_again_is_not_mistaken():
    mine = ProcessId.of(1)
    assert mine is not None
    assert mine.lives
    assert not ProcessId(1, mine.started + 1).lives


def test_a_log_past_its_limit_is_copied_aside_while_its_writer_goes_on(tmp_path):
    log = tmp_path / "web.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(1, 6):
            writer.write(b"%d" % number * 100)
            assert children.rotate(log, limit=50)
            assert log.stat().st_size == 0
        writer.write(b"on")
    assert log.read_bytes() == b"on"
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    assert (tmp_path / "web.log.1").read_bytes() == b"5" * 100
    assert not children.rotate(log, limit=50)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("one\ntwo\n\n", "two"),
        ("", ""),
        ("Traceback\n  File x\npsycopg.errors.Y: no column\nLINE 1: SELECT\n    ^\n", "no column"),
        ("ValueError: bad\n" + "later\n" * 20, "later"),
    ],
)
def test_the_last_words_are_the_error_when_there_is_one(tmp_path, log, words):
    (tmp_path / "a.log").write_text(log)
    assert children.last_line(tmp_path / "a.log").endswith(words)


def test_every_queue_has_a_worker_in_the_lab():
    served = [queue for worker in WORKERS for queue in worker.queues]
    assert sorted(served) == sorted(queue.name for queue in QUEUES)


def test_the_plan_listens_on_this_machine_only(tmp_path):
    web = plan_children("python", 8123, tmp_path)[0]
    assert web.command[web.command.index("--host") + 1] == "127.0.0.1"
    assert web.command[web.command.index("--port") + 1] == "8123"


@pytest.mark.parametrize(
    ("disk", "applied", "pending", "unknown", "fresh"),
    [
        ([("a", "1")], [], ("a.1",), (), True),
        ([("a", "1"), ("a", "2")], [("a", "1")], ("a.2",), (), False),
        ([("a", "1")], [("a", "1"), ("a", "2")], (), ("a.2",), False),
        ([("a", "1")], [("a", "1"), ("gone", "1")], (), (), False),
    ],
)
def test_schema_and_code_are_compared(disk, applied, pending, unknown, fresh):
    assert upgrade.compare(disk, applied) == upgrade.Schema(pending, unknown, fresh)
