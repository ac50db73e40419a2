"""Fifty published formulas on 500 instruments, and rolling rank correlations, against pandas.

The peer is what people write in pandas (``tests/unit/strategies/plain_alphas.Usual``). Its running
sums drift, and a tie of two averages then falls on a side by chance, so formulas are compared
first with windows taken one by one, on fewer bars; the usual pandas is only timed.
"""

import os
import time
import warnings
from statistics import median

import numpy as np
import pandas as pd

BARS, ASSETS, ALPHAS, ROUNDS = 5_000, 500, 50, 3
CHECKED_BARS, CHECKED_ASSETS = 420, 25
# Formulas that pandas is timed on, spread over the fifty; all fifty take it a minute and more.
TIMED = 10
POINTS, WINDOW, SLICES, RANKED = 200_000, 60, 1_000, 5


def panel_of(bars, assets):
    from apps.market.kernel.bars import Panel

    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (bars, assets)), axis=0))
    opened = close * np.exp(rng.normal(0, 0.01, close.shape))
    reach = np.exp(np.abs(rng.normal(0, 0.005, (2, *close.shape))))
    high, low = np.maximum(opened, close) * reach[0], np.minimum(opened, close) / reach[1]
    volume = np.round(np.exp(rng.normal(13, 1, close.shape)))
    names = tuple(f"A{number}" for number in range(assets))
    ts = np.arange(bars) * 86_400_000_000
    return Panel(names, ts, opened, high, low, close, volume, "1d")


def formulas():
    from apps.strategies.kernel.expressions.catalogue import PUBLISHED
    from tests.unit.strategies.plain_alphas import READINGS

    usable = [
        entry
        for entry in PUBLISHED
        if entry.number in READINGS and "indneutralize" not in entry.expression
    ]
    return {entry.number: entry.expression for entry in usable[:ALPHAS]}


def largest_difference(texts):
    """Compare every formula with the careful reading on a small panel."""
    from apps.strategies.kernel.expressions import evaluate, parse
    from tests.unit.strategies.plain_alphas import READINGS, Careful

    panel, worst = panel_of(CHECKED_BARS, CHECKED_ASSETS), 0.0
    plain = Careful(panel)
    for number, text in texts.items():
        found, expected = evaluate(parse(text), panel), np.array(READINGS[number](plain), float)
        expected[~np.isfinite(expected)] = np.nan
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=str(number))
        size = np.maximum(np.abs(expected), 1.0)
        worst = max(worst, float(np.nanmax(np.abs(found - expected) / size)))
    return worst


def timed(once):
    began = time.perf_counter()
    once()
    return time.perf_counter() - began


def alphas_50():
    from apps.strategies.kernel.expressions import Evaluator, parse
    from tests.unit.strategies.plain_alphas import READINGS, Usual

    texts = formulas()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        checked = largest_difference(texts)
        panel = panel_of(BARS, ASSETS)
        nodes, plain = [parse(text) for text in texts.values()], Usual(panel)
        chosen = list(texts)[:: ALPHAS // TIMED]

        def lab():
            for _ in Evaluator(panel, memory=800 * 2**20).values(nodes):
                pass

        def peer():
            for number in chosen:
                READINGS[number](plain)

        pairs = [(timed(lab), timed(peer)) for _ in range(ROUNDS)]
    value = len(nodes) / median(mine for mine, _ in pairs)
    peer_value = len(chosen) / median(other for _, other in pairs)
    return {
        "name": "alphas_50",
        "value": round(value, 2),
        "unit": "formulas/s",
        "peer": f"pandas, every {ALPHAS // TIMED}th of the fifty",
        "peer_value": round(peer_value, 2),
        "ratio": round(value / peer_value, 1),
        "goal": 8,
        "checked": checked,
        "load": round(os.getloadavg()[0], 1),
    }


def rolling_rank():
    from apps.strategies.kernel.expressions.running import run_whole

    rng = np.random.default_rng(8)
    x = np.round(rng.normal(size=(POINTS, 1)), 3)
    y = np.round(0.3 * x + rng.normal(size=x.shape), 3)
    frames = pd.Series(x[:, 0]), pd.Series(y[:, 0])

    def lab():
        return run_whole("rank_correlation", [x, y], (float(WINDOW),), 2)

    def peer():
        out = []
        for end in range(WINDOW, WINDOW + SLICES):
            a, b = (series.iloc[end - WINDOW : end] for series in frames)
            out.append(a.rank().corr(b.rank()))
        return np.array(out)

    found, expected = lab()[WINDOW - 1 : WINDOW - 1 + SLICES, 0], peer()
    checked = float(np.abs(found - expected).max())
    assert checked < 1e-12, checked
    pairs = [(timed(lab), timed(peer)) for _ in range(RANKED)]
    value = 1e9 * median(mine for mine, _ in pairs) / POINTS
    peer_value = 1e9 * median(other for _, other in pairs) / SLICES
    return {
        "name": "rolling_rank",
        "value": round(value, 1),
        "unit": "ns/point",
        "peer": "pandas, rank and corr of each window",
        "peer_value": round(peer_value),
        "ratio": round(peer_value / value),
        "goal": 3_000,
        "checked": checked,
        "load": round(os.getloadavg()[0], 1),
    }
