"""Bar by bar: a crossover decided at every close, against nautilus_trader.

``NAUTILUS_PYTHON`` names the Python of an environment that has nautilus_trader 1.221, whose pins
clash with the lab's: ``uv venv ENV && uv pip install --python ENV/bin/python
nautilus_trader==1.221.0``. Both put all cash, in whole units, on an average of 10 above one of 30.
Prices have six decimals (no two averages are tied) and every bar opens where the last one closed,
so that a fill at the next open and nautilus_trader's, at the close that decided, are the same.
Every fill is compared first: its bar, its units, its price.
"""

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tests.speed.backtest import FAST, SLOW, timed

PEER_BARS, LAB_BARS, CASH, ROUNDS = 20_000, 1_000_000, 1e6, 5
MINUTE = 60_000_000


def panel(n):
    from apps.market.kernel.bars import Panel

    rng = np.random.default_rng(7)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.0005, n))), 6)[:, None]
    open_ = np.vstack([close[:1], close[:-1]])
    ts = 946_684_800_000_000 + np.arange(n, dtype=np.int64) * MINUTE
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return Panel(("X",), ts, open_, high, low, close, np.ones_like(close), "1m")


class Crossover:
    """The rule as a strategy that answers with market orders."""

    def prepare(self, bars):
        from apps.strategies.kernel.windows import rolling_mean

        gap = rolling_mean(bars.close, FAST) - rolling_mean(bars.close, SLOW)
        return {"above": gap > 0.0}

    def decide(self, view):
        from apps.strategies.kernel.orders import Intents, Order

        held = view.memory.get("held", 0)
        if view.features["above"][view.i, 0]:
            if not held:
                units = int(view.equity / view.prices[0])
                view.memory["held"] = units
                return Intents(orders=(Order(0, units),))
        elif held:
            view.memory["held"] = 0
            return Intents(orders=(Order(0, -held),))
        return None


def in_python(bars):
    from apps.backtests.kernel import engine

    strategy = Crossover()

    def once():
        features = strategy.prepare(bars)
        return engine.run_events(bars, features, strategy.decide, cash=CASH, full=True)

    return once


def compiled(bars):
    from apps.backtests.kernel.compiled_gear import run_compiled
    from apps.strategies.library.sma_crossover import SmaCrossover

    strategy, params = SmaCrossover(), {"fast": FAST, "slow": SLOW, "short": False}

    def once():
        features = strategy.prepare(bars, params)
        return run_compiled(bars, features, strategy.compiled(params), cash=CASH, units="whole")

    return once


@contextlib.contextmanager
def nautilus(bars):
    """Start the peer; gives its fills, and a function that runs once and returns the seconds."""
    python = os.environ.get("NAUTILUS_PYTHON", "")
    assert python, f"NAUTILUS_PYTHON is not set. {__doc__}"
    script = Path(__file__).with_name("peer_events.py")
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        names = ("open", "high", "low", "close")
        np.savez(file, ts=bars.ts, **{name: getattr(bars, name)[:, 0] for name in names})
        file.flush()
        command = [python, str(script), file.name, str(FAST), str(SLOW), str(CASH)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as peer:
            fills = json.loads(peer.stdout.readline())

            def once():
                peer.stdin.write("run\n")
                peer.stdin.flush()
                return float(peer.stdout.readline())

            yield fills, once
            peer.stdin.close()


def apart(result, fills, bars):
    """Return the largest relative difference of a price; bars and units must be the same."""
    decided = [int(np.searchsorted(bars.ts, ts // 1000)) for ts, _, _ in fills]
    units, prices = (np.array([fill[column] for fill in fills]) for column in (1, 2))
    # What is decided at the last close fills in neither, or only at that close.
    there = np.array(decided) < bars.n_bars - 1
    np.testing.assert_array_equal(result.fills.bar, np.array(decided)[there] + 1)
    np.testing.assert_array_equal(result.fills.quantity, units[there])
    return float(np.abs(result.fills.price / prices[there] - 1.0).max())


def compared(name, make, goal, lab_bars):
    """Compare fills on the peer's bars, then time both in turns; bars per second."""
    bars, longer = panel(PEER_BARS), panel(lab_bars)
    with nautilus(bars) as (fills, theirs):
        difference = apart(make(bars)(), fills, bars)
        assert difference < 1e-12, difference
        ours = make(longer)
        ours()
        times = [(timed(ours), theirs()) for _ in range(ROUNDS)]
    mine, other = (np.median(column) for column in zip(*times, strict=True))
    value, peer_value = lab_bars / mine, PEER_BARS / other
    return {
        "name": name,
        "value": round(value),
        "unit": "bars/s",
        "peer": "nautilus_trader",
        "peer_value": round(peer_value),
        "ratio": round(value / peer_value, 1),
        "goal": goal,
        "checked": difference,
        "fills": len(fills),
    }


def event_gear_python():
    return compared("event_gear_python", in_python, 8.0, PEER_BARS)


def event_gear_compiled():
    return compared("event_gear_compiled", compiled, 500.0, LAB_BARS)
