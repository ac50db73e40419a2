"""The same attempts to get out, without a sandbox and in each of its tiers: counted."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from apps.strategies.sandbox import tree
from apps.strategies.sandbox.base import Stopped
from apps.strategies.sandbox.bubblewrap import Bubblewrap

TEXT = Path(__file__).with_name("escapes.py").read_text()
LEAST, LEAST_OUTSIDE = 77, 50
# What no tier without a mount namespace can hide: whether a path or a process exists.
PROBING = {
    "probe_file", "probe_folder", "probe_secret", "probe_process_by_folder",
    "probe_process_by_group", "probe_process_by_session",
}  # fmt: skip
HOME = Path(settings.SANDBOXES["default"]["OPTIONS"]["home"])
UID = 64001 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture(scope="module")
def names():
    found = subprocess.run(
        [sys.executable, "-c", TEXT],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return json.loads(found.stdout)


@pytest.fixture(scope="module")
def grounds():
    """What attempts are made at: files, listeners, a process; all of the text's own user."""
    if platform.machine() != "x86_64":
        pytest.skip("the numbers of system calls among the attempts are those of x86-64")
    folder = Path(tempfile.mkdtemp(prefix="grounds-"))
    folder.chmod(0o755)
    listeners = {
        "tcp": socket.socket(),
        "udp": socket.socket(type=socket.SOCK_DGRAM),
        "unix": socket.socket(socket.AF_UNIX),
        "abstract": socket.socket(socket.AF_UNIX),
    }
    for name in ("tcp", "udp"):
        listeners[name].bind(("127.0.0.1", 0))
    listeners["unix"].bind(str(folder / "socket"))
    (folder / "socket").chmod(0o777)
    listeners["abstract"].bind(f"\0{folder.name}")
    for name in ("tcp", "unix", "abstract"):
        listeners[name].listen(50)
    who = {"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 else {}
    victim = subprocess.Popen(
        ["/bin/sleep", "600"], env={"SECRET": "x"}, start_new_session=True, **who
    )
    params = {
        **{name: listeners[name].getsockname()[1] for name in ("tcp", "udp")},
        "unix": str(folder / "socket"), "abstract": folder.name, "folder": str(folder / "free"),
        "own": str(folder / "free" / "own"), "secret": str(folder / "secret"),
        "open": str(folder / "open"), "victim": victim.pid, "group": victim.pid,
    }  # fmt: skip
    yield params, listeners, victim
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    for one in listeners.values():
        one.close()
    shutil.rmtree(folder)


def laid_out(params):
    """Put the files back as they were before anybody touched them; return their names."""
    free = Path(params["folder"])
    shutil.rmtree(free, ignore_errors=True)
    free.mkdir()
    for path, mode in (("secret", 0o600), ("open", 0o644), ("own", 0o600)):
        place = Path(params[path])
        place.write_text("x" * 9)
        place.chmod(mode)
        os.chown(place, UID, -1)
    free.chmod(0o777)
    return state_of(params)


def state_of(params):
    places = [*sorted(Path(params["folder"]).iterdir()), Path(params["secret"])]
    return [
        (str(one), one.stat().st_mode, one.stat().st_size, one.stat().st_mtime) for one in places
    ]


def head(params, names=()):
    return f"PARAMS = {params!r}\nNAMES = {list(names)!r}\n{TEXT}"


def outside(params, names):
    """Return what came through without any fence, as the same user."""
    root = tree.build(HOME)
    who = {"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 else {}
    env = {"SECRET": "x", "LD_LIBRARY_PATH": str(root / "py/so"), "PATH": "/usr/bin:/bin"}
    found = subprocess.run(
        [root / tree.PYTHON, "-S", "-c", head(params, names)],
        env=env, cwd="/", capture_output=True, text=True, timeout=120, check=False, **who,
    )  # fmt: skip
    return json.loads(found.stdout or "{}")


def within(sandbox, params, names=()):
    """Return what came through in a process of the sandbox; nothing when it was ended."""
    session = sandbox.start_cold()
    try:
        session.ask("run_script", text=head(params, names), argv=["escapes.py"], data={})
    except Stopped as error:
        if error.code != "strategy.forbidden":
            raise
        return dict.fromkeys(names, False)
    finally:
        session.close()
    return json.loads(session.output)


def opened(found):
    return sorted(name for name, through in found.items() if through)


@pytest.mark.parametrize("tier", ["A", "B"])
def test_no_attempt_gets_out(grounds, names, tier, capsys):
    params, listeners, victim = grounds
    sandbox = Bubblewrap(home=str(HOME), tiers=(tier,), keep_ready=False)
    status = sandbox.status()
    if tier == "B" and os.geteuid() != 0:
        assert "not started by root" in status.why
        pytest.skip("tier B needs a user of its own, which root alone can give")
    if not status.holds:
        assert not os.environ.get("CI"), status.why
        pytest.skip(f"the sandbox does not hold here: {status.why}")
    for name in ("tcp", "udp", "unix", "abstract"):
        drain(listeners[name])
    before = laid_out(params)
    found = within(sandbox, params)
    assert len(found) == len(names["all"]) - len(names["deadly"])
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda name: within(sandbox, params, [name]), names["deadly"])
        for one in runs:
            found |= one
    assert set(found) == set(names["all"])
    through = opened(found)
    assert set(through) <= (PROBING if tier == "B" else set())
    # And nothing of it is to be seen from outside.
    assert state_of(params) == before
    assert [name for name in listeners if drain(listeners[name])] == []
    assert victim.poll() is None
    with capsys.disabled():
        count = f"{len(through)} of {len(found) + 3} attempts came through"
        sys.stdout.write(f"\ntier {tier}: {count} {' '.join(through)}\n")


def test_as_many_attempts_succeed_without_a_sandbox(grounds, names, capsys):
    params, _, _ = grounds
    laid_out(params)
    soft = [name for name in names["all"] if name not in names["deadly"]]
    found = outside(params, soft)
    with ThreadPoolExecutor(2) as pool:
        for one in pool.map(lambda name: outside(params, [name]), names["deadly"]):
            found |= one
    through = opened(found)
    assert len(names["all"]) + 3 >= LEAST
    assert len(through) >= LEAST_OUTSIDE, through
    with capsys.disabled():
        count = f"{len(through)} of {len(names['all']) + 3} attempts came through"
        sys.stdout.write(f"\nno sandbox: {count}\n")


def drain(listener):
    """Return how often somebody came, and forget it."""
    listener.settimeout(0)
    count = 0
    while True:
        try:
            if listener.type == socket.SOCK_DGRAM:
                listener.recv(10)
            else:
                listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1
