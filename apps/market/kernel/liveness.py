"""Whether a live feed still tells the truth: silent and frozen symbols, and which bar counts.

Times are microseconds since 1970; a bar is stamped by its open and known once it is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.columns import PRICES, Columns

MICROS = 1_000_000
# How long a vendor may take to tell a bar that is over.
GRACE_SECONDS = 20
# Bars in a row that are due and did not come until a symbol counts as silent.
SILENT_BARS = 3
# FIA's guide on automated trading: a price that does not move at all is a broken feed.
FROZEN_SECONDS = 600
# How far the vendor's clock may run before ours.
AHEAD_SECONDS = 5
REMEMBERED_BARS = 240

# What of two bars for one time counts: streamed < corrected = asked for by REST.
STREAMED, SETTLED = 0, 1


@dataclass(slots=True)
class Pulse:
    """What was heard of a symbol last.

    Parameters
    ----------
    last
        Open of the newest bar; None before the first.
    price
        Its close, when the bar had one price only; NaN when it moved within the bar.
    since
        Open of the first bar of those that all had this one price.
    ranks
        Newest bars by open, and what their figures came from.
    """

    last: int | None = None
    price: float = float("nan")
    since: int = 0
    ranks: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a feed is: ``stale`` when none of its symbols moves; else which of them do not."""

    is_stale: bool
    silent: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The reason for people; empty when all is well."""
        parts = [
            f"{what}: {', '.join(symbols[:8])}{' …' if len(symbols) > 8 else ''}"
            for what, symbols in (
                ("no bars", self.silent),
                (f"one price for {FROZEN_SECONDS // 60} minutes", self.frozen),
            )
            if symbols
        ]
        return "; ".join(parts)


def admit(pulse: Pulse, bars: Columns, rank: int, step: int, now: int) -> NDArray[np.bool_]:
    """Return which bars are news: over by now, and not an echo of one that was settled since.

    Parameters
    ----------
    step
        Length of a bar in microseconds.
    """
    over = bars.ts + step <= now + AHEAD_SECONDS * MICROS
    echo = np.array([pulse.ranks.get(int(ts), -1) > rank for ts in bars.ts], np.bool_)
    return np.asarray(over & ~echo)


def feel(pulse: Pulse, bars: Columns, rank: int) -> None:
    """Note bars that were admitted, in time order, in the pulse of their symbol."""
    for row in range(len(bars)):
        ts = int(bars.ts[row])
        pulse.ranks[ts] = rank
        if pulse.last is not None and ts < pulse.last:
            continue
        pulse.last = ts
        prices = {float(getattr(bars, name)[row]) for name in PRICES}
        price = prices.pop() if len(prices) == 1 else float("nan")
        if price != pulse.price:
            pulse.price, pulse.since = price, ts
    for old in sorted(pulse.ranks)[:-REMEMBERED_BARS]:
        del pulse.ranks[old]


def judge(
    pulses: Mapping[str, Pulse], due: Mapping[str, NDArray[np.int64]], step: int, now: int
) -> Verdict:
    """Return how a feed is.

    Parameters
    ----------
    due
        By symbol: opens of the bars after its newest one that the calendar expects until now.
    """
    known_by = now - GRACE_SECONDS * MICROS - step
    silent = tuple(
        symbol
        for symbol in sorted(pulses)
        if np.count_nonzero(due[symbol] <= known_by) >= SILENT_BARS
    )
    frozen = tuple(
        symbol
        for symbol, pulse in sorted(pulses.items())
        if symbol not in silent and _is_frozen(pulse, step)
    )
    is_stale = bool(pulses) and len(silent) + len(frozen) == len(pulses)
    return Verdict(is_stale, silent, frozen)


def _is_frozen(pulse: Pulse, step: int) -> bool:
    if pulse.last is None or pulse.price != pulse.price:
        return False
    return pulse.last + step - pulse.since >= FROZEN_SECONDS * MICROS
