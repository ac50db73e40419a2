"""Target weights in the rows where something was decided, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.bars import Panel
from apps.strategies.kernel.interface import Features, Params, Strategy, View
from apps.strategies.kernel.orders import Intents, Order
from apps.strategies.kernel.windows import TIE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided, by bar: ``weights`` (NaN: as is) at the closes of ``bars``, ascending.

    ``orders`` are pairs of the bar at whose close an order was made, and the order.
    """

    bars: Ints
    weights: Floats
    orders: tuple[tuple[int, Order], ...] = ()

    def targets(self, n_bars: int) -> Floats:
        """Return the same as ``(n_bars, n_assets)``, NaN where nothing was decided."""
        out = np.full((n_bars, self.weights.shape[1]), np.nan)
        out[self.bars] = self.weights
        return out


@dataclass(frozen=True, slots=True)
class ByBar:
    """Decisions that rest on what was filled: they can be had only bar by bar."""

    features: Features
    decide: Callable[[View], Floats | Intents | None]


@runtime_checkable
class WithOrders(Protocol):
    """A strategy that may answer with orders.

    One whose orders follow from the bars alone also has ``orders(panel, params)``, their array
    twin: a cancel at a close is there an order whose ``bars`` end at it.
    """

    def places_orders(self, params: Params) -> bool:
        """Tell whether it answers with orders under these parameters."""
        ...


Decided = Decisions | ByBar | Floats


def places_orders(strategy: Strategy, params: Params) -> bool:
    """Tell whether a strategy answers with orders under these parameters."""
    return isinstance(strategy, WithOrders) and strategy.places_orders(params)


def decisions_of(strategy: Strategy, panel: Panel, params: Params) -> Decided:
    """Return what a strategy decides on a panel, sparse where it can say so."""
    sparse = getattr(strategy, "decisions", None)
    found = sparse(panel, params) if sparse is not None else None
    if not places_orders(strategy, params):
        return strategy.targets(panel, params) if found is None else found
    made = getattr(strategy, "orders", None)
    if made is None:
        features = strategy.prepare(panel, params)
        return ByBar(features, lambda view: strategy.decide(view, params))
    if found is None:
        found = sparse_rows(strategy.targets(panel, params))
    return replace(found, orders=tuple(made(panel, params)))


def sparse_rows(targets: Floats) -> Decisions:
    """Return the rows of targets in which something is decided."""
    bars = np.flatnonzero(~np.isnan(targets).all(axis=1))
    return Decisions(bars, np.ascontiguousarray(targets[bars]))


def sides(close: Floats, fast: int, slow: int) -> Floats:
    """Return the sign of fast minus slow average by bar, NaN before there are both; no gaps."""
    from apps.strategies.kernel import crossing_loops

    side = crossing_loops.sides_1d(np.ascontiguousarray(close), fast, slow, TIE)
    found: Floats = side.astype(np.float64)
    found[: slow - 1] = np.nan
    return found


def crossovers(close: Floats, fast: int, slow: int, *, short: bool) -> Decisions:
    """Return where one instrument's fast average crosses its slow one, ``fast < slow``.

    Long above and else flat; with ``short``, long or short from the first crossing on. Sums are
    those of ``windows.rolling_sum`` to the bit. ``close`` has no gaps.
    """
    from apps.strategies.kernel import crossing_loops

    side = crossing_loops.sides_1d(np.ascontiguousarray(close), fast, slow, TIE)
    bars, taken = crossing_loops.changes_1d(side, int(short))
    return Decisions(bars, taken[:, None])
