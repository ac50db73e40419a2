"""Chains of functions of single values, run over blocks small enough for the nearest cache.

A program is a table of numbers, so nothing is compiled for a new expression: the loops below are,
once. One instruction works on a whole block, so reading it costs next to nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

BLOCK = 512
LARGEST = 1.7976931348623157e308
LOAD, NEG, ADD, SUB, MUL, DIV, LESS, GREATER, LESS_EQUAL, GREATER_EQUAL = range(10)
EQUAL, UNEQUAL, AND, OR, WHERE, ABS, LOG, SIGN, POWER, SIGNED_POWER = range(10, 20)
MIN, MAX, ROOT = range(20, 23)


@njit(cache=True, nogil=True)
def _load(source: Any, begin: int, back: int, count: int, target: Any) -> None:
    """Copy ``count`` values from ``begin - back`` on; before the first one they are missing."""
    missing = min(max(back - begin, 0), count)
    target[:missing] = np.nan
    target[missing:count] = source[begin - back + missing : begin - back + count]


@njit(cache=True, nogil=True, error_model="numpy")
def _arithmetic(name: int, a: Any, b: Any, count: int, d: Any) -> None:
    # What is infinite is missing: it must not turn into a number again.
    if name == NEG:
        for j in range(count):
            d[j] = -a[j]
    elif name == ADD:
        for j in range(count):
            v = a[j] + b[j]
            d[j] = v if abs(v) <= LARGEST else np.nan
    elif name == SUB:
        for j in range(count):
            v = a[j] - b[j]
            d[j] = v if abs(v) <= LARGEST else np.nan
    elif name == MUL:
        for j in range(count):
            v = a[j] * b[j]
            d[j] = v if abs(v) <= LARGEST else np.nan
    elif name == DIV:
        for j in range(count):
            v = a[j] / b[j]
            d[j] = v if abs(v) <= LARGEST else np.nan
    elif name == MIN:
        for j in range(count):
            d[j] = a[j] if a[j] < b[j] or a[j] != a[j] else b[j]
    elif name == MAX:
        for j in range(count):
            d[j] = a[j] if a[j] > b[j] or a[j] != a[j] else b[j]


@njit(cache=True, nogil=True)
def _compare(name: int, a: Any, b: Any, count: int, d: Any) -> None:
    # The last term is 0, or missing when an argument is.
    if name == LESS:
        for j in range(count):
            d[j] = (1.0 if a[j] < b[j] else 0.0) + (a[j] - a[j]) + (b[j] - b[j])
    elif name == GREATER:
        for j in range(count):
            d[j] = (1.0 if a[j] > b[j] else 0.0) + (a[j] - a[j]) + (b[j] - b[j])
    elif name == LESS_EQUAL:
        for j in range(count):
            d[j] = (1.0 if a[j] <= b[j] else 0.0) + (a[j] - a[j]) + (b[j] - b[j])
    elif name == GREATER_EQUAL:
        for j in range(count):
            d[j] = (1.0 if a[j] >= b[j] else 0.0) + (a[j] - a[j]) + (b[j] - b[j])
    elif name == EQUAL:
        for j in range(count):
            d[j] = (1.0 if a[j] == b[j] else 0.0) + (a[j] - a[j]) + (b[j] - b[j])
    elif name == UNEQUAL:
        for j in range(count):
            d[j] = (1.0 if a[j] != b[j] else 0.0) + (a[j] - a[j]) + (b[j] - b[j])
    elif name == AND:
        for j in range(count):
            both = (1.0 if a[j] != 0.0 else 0.0) * (1.0 if b[j] != 0.0 else 0.0)
            d[j] = both + (a[j] - a[j]) + (b[j] - b[j])
    elif name == OR:
        for j in range(count):
            some = max(1.0 if a[j] != 0.0 else 0.0, 1.0 if b[j] != 0.0 else 0.0)
            d[j] = some + (a[j] - a[j]) + (b[j] - b[j])


@njit(cache=True, nogil=True, error_model="numpy")
def _single(name: int, a: Any, b: Any, count: int, d: Any) -> None:
    if name == ABS:
        for j in range(count):
            d[j] = abs(a[j])
    elif name == LOG:
        for j in range(count):
            d[j] = np.log(a[j]) if a[j] > 0.0 else np.nan
    elif name == SIGN:
        for j in range(count):
            up, down = 1.0 if a[j] > 0.0 else 0.0, 1.0 if a[j] < 0.0 else 0.0
            d[j] = up - down + (a[j] - a[j])
    elif name == ROOT:
        for j in range(count):
            d[j] = np.sqrt(a[j])
    elif name == POWER:
        for j in range(count):
            v = a[j] ** b[j]
            d[j] = v if abs(v) <= LARGEST else np.nan
    elif name == SIGNED_POWER:
        for j in range(count):
            v = abs(a[j]) ** b[j]
            sign = (1.0 if a[j] > 0.0 else 0.0) - (1.0 if a[j] < 0.0 else 0.0)
            v = sign * v + (a[j] - a[j])
            d[j] = v if abs(v) <= LARGEST else np.nan


@njit(cache=True, nogil=True)
def _where(a: Any, b: Any, c: Any, count: int, d: Any) -> None:
    for j in range(count):
        chosen = b[j] if a[j] != 0.0 else c[j]
        d[j] = chosen + (a[j] - a[j])


@njit(cache=True, nogil=True)
def program_1d(
    code: Any,
    constants: Any,
    registers: int,
    x0: Any,
    x1: Any,
    x2: Any,
    x3: Any,
    x4: Any,
    x5: Any,
    out: Any,
    low: int,
    high: int,
) -> None:
    """Run ``code`` over the flat values ``low`` to ``high`` and fill ``out`` with the result.

    Parameters
    ----------
    code
        ``(n, 5)``: instruction, target register, up to three registers. ``LOAD`` has an input and
        how many values back instead.
    constants
        What the first registers hold throughout.
    registers
        How many registers there are; the last instruction's target is the result.
    """
    space = np.empty((registers, BLOCK))
    for r in range(len(constants)):
        space[r, :] = constants[r]
    for begin in range(low, high, BLOCK):
        count = min(BLOCK, high - begin)
        for n in range(len(code)):
            name, target = code[n, 0], space[code[n, 1]]
            if name == LOAD:
                slot, back = code[n, 2], code[n, 3]
                if slot == 0:
                    _load(x0, begin, back, count, target)
                elif slot == 1:
                    _load(x1, begin, back, count, target)
                elif slot == 2:
                    _load(x2, begin, back, count, target)
                elif slot == 3:
                    _load(x3, begin, back, count, target)
                elif slot == 4:
                    _load(x4, begin, back, count, target)
                else:
                    _load(x5, begin, back, count, target)
                continue
            a, b, c = space[code[n, 2]], space[code[n, 3]], space[code[n, 4]]
            if name == WHERE:
                _where(a, b, c, count, target)
            elif NEG <= name <= DIV or MIN <= name <= MAX:
                _arithmetic(name, a, b, count, target)
            elif LESS <= name <= OR:
                _compare(name, a, b, count, target)
            else:
                _single(name, a, b, count, target)
        out[begin : begin + count] = space[code[len(code) - 1, 1], :count]
