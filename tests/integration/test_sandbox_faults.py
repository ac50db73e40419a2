"""Hosts that lack a fence, answers that are traps, and what one run might leave to the next."""

from __future__ import annotations

import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.user_code import read
from apps.strategies.sandbox import bubblewrap
from apps.strategies.sandbox.base import Stopped
from apps.strategies.sandbox.bubblewrap import Bubblewrap
from apps.strategies.sandbox.own import OwnStrategy

ROOT = Path(settings.BASE_DIR)
AS_ROOT = os.geteuid() == 0
HEAD = "import numpy as np\n\n\ndef targets(panel, params):\n"


@pytest.fixture(scope="module")
def sandbox():
    home = settings.SANDBOXES["default"]["OPTIONS"]["home"]
    found = Bubblewrap(home=home, seconds=30.0, keep_ready=False)
    if shutil.which("bwrap") is None or not found.status().holds:
        assert not os.environ.get("CI"), found.status().why
        pytest.skip(f"the sandbox does not hold here: {found.status().why}")
    yield found
    found.close()


@pytest.fixture(scope="module")
def panel():
    close = 100.0 + np.cumsum(np.random.default_rng(1).normal(size=(60, 2)), axis=0)
    fields = dict.fromkeys(("open", "high", "low", "close"), close)
    ts = np.arange(60, dtype=np.int64) * 86_400_000_000
    return Panel(("A", "B"), ts, **fields, volume=np.ones_like(close), timeframe="1d")


def run(sandbox, panel, body):
    text = HEAD + "".join(f"    {line}\n" for line in body.splitlines())
    return OwnStrategy(read("mine", text), text, sandbox, lambda _: None).targets(panel, {})


def refuses(place):
    """Nothing is opened; return why."""
    status = place.status()
    assert not status.holds
    with pytest.raises(Exception, match="does not hold") as found:
        place.open()
    assert found.value.code == "sandbox.unavailable"
    return status.why


# --- Hosts that lack a fence ---


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("guard.LEAST_LANDLOCK = 99", "Landlock"),
        ("guard.ARCHITECTURES = {}", "no list of system calls"),
        ("guard.seccomp = lambda machine: 1 / 0", "ZeroDivisionError"),
    ],
)
def test_without_landlock_or_a_filter_nothing_is_run(sandbox, monkeypatch, broken, why):
    boot = "import sys; sys.path[:0] = {path}; import guard; " + broken.replace("{", "{{").replace(
        "}", "}}"
    )
    monkeypatch.setattr(bubblewrap, "BOOT", f"{boot}; import runner")
    place = Bubblewrap(home=str(sandbox.home), keep_ready=False)
    assert why in refuses(place)


def test_without_user_namespaces_it_is_the_other_tier_or_nothing(sandbox):
    without = Bubblewrap(home=str(sandbox.home), program="no-such-bwrap", keep_ready=False)
    if AS_ROOT:
        assert without.status().tier == "B"
        assert "not installed" in without.status().why
    else:
        assert "not started by root" in refuses(without)
    only_a = Bubblewrap(home=str(sandbox.home), program="no-such-bwrap", tiers=("A",))
    assert "not installed" in refuses(only_a)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give root away")
def test_nobody_runs_as_root(sandbox):
    place = Bubblewrap(home=str(sandbox.home), uid=0, keep_ready=False)
    assert "own_user" in refuses(place)


# --- Answers that are traps ---

FORGED = (
    "import os, json, struct, sys\nfd = json.loads(sys.argv[1])['answers']\nhead = {HEAD}\n"
    "os.write(fd, struct.pack('<I', len(head)) + head)\nreturn panel.close * 0"
)


class Bomb:
    """Unpickled, it would leave a file."""

    def __reduce__(self):
        return (os.system, ("touch /tmp/quantsite-was-unpickled",))


@pytest.mark.parametrize(
    "head",
    [
        "b'[' * 60_000",
        "b'{\"arrays\":' * 20_000",
        """b'{"arrays": [], "n": NaN}'""",
        """b'{"arrays": [], "n": 1e999}'""",
        r"b'\xff\xfe{}'",
        repr(pickle.dumps(Bomb())),
        """b'{"arrays": [["../../etc/passwd", "<f8", [60, 2]]]}'""",
        """b'{"arrays": [["targets", "<f8", [-1, 2]]]}'""",
        """b'{"arrays": [["targets", "<f8", [1073741824, 1]]]}'""",
    ],
    ids=["deep list", "deep object", "NaN", "inf", "no UTF-8", "pickle", "path", "-1", "8 GB"],
)
def test_an_answer_that_is_a_trap_is_refused(sandbox, panel, head):
    with pytest.raises(Stopped) as found:
        run(sandbox, panel, FORGED.replace("{HEAD}", head))
    assert found.value.code in {"strategy.bad_answer", "strategy.output_limit"}
    assert not Path("/tmp/quantsite-was-unpickled").exists()


