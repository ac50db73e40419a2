"""Worlds of bars: the returns of a null world with opens, highs, lows and volumes that fit them.

Each bar of a world takes the shape of a real bar (open, high and low over the close, volume,
funding): the one drawn, of the bootstrap; its own, of flipped signs; that of the same rank by
size, where returns are made anew. Where the return has the other sign than the bar whose shape it
takes, the shape is mirrored about the close, and funding changes sign.

Instruments are drawn jointly, from the same real bar. A bar missing in the real panel is missing
in every world; where the bar drawn lacks an instrument, its next bar stands in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.integrity.worlds import (
    MIN_BARS,
    block_length,
    blocks_maker,
    flips_maker,
    garch_maker,
    phases_maker,
)
from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS, Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BOOTSTRAPPED, PHASES, FLIPPED, GARCH = "bootstrapped", "phase_randomised", "sign_flipped", "garch"
WORLDS = (BOOTSTRAPPED, PHASES, FLIPPED, GARCH)
# In the prices of a world there is no split to come and no dividend left to pay.
TAKEN_IN = ("split", "dividend")


@dataclass(frozen=True, slots=True)
class Past:
    """What worlds are drawn from: a row for each real bar but the first, no gaps.

    Parameters
    ----------
    returns
        Log returns with splits and dividends, ``(n_bars - 1, n_assets)``.
    factors
        Their exponentials.
    shapes
        Open, high and low over the close, volume, ``(4, n_bars - 1, n_assets)``.
    rows
        The real row that each cell was taken from.
    there, begins, ends
        Which bars are there; the first of each instrument; its log return from first to last bar.
    """

    panel: Panel
    returns: Floats
    factors: Floats
    shapes: Floats
    rows: Ints
    there: NDArray[np.bool_]
    begins: Ints
    ends: Floats
    template: Floats

    @property
    def n_rows(self) -> int:
        """How many real bars can be drawn."""
        return len(self.returns)


def past_of(panel: Panel) -> Past:
    """Return what worlds are drawn from. Raises ``Invalid`` for fewer than 21 bars of anything."""
    there = np.isfinite(panel.close)
    counts = there.sum(axis=0)
    if panel.n_bars <= MIN_BARS or not (counts > MIN_BARS).any():
        message = (
            f"The run has {int(counts.max(initial=0))} bars; null worlds are drawn from at least "
            f"{MIN_BARS + 1}. Run it on more dates."
        )
        raise Invalid(message, code="gauntlet.too_short", details={"field": "run"})
    low = np.where(there, panel.close, np.inf).min()
    if not low > 0.0:
        message = "A close is 0 or below: there is no return from it. Run it on other bars."
        raise Invalid(message, code="gauntlet.prices", details={"field": "run"})
    returns = _log_returns(panel, there)
    known = np.isfinite(returns)
    rows = _next_known(known)
    returns = np.take_along_axis(np.where(known, returns, 0.0), rows, axis=0)
    begins = np.where(there.any(axis=0), there.argmax(axis=0), panel.n_bars).astype(np.int64)
    counted = there[1:] & (np.arange(1, panel.n_bars)[:, None] > begins)
    shapes = [getattr(panel, name)[1:] / panel.close[1:] for name in FIELDS[:3]]
    shapes = [np.take_along_axis(one, rows, axis=0) for one in (*shapes, panel.volume[1:])]
    template = np.stack([np.where(there, np.nan, getattr(panel, name)) for name in FIELDS])
    first = np.flatnonzero(begins < panel.n_bars)
    for row, name in zip(template, FIELDS, strict=True):
        row[begins[first], first] = getattr(panel, name)[begins[first], first]
    return Past(
        panel=_without_actions(panel),
        returns=returns,
        factors=np.exp(returns),
        shapes=np.stack(shapes),
        rows=rows,
        there=there,
        begins=begins,
        ends=np.where(counted, returns, 0.0).sum(axis=0),
        template=template,
    )


def _log_returns(panel: Panel, there: NDArray[np.bool_]) -> Floats:
    """Return log returns from each instrument's bar before, NaN without a bar or one before it."""
    at = np.where(there, np.arange(panel.n_bars)[:, None], -1)
    last = np.maximum.accumulate(at, axis=0)[:-1]
    before = np.where(
        last >= 0, np.take_along_axis(panel.close, np.maximum(last, 0), axis=0), np.nan
    )
    value = panel.close[1:].copy()
    dividend, split = (panel.extras.get(name) for name in ("dividend", "split"))
    if dividend is not None:
        value += np.where(dividend[1:] > 0.0, dividend[1:], 0.0)
    if split is not None:
        value *= np.where(split[1:] > 0.0, split[1:], 1.0)
    return np.asarray(np.log(value / before))


