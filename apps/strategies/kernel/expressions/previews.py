"""A look at what a formula says: its values over time, and how the returns after them went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.expressions import merits
from apps.strategies.kernel.expressions.efforts import effort
from apps.strategies.kernel.expressions.evaluation import Evaluator
from apps.strategies.kernel.expressions.inputs import refuse_missing
from apps.strategies.kernel.expressions.nodes import Node
from apps.strategies.kernel.expressions.operators import lookback

Floats = NDArray[np.float64]
QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
# What one look may cost: bars shown, values computed, and about this many seconds of one core.
MOST_BARS, MOST_VALUES, MOST_SECONDS = 2500, 1_500_000, 2.0
FEWEST_BARS = 20
LISTED = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """What a formula says of a stretch of bars.

    ``quantiles`` of the values at each bar by name; ``coverage`` is the share of instruments with
    a bar that have a value. ``buckets`` are mean returns ahead over the mean of their bar, lowest
    values first; ``highest`` and ``lowest`` are symbols with values at the last bar.
    """

    ts: NDArray[np.int64]
    coverage: Floats
    quantiles: dict[str, Floats]
    ic: Floats
    turnover: Floats
    figures: dict[str, float]
    buckets: Floats
    counts: NDArray[np.int64]
    highest: list[tuple[str, float]]
    lowest: list[tuple[str, float]]


def bars_allowed(node: Node, assets: int, horizon: int) -> int:
    """Return how many bars of ``assets`` instruments may be shown.

    Raises
    ------
    Invalid
        ``preview.too_costly`` when fewer than 20 can be.
    """
    back = lookback(node)
    by_time = int(1e9 * MOST_SECONDS / (max(effort([node]), 1.0) * assets)) - back
    most = min(MOST_BARS, MOST_VALUES // assets - back, by_time)
    if most < max(FEWEST_BARS, horizon + 2):
        message = (
            f"A preview of this formula on {assets} instruments could show {max(most, 0)} bars: "
            f"it looks {back} bars back and is too much work to wait for. Choose a smaller "
            "universe or shorter windows, or run it as a backtest."
        )
        raise Invalid(message, code="preview.too_costly", details={"field": "universe"})
    return most


def preview(node: Node, panel: Panel, bars: int, horizon: int, buckets: int) -> Preview:
    """Return what ``node`` says of the last ``bars`` of a panel; those before are looked back at.

    Raises
    ------
    Invalid
        ``expression.no_field`` at a field of which the panel knows nothing.
    """
    refuse_missing(node, panel)
    there = np.isfinite(panel.close)
    values = np.where(there, next(Evaluator(panel, threads=1).values([node])), np.nan)
    values[: min(lookback(node), panel.n_bars)] = np.nan
    first = max(panel.n_bars - bars, 0)
    late = panel.rows(first, panel.n_bars)
    values, there = values[first:], there[first:]
    ahead = merits.returns_ahead(late, horizon)
    ic, turned = merits.rank_ic(values, ahead), merits.turnover(values)
    means, counts = merits.returns_by_bucket(values, ahead, buckets)
    coverage = np.isfinite(values).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    highest, lowest = _ends(late.symbols, values[-1])
    return Preview(
        ts=late.ts,
        coverage=coverage,
        quantiles=_quantiles(values),
        ic=ic,
        turnover=turned,
        figures=_figures(coverage, ic, turned, horizon),
        buckets=means,
        counts=counts,
        highest=highest,
        lowest=lowest,
    )


def _figures(coverage: Floats, ic: Floats, turned: Floats, horizon: int) -> dict[str, float]:
    known = ic[np.isfinite(ic)]
    changes = turned[np.isfinite(turned)]
    many = len(known) > 1
    return {
        "coverage": float(coverage.mean()),
        "ic": float(known.mean()) if len(known) else np.nan,
        "ic_std": float(known.std(ddof=1)) if many else np.nan,
        "ic_t": merits.t_of(ic, horizon),
        "ic_positive": float((known > 0).mean()) if len(known) else np.nan,
        "ic_bars": float(len(known)),
        "turnover": float(changes.mean()) if len(changes) else np.nan,
    }


def _quantiles(values: Floats) -> dict[str, Floats]:
    """Return quantiles of each row over what is there, linear between neighbours."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    rows, last = np.arange(len(ordered)), np.maximum(count - 1, 0)
    found = {}
    for name, share in QUANTILES.items():
        at = share * last
        low = np.floor(at).astype(np.intp)
        high = np.minimum(low + 1, last)
        one, other = ordered[rows, low], ordered[rows, high]
        found[name] = one + (other - one) * (at - low)
    return found


def _ends(
    symbols: tuple[str, ...], row: Floats
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    there = np.flatnonzero(np.isfinite(row))
    order = there[np.argsort(-row[there], kind="stable")]
    pairs = [(symbols[place], float(row[place])) for place in order]
    return pairs[:LISTED], pairs[::-1][:LISTED]
