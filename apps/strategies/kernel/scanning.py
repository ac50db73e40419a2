"""A scan as a sum: what each strategy wants of each symbol at the last bar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.core.kernel.timeframes import seconds_of
from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.interface import Features, Params, Strategy, check_panel
from apps.strategies.kernel.retests import STATES
from apps.strategies.kernel.scoring import missing_names
from apps.strategies.kernel.windows import last_seen

Floats = NDArray[np.float64]
BATCH = 10
# Bars a scan looks at: enough for every default, and the same work whatever is stored.
HISTORY = 1500


@dataclass(frozen=True, slots=True)
class Reading:
    """What a strategy wants of a symbol; times in microseconds, of a bar's close."""

    strategy: str
    symbol: str
    side: int = 0
    signal_at: int | None = None
    bar_at: int | None = None
    bars_since: int = 0
    price: float | None = None
    score: float | None = None
    components: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    state: str = ""
    refusal: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Consensus:
    """How many strategies want a symbol, long and short, of those that could be computed."""

    symbol: str
    long: int
    short: int
    asked: int

    @property
    def lean(self) -> float:
        """Longs less shorts as a share of those asked, -1 to 1."""
        return (self.long - self.short) / self.asked if self.asked else 0.0


def batches(symbols: Sequence[str], size: int = BATCH) -> list[list[str]]:
    """Return the symbols in groups of at most ``size``, in order."""
    return [list(symbols[at : at + size]) for at in range(0, len(symbols), size)]


def closed(panel: Panel, now: int) -> Panel:
    """Return the bars closed by ``now`` (microseconds), at most ``HISTORY`` of them."""
    length = seconds_of(panel.timeframe) * 1_000_000
    stop = int(np.searchsorted(panel.ts + length, now, side="right"))
    return panel.rows(max(stop - HISTORY, 0), stop)


def readings(strategy: Strategy, params: Params, panel: Panel) -> list[Reading]:
    """Return one reading per symbol; one that can't be computed tells why.

    A strategy that compares instruments sees them all, any other one at a time, so that a hole in
    one symbol's bars says nothing of the others.
    """
    if strategy.spec.across:
        return _computed(strategy, params, panel)
    found: list[Reading] = []
    for column in range(panel.n_assets):
        found += _computed(strategy, params, one_symbol(panel, column))
    return found


def one_symbol(panel: Panel, column: int) -> Panel:
    """Return one column from its first bar to its last."""
    there = np.flatnonzero(np.isfinite(panel.close[:, column]))
    first, stop = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
    cut = (slice(first, stop), slice(column, column + 1))
    fields: dict[str, Any] = {
        name: np.ascontiguousarray(getattr(panel, name)[cut]) for name in FIELDS
    }
    return replace(
        panel,
        symbols=(panel.symbols[column],),
        ts=panel.ts[first:stop],
        **fields,
        extras={name: np.ascontiguousarray(array[cut]) for name, array in panel.extras.items()},
        series_ids=panel.series_ids[column : column + 1],
        known_digest="",
    )


def _computed(strategy: Strategy, params: Params, panel: Panel) -> list[Reading]:
    name = strategy.spec.name
    try:
        check_panel(strategy.spec, strategy.warmup(params), panel)
        features = strategy.prepare(panel, params)
        held = np.nan_to_num(last_seen(strategy.targets(panel, params)))
    except Invalid as error:
        return [
            Reading(name, symbol, refusal=error.code, reason=error.message[:400])
            for symbol in panel.symbols
        ]
    return [_reading(strategy, panel, features, held, k) for k in range(panel.n_assets)]


def _reading(
    strategy: Strategy, panel: Panel, features: Features, held: Floats, column: int
) -> Reading:
    there = np.flatnonzero(np.isfinite(panel.close[:, column]))
    symbol = panel.symbols[column]
    if not len(there):
        reason = f"{symbol} has no bars here."
        return Reading(strategy.spec.name, symbol, refusal="panel.no_bars", reason=reason)
    last, length = int(there[-1]), seconds_of(panel.timeframe) * 1_000_000
    sides = np.sign(held[:, column])
    turns = np.flatnonzero(np.diff(sides, prepend=0.0))
    since = int(turns[-1]) if len(turns) else 0
    row = {name: float(values[last, column]) for name, values in features.items()}
    return Reading(
        strategy=strategy.spec.name,
        symbol=symbol,
        side=int(sides[-1]),
        signal_at=int(panel.ts[since]) + length,
        bar_at=int(panel.ts[last]) + length,
        bars_since=panel.n_bars - 1 - since,
        price=float(panel.close[last, column]),
        score=_known(row.get("score")) if strategy.spec.components else None,
        components={
            part.name: round(row[part.name], 4)
            for part in strategy.spec.components
            if np.isfinite(row[part.name])
        },
        missing=missing_names(row["missing"]) if np.isfinite(row.get("missing", np.nan)) else [],
        state=STATES[int(row["state"])] if np.isfinite(row.get("state", np.nan)) else "",
    )


def _known(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, 4)


def consensus(rows: Iterable[tuple[str, int, str]]) -> list[Consensus]:
    """Return the consensus by symbol from rows of symbol, side and refusal; by symbol."""
    counts: dict[str, list[int]] = {}
    for symbol, side, refusal in rows:
        count = counts.setdefault(symbol, [0, 0, 0])
        if not refusal:
            count[0] += side > 0
            count[1] += side < 0
            count[2] += 1
    return [Consensus(symbol, *count) for symbol, count in sorted(counts.items())]
