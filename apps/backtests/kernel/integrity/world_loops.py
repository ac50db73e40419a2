"""Compiled loops of null worlds: a key each, arrays out. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# SplitMix64 (Steele, Lea and Flood 2014): a counter and a mixer, so a stream is a number.
STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
UNIT = 1.0 / 9007199254740992.0


@njit(inline="always")
def _mixed(state: Any) -> Any:
    z = state
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def _unit(state: Any) -> Any:
    """Return a number in [0, 1) of 53 bits."""
    return (_mixed(state) >> np.uint64(11)) * UNIT


@njit(cache=True, nogil=True)
def uniforms_1d(key: Any, out: Any) -> None:
    """Write uniform numbers in [0, 1)."""
    state = key
    for i in range(len(out)):
        state += STEP
        out[i] = _unit(state)


@njit(cache=True, nogil=True)
def blocks_2d(source: Any, mean: float, key: Any, out: Any) -> None:
    """Write rows of the past: with chance 1/mean a row anywhere, else the one after the last."""
    n, m = source.shape
    state = key
    at, ends = 0, 1.0 / mean
    for i in range(n):
        state += STEP
        drawn = _unit(state)
        if i == 0 or drawn < ends:
            state += STEP
            at = int(_unit(state) * n)
        else:
            at += 1
            if at == n:
                at = 0
        for j in range(m):
            out[i, j] = source[at, j]


@njit(cache=True, nogil=True)
def flips_2d(source: Any, key: Any, out: Any) -> None:
    """Write every row as it is or with its signs turned."""
    n, m = source.shape
    state = key
    for i in range(n):
        state += STEP
        sign = 1.0 if _mixed(state) >> np.uint64(63) else -1.0
        for j in range(m):
            out[i, j] = sign * source[i, j]


@njit(cache=True, nogil=True)
def garch_2d(shocks: Any, laws: Any, start: Any, key: Any, out: Any) -> None:
    """Write a path of each asset's law (mean, omega, alpha, beta) with rows of shocks."""
    n, m = shocks.shape
    state = key
    now = start.copy()
    for i in range(n):
        state += STEP
        row = int(_unit(state) * n)
        for j in range(m):
            gap = np.sqrt(now[j]) * shocks[row, j]
            out[i, j] = laws[j, 0] + gap
            now[j] = laws[j, 1] + laws[j, 2] * gap * gap + laws[j, 3] * now[j]


@njit(cache=True, nogil=True)
def stretches_1d(positions: Any, starts: Any, lengths: Any) -> tuple[int, int]:
    """Write where each stretch of one sign begins and how long it is; return their number.

    The second number is that of the bars without a position.
    """
    held, idle, n = 0, 0, len(positions)
    for i in range(n):
        sign = np.sign(positions[i])
        if sign == 0.0:
            idle += 1
        elif i == 0 or np.sign(positions[i - 1]) != sign:
            starts[held], lengths[held] = i, 1
            held += 1
        else:
            lengths[held - 1] += 1
    return held, idle


@njit(cache=True, nogil=True)
def shuffled_1d(held: int, idle: int, state: Any, out: Any) -> Any:
    """Write holdings by number and idle bars (-1) in random order (Fisher and Yates).

    Returns where the stream of draws stands.
    """
    for k in range(held + idle):
        out[k] = k if k < held else -1
    for k in range(held + idle - 1, 0, -1):
        state += STEP
        other = int(_unit(state) * (k + 1))
        out[k], out[other] = out[other], out[k]
    return state


@njit(cache=True, nogil=True)
def entries_2d(positions: Any, key: Any, out: Any) -> None:
    """Write each asset's holdings in random order with the idle bars at random between them."""
    n, m = positions.shape
    state = key
    starts, lengths = np.empty(n, np.int64), np.empty(n, np.int64)
    order = np.empty(n, np.int64)
    for j in range(m):
        held, idle = stretches_1d(positions[:, j], starts, lengths)
        state = shuffled_1d(held, idle, state, order)
        at = 0
        for k in range(held + idle):
            if order[k] < 0:
                out[at, j] = 0.0
                at += 1
                continue
            for i in range(lengths[order[k]]):
                out[at + i, j] = positions[starts[order[k]] + i, j]
            at += lengths[order[k]]