def _next_known(known: NDArray[np.bool_]) -> Ints:
    """Return for each cell the row of its column's next known cell, around the end."""
    n = len(known)
    twice = np.concatenate((known, known))
    at = np.where(twice, np.arange(2 * n)[:, None], 2 * n)
    coming = np.minimum.accumulate(at[::-1], axis=0)[::-1][:n]
    own = np.arange(n)[:, None]
    return np.asarray(np.where(coming < 2 * n, coming % n, own), dtype=np.int64)


def _without_actions(panel: Panel) -> Panel:
    extras = {name: rows for name, rows in panel.extras.items() if name not in TAKEN_IN}
    mode = "total_return"
    return replace(panel, extras=extras, price_mode=mode, series_ids=(), known_digest="")


class Bars:
    """Makes the panels of one kind of world, each from its key alone.

    Parameters
    ----------
    past, kind
        What to draw from, and how: one of ``WORLDS``.
    block
        Mean length of bootstrapped blocks; that of ``block_length`` without.
    centred
        Let each instrument end where it ended in truth, as phases do by nature; flipped signs
        have no drift and are left so.

    Raises
    ------
    Invalid
        For a kind that can't be drawn from this past, such as a GARCH of fewer than 100 bars.
    """

    def __init__(
        self, past: Past, kind: str, *, block: float | None = None, centred: bool = True
    ) -> None:
        from apps.backtests.kernel.integrity import gauntlet_loops

        self._loops: Any = gauntlet_loops
        self.past, self.kind = past, kind
        self.centred = centred and kind != FLIPPED
        n = past.n_rows
        self.block = float("nan")
        self._own = np.arange(n, dtype=np.int64)
        if kind == BOOTSTRAPPED:
            self.block = block_length(past.returns) if block is None else block
            self._make = blocks_maker(self._own[:, None].astype(np.float64), self.block)
        elif kind == FLIPPED:
            self._make = flips_maker(np.ones((n, 1)))
        else:
            self._make = (phases_maker if kind == PHASES else garch_maker)(past.returns)
            self._ranked = np.argsort(np.abs(past.returns), axis=0, kind="stable")
            self._turned = np.signbit(past.returns)

    def panel(self, key: np.uint64) -> Panel:
        """Return the world of a key."""
        past, loops = self.past, self._loops
        m = past.returns.shape[1]
        if self.kind in {BOOTSTRAPPED, FLIPPED}:
            drawn = np.empty((past.n_rows, 1))
            self._make(key, drawn)
            is_block = self.kind == BOOTSTRAPPED
            rows = drawn.astype(np.int64) if is_block else self._own[:, None]
            signs = np.ones_like(drawn) if is_block else drawn
            returns, factors = np.empty_like(past.returns), np.empty_like(past.returns)
            loops.factors_2d(past.factors, rows[:, 0], signs[:, 0], factors)
            if self.centred:
                loops.gathered_2d(past.returns, rows[:, 0], signs[:, 0], returns)
        else:
            returns = np.empty_like(past.returns)
            self._make(key, returns)
            factors = np.exp(returns)
            rows, signs = self._of_same_rank(returns)
        drift = np.ones(m)
        if self.centred:
            loops.drift_2d(returns, past.begins, past.there, past.ends, drift)
        out = past.template.copy()
        laid = (past.shapes, past.begins, past.there, out)
        loops.bars_2d(factors, rows, signs, drift, *laid)
        fields = dict(zip(FIELDS, out, strict=True))
        return replace(past.panel, **fields, extras=self._extras(rows, signs))

    def _of_same_rank(self, returns: Floats) -> tuple[Ints, Floats]:
        """Return the real row of the same rank by size for each, and whether signs agree."""
        order = np.argsort(np.abs(returns), axis=0, kind="stable")
        rows = np.empty_like(order)
        np.put_along_axis(rows, order, self._ranked, axis=0)
        theirs = np.take_along_axis(self._turned, rows, axis=0)
        return rows, np.where(np.signbit(returns) == theirs, 1.0, -1.0)

    def _extras(self, rows: Ints, signs: Floats) -> dict[str, Floats]:
        """Return the further inputs: funding goes with the bars drawn, the others stay put."""
        extras = self.past.panel.extras
        if "funding" not in extras:
            return extras
        at = np.broadcast_to(rows, self.past.returns.shape)
        at = np.take_along_axis(self.past.rows, at, axis=0)
        funding = extras["funding"].copy()
        drawn = np.take_along_axis(funding[1:], at, axis=0) * signs
        funding[1:] = np.where(self.past.there[1:], drawn, funding[1:])
        return {**extras, "funding": funding}
