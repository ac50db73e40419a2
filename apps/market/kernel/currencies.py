"""Amounts of several currencies in one: rates found along pairs, the shortest way."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
# Counted as the currency they promise; a broken peg is a risk that the lab doesn't price.
PEGGED = {"USDT": "USD", "USDC": "USD", "FDUSD": "USD"}
MAX_AGE = 7 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One pair on the way; ``inverted`` when it is quoted the other way round."""

    pair: str
    inverted: bool


def settle(currency: str) -> str:
    """Return the currency that a pegged one counts as."""
    return PEGGED.get(currency.upper(), currency.upper())


def find_path(pairs: Collection[str], base: str, quote: str) -> list[Step] | None:
    """Return the pairs that lead from ``base`` to ``quote``; None when none do.

    Parameters
    ----------
    pairs
        Six letters each: ``EURUSD`` is the price of one euro in dollars.
    """
    base, quote = settle(base), settle(quote)
    ways: dict[str, list[tuple[str, Step]]] = {}
    for pair in sorted(pairs):
        left, right = pair[:3], pair[3:]
        ways.setdefault(left, []).append((right, Step(pair, inverted=False)))
        ways.setdefault(right, []).append((left, Step(pair, inverted=True)))
    paths: dict[str, list[Step]] = {base: []}
    queue = deque([base])
    while queue:
        at = queue.popleft()
        if at == quote:
            return paths[at]
        for target, step in ways.get(at, []):
            if target not in paths:
                paths[target] = [*paths[at], step]
                queue.append(target)
    return None


def rate_along(
    path: list[Step], closes: Mapping[str, tuple[Times, Floats]], at: Times, *, length: int
) -> Floats:
    """Return the value of one unit at each time, by the last bar closed then.

    Parameters
    ----------
    closes
        Opens of bars in microseconds since 1970 and closes, by pair.
    at
        Times at which the rate is needed.
    length
        Length of a bar in microseconds: a bar may be used only once it has closed.

    Returns
    -------
    ndarray
        NaN where no bar has closed yet, or the last one is older than a week.
    """
    rate = np.ones(len(at))
    for step in path:
        ts, close = closes[step.pair]
        last = np.searchsorted(ts + length, at, side="right") - 1
        known = last >= 0
        found = np.full(len(at), np.nan)
        found[known] = close[last[known]]
        age = at[known] - (ts[last[known]] + length)
        found[known] = np.where(age > MAX_AGE, np.nan, found[known])
        rate *= 1.0 / found if step.inverted else found
    return rate
