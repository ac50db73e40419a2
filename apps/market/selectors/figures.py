"""Figures of an instrument by time, for its page: funding, open interest, factors, yields."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.market import store
from apps.market.kernel.periods import EARLIEST, LATEST, known_at
from apps.market.selectors.locations import find_instrument

MOST_POINTS = 5000


def figure_kinds(*, instrument_id: int) -> list[str]:
    """Return the kinds of figures that are stored of an instrument."""
    return store.metric_kinds(instrument_id)


def figure_points(
    *, team_id: int, symbol: str, kind: str, dataset: str = "", as_of: str = ""
) -> dict[str, Any]:
    """Return the last figures of one kind as arrays, for a chart.

    Raises
    ------
    NotFound
        ``symbol.unknown``.
    Invalid
        ``metric.kind`` naming the kinds there are.
    """
    row = find_instrument(team_id=team_id, symbol=symbol, dataset=dataset)
    found = store.read_metric([row.pk], kind, EARLIEST, LATEST, known_at(as_of or None))
    if row.pk not in found and kind not in store.metric_kinds(row.pk):
        names = ", ".join(store.metric_kinds(row.pk)) or "none"
        message = f"{symbol} has no figures {kind!r}; there are {names}."
        raise Invalid(message, code="metric.kind", details={"field": "kind"})
    ts, value = found.get(row.pk, (np.empty(0, np.int64), np.empty(0)))
    return {"symbol": symbol, "kind": kind, "total": len(ts), **_last(ts, value)}


def _last(ts: NDArray[np.int64], value: NDArray[np.float64]) -> dict[str, Any]:
    return {"ts": ts[-MOST_POINTS:], "value": value[-MOST_POINTS:]}