def test_there_is_no_file_an_answer_could_stand_in(sandbox):
    text = (
        "import os\n"
        "for make in (lambda: os.symlink('/etc/passwd', '/x'), lambda: os.mkfifo('/x'),\n"
        "             lambda: os.symlink('/etc/passwd', 'x'), lambda: open('x', 'wb')):\n"
        "    try:\n        make()\n        print('came through')\n"
        "    except OSError:\n        print('held')\n"
    )
    assert output_of(sandbox, text).split() == ["held"] * 4


# --- What one run might leave to the next ---

LEAVES = (
    "import builtins, json, os, sys\nimport numpy as np\n"
    "np.mean = lambda *a, **k: 7.0\nnp.float64 = int\nnp.left = builtins.left = 'words'\n"
    "json.loads = lambda *a, **k: 7\nsys.modules['left'] = sys\nos.environ['LEFT'] = 'words'\n"
    "np.seterr(all='ignore')\nnp.random.seed(5)\n"
    "held = [np.mean([1.0]), np.left, left]\nassert held == [7.0, 'words', 'words']\n"
)
FINDS = (
    "import builtins, json, os, sys\nimport numpy as np\n"
    "print([float(np.mean([1.0, 2.0])), np.float64.__name__, hasattr(np, 'left'),\n"
    "       hasattr(builtins, 'left'), 'left' in sys.modules, 'LEFT' in os.environ,\n"
    "       json.loads('[1]'), np.geterr(), len(vars(np)), len(vars(builtins))])\n"
)


def output_of(place, text):
    """What a file prints in a process as the next text would get it."""
    session = place.open()
    try:
        session.ask("run_script", text=text, argv=["file.py"], data={})
    finally:
        session.close()
    return session.output


def test_a_run_finds_modules_as_if_none_had_been_before_it(sandbox):
    """Also in a process that was kept ready, started while the poisoned one ran."""
    place = Bubblewrap(home=str(sandbox.home), seconds=30.0)
    place._found = sandbox._found
    try:
        before = output_of(place, FINDS)
        assert before.startswith("[1.5, 'float64', False, False, False, False, [1], {")
        for _ in range(2):
            place._refill(os.getpid())
            output_of(place, LEAVES)
            assert output_of(place, FINDS) == before
    finally:
        place.close()


def test_two_texts_share_no_folder_no_process_and_no_socket(sandbox):
    text = (
        "import os, socket\n"
        "for make in (lambda: open('/dev/shm/x', 'w'), lambda: open('/tmp/x', 'w'),\n"
        "             lambda: os.listdir('/proc'), lambda: os.kill(os.getpid() + 1, 0),\n"
        "             lambda: socket.socket(socket.AF_UNIX).bind('\\0left')):\n"
        "    try:\n        make()\n        print('came through')\n"
        "    except OSError:\n        print('held')\n"
    )
    assert output_of(sandbox, text).split() == ["held"] * 5


# --- Packages ---


def test_nothing_is_installed_while_a_text_runs(sandbox):
    text = (
        "import importlib, os\n"
        "for name in ('pip', 'ensurepip._bundled', 'setuptools', 'uv', 'a_wheel_of_mine'):\n"
        "    try:\n        importlib.import_module(name)\n        print('came through')\n"
        "    except ImportError:\n        print('held')\n"
        "try:\n    os.posix_spawn('/py/bin/python', ['python', '-m', 'pip'], {})\n"
        "except OSError:\n    print('held')\n"
    )
    assert output_of(sandbox, text).split() == ["held"] * 6


def test_every_package_of_the_lab_is_pinned_by_its_hash():
    for lock in (ROOT / "requirements/base.txt", ROOT / "requirements/dev.txt"):
        entries = re.split(r"\n(?=\S)", lock.read_text().strip())
        packages = [one for one in entries if not one.startswith("#")]
        assert len(packages) > 50
        loose = [one for one in packages if "==" not in one or "--hash=sha256:" not in one]
        assert loose == []
    assert "--require-hashes" in (ROOT / "tools/setup.py").read_text()
    assert "--require-hashes" in (ROOT / "Dockerfile").read_text()
