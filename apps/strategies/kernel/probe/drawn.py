"""Bars drawn by chance, with every input there is: to probe where no stored bars will do."""

from __future__ import annotations

import numpy as np

from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import Floats, Panel

SYMBOLS = ("DRAWN-1", "DRAWN-2", "DRAWN-3", "DRAWN-4", "DRAWN-5", "DRAWN-6")
FIRST = 1_577_836_800_000_000
LATE, GONE = 4, 5


def drawn_panel(n_bars: int, inputs: tuple[str, ...], rng: np.random.Generator) -> Panel:
    """Return bars of six instruments; one is listed late, one leaves before the end."""
    shape = (n_bars, len(SYMBOLS))
    level = np.exp(rng.uniform(2.0, 5.0, shape[1]))
    waves = 0.006 * np.sin(np.arange(n_bars)[:, None] / rng.uniform(5.0, 20.0, shape[1]))
    moves = rng.normal(0.0, 0.015, shape) + rng.normal(0.0002, 0.008, (n_bars, 1)) + waves
    close = level * np.exp(np.cumsum(moves, axis=0))
    before = np.vstack([close[:1], close[:-1]])
    opening = before * np.exp(rng.normal(0.0, 0.004, shape))
    fields = {
        "open": opening,
        "high": np.maximum(opening, close) * np.exp(np.abs(rng.normal(0.0, 0.006, shape))),
        "low": np.minimum(opening, close) * np.exp(-np.abs(rng.normal(0.0, 0.006, shape))),
        "close": close,
        "volume": np.round(1e5 * np.exp(rng.normal(0.0, 0.6, shape))),
    }
    extras = {name: _extra(name, shape, rng) for name in inputs if name not in fields}
    for array in (*fields.values(), *extras.values()):
        array[: n_bars // 5, LATE] = np.nan
        array[n_bars - n_bars // 5 :, GONE] = np.nan
    ts = FIRST + np.arange(n_bars, dtype=np.int64) * int(seconds_of("1d") * 1e6)
    return Panel(
        SYMBOLS,
        ts,
        timeframe="1d",
        continuous=True,
        survivorship="Drawn by chance: no market had these bars.",
        extras=extras,
        **fields,
    )


def _extra(name: str, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Return a further input of the size such figures have."""
    if name == "funding":
        return rng.normal(0.0001, 0.0003, shape)
    if name in ("sector", "industry", "subindustry"):
        return np.tile(np.arange(shape[1]) // 2 + 1.0, (shape[0], 1))
    walk = np.exp(np.cumsum(rng.normal(0.0, 0.02, shape), axis=0))
    return walk * (1e6 if name == "open_interest" else 1.0)
