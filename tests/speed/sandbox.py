"""An empty strategy from nothing to its answer: in the sandbox, cold and warm, and outside.

Both import numpy, run the same text on the same bar and answer with the same weights. Plain and
cold take turns, so that what else the machine does falls on both. A warm one takes the process
that was made ready since the last.
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
ROUNDS, COLD_GOAL_MS, WARM_GOAL_MS, PAUSE = 15, 20.0, 15.0, 1.5


def answer(process):
    """Let a process run the text on one bar."""
    one = np.ones((1, 1))
    names = ("open", "high", "low", "close", "volume")
    given = {**dict.fromkeys(names, one), "ts": np.zeros(1, np.int64)}
    process.ask("load", text=TEXT)
    process.ask("begin", meta={}, n_assets=1, extras=[])
    _, found = process.ask("targets", params={}, given=given, wanted={"targets": (1, 1)})
    process.close()
    return float(found["targets"][0, 0])


def plain():
    """Run the same text in a Python of its own, without fences."""
    command = [sys.executable, "-I", "-c", PLAIN]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def milliseconds(run, found):
    """Return how long a run took; its answer is added to those found."""
    began = time.perf_counter()
    found.add(run())
    return (time.perf_counter() - began) * 1e3


def sandbox_start():
    """Milliseconds that the sandbox adds to a cold start, and what a warm one takes."""
    from apps.strategies.sandbox.bubblewrap import Bubblewrap
    from quantsite import env

    sandbox, found = Bubblewrap(home=str(env.sandbox_home())), set()
    status = sandbox.status()
    assert status.holds, status.why
    pairs = [
        (
            milliseconds(plain, found),
            milliseconds(lambda: answer(sandbox.start_cold()), found),
        )
        for _ in range(ROUNDS)
    ]
    bare, cold = (statistics.median(one) for one in zip(*pairs, strict=True))
    added = statistics.median(after - before for before, after in pairs)
    answer(sandbox.open())
    warm = []
    for _ in range(ROUNDS):
        time.sleep(PAUSE)
        warm.append(milliseconds(lambda: answer(sandbox.open()), found))
    sandbox.close()
    assert found == {0.0}
    return {
        "name": "sandbox_start",
        "value": round(added, 1),
        "unit": "ms added cold",
        "warm_ms": round(statistics.median(warm), 1),
        "warm_p90_ms": round(statistics.quantiles(warm, n=10)[-1], 1),
        "tier": status.tier,
        "peer": "python -I with numpy",
        "peer_value": round(bare, 1),
        "ratio": round(cold / bare, 2),
        "goal": f"at most {COLD_GOAL_MS:g} ms added cold, {WARM_GOAL_MS:g} ms warm",
        "checked": "same answer",
        "met": added <= COLD_GOAL_MS and statistics.median(warm) <= WARM_GOAL_MS,
    }
