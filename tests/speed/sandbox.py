"""An empty strategy from nothing to its answer: in the sandbox, cold and warm, and outside.

Both import numpy, run the same text on the same bar and answer with the same weights.
"""

import statistics
import subprocess
import sys
import time

import numpy as np

TEXT = "def targets(panel, params):\n    return panel.close * 0.0\n"
PLAIN = (
    "import numpy as np\n"
    f"names = {{}}\nexec({TEXT!r}, names)\n"
    "class Panel:\n    close = np.ones((1, 1))\n"
    "print(float(names['targets'](Panel, {})[0, 0]))\n"
)
ROUNDS, COLD_GOAL_MS, WARM_GOAL_MS = 25, 20.0, 15.0


def answer(process):
    """Let a process run the text on one bar."""
    one = np.ones((1, 1))
    names = ("open", "high", "low", "close", "volume")
    process.ask("load", text=TEXT)
    process.ask("take_panel", given={**dict.fromkeys(names, one), "ts": np.zeros(1)}, meta={})
    _, found = process.ask("targets", params={}, wanted={"targets": (1, 1)})
    process.close()
    return float(found["targets"][0, 0])


def plain():
    """Run the same text in a Python of its own, without fences."""
    command = [sys.executable, "-I", "-c", PLAIN]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def milliseconds(run, *, pause=0.0):
    """Return the median of ``ROUNDS`` runs, and their answers."""
    took, found = [], set()
    for _ in range(ROUNDS):
        time.sleep(pause)
        began = time.perf_counter()
        found.add(run())
        took.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took), found


def sandbox_start():
    """Milliseconds that the sandbox adds to a cold start, and what a warm one takes."""
    from apps.strategies.sandbox.bubblewrap import Bubblewrap
    from quantsite import env

    sandbox = Bubblewrap(home=str(env.sandbox_home()))
    status = sandbox.status()
    assert status.holds, status.why
    bare, bare_found = milliseconds(plain)
    cold, cold_found = milliseconds(lambda: answer(sandbox.start_cold()))
    answer(sandbox.open())
    warm, warm_found = milliseconds(lambda: answer(sandbox.open()), pause=0.5)
    sandbox.close()
    assert bare_found == cold_found == warm_found == {0.0}
    added = cold - bare
    return {
        "name": "sandbox_start",
        "value": round(added, 1),
        "unit": "ms added cold",
        "warm_ms": round(warm, 1),
        "peer": "python -I with numpy",
        "peer_value": round(bare, 1),
        "ratio": round(cold / bare, 2),
        "goal": f"at most {COLD_GOAL_MS:g} ms added cold, {WARM_GOAL_MS:g} ms warm",
        "checked": "same answer",
        "met": added <= COLD_GOAL_MS and warm <= WARM_GOAL_MS,
    }
