"""Runs programs and whole-array functions over rows, dealt out to threads.

Threads of Python run the compiled loops, which hold no lock: unlike the compiler's own pools these
stand being called from several threads at a time, and processes may fork beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Thread
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.expressions.chains import INPUTS, Program

Floats = NDArray[np.float64]
Task = Callable[[int, int], None]
# Values below which a second thread costs more than it brings.
WORTH = 100_000
MOST = 8
SORTED_ROWS = 64
PARTS = 6


def threads_for(values: int) -> int:
    """Return how many threads an array of ``values`` numbers is worth."""
    if values < WORTH:
        return 1
    from numba import config

    return min(int(cast("Any", config).NUMBA_NUM_THREADS), MOST)


def run_program(program: Program, arrays: list[Floats], out: Floats, threads: int) -> Floats:
    """Fill ``out`` with the result of a program on ``arrays`` and return it."""
    from apps.strategies.kernel import loops

    bars, assets = out.shape
    flat = [array.reshape(-1) for array in arrays]
    flat += [np.empty(0)] * (INPUTS - len(flat))
    code = program.code.copy()
    loads = code[:, 0] == 0
    code[loads, 3] = np.minimum(code[loads, 3], bars) * assets
    result, run = out.reshape(-1), cast("Any", loops.program_1d)

    def task(low: int, high: int) -> None:
        begin, end = low * assets, high * assets
        run(code, program.constants, program.registers, *flat, result, begin, end)

    deal(task, bars, threads)
    return out


def run_whole(
    operator: str,
    arrays: Sequence[Floats],
    literals: tuple[float, ...],
    threads: int,
    out: Floats | None = None,
) -> Floats:
    """Return the result of a function of rows or of moving windows, in ``out`` if given."""
    out = np.empty(arrays[0].shape) if out is None else out
    deal(_WHOLE[operator](arrays, literals, out), len(out), threads)
    return out


def deal(task: Task, rows: int, threads: int) -> None:
    """Run ``task(low, high)`` over all rows, by ``threads`` at a time that take the next part.

    Parts are smaller than a thread's share, so that one that is held up holds up no other.
    """
    count = min(PARTS * threads, rows) if threads > 1 else 1
    bounds = [rows * part // count for part in range(count + 1)] if count else []
    parts = iter(list(pairwise(bounds)))
    faults: list[BaseException] = []

    def work() -> None:
        try:
            for low, high in parts:
                task(low, high)
        except BaseException as error:  # noqa: BLE001 raised again by the caller's thread
            faults.append(error)

    others = [Thread(target=work) for _ in range(threads - 1)]
    for other in others:
        other.start()
    work()
    for other in others:
        other.join()
    if faults:
        raise faults[0]


def sorted_keys(x: Floats, threads: int = 1) -> Floats:
    """Return each row's values in order, with their columns in the last bits."""
    from apps.strategies.kernel import loops

    keys = np.empty(x.shape)
    bits = key_bits(x.shape[1])

    def task(low: int, high: int) -> None:
        loops.keys_2d(x, low, bits, keys[low:high])
        keys[low:high].sort(axis=1)

    deal(task, len(x), threads)
    return keys


def key_bits(columns: int) -> int:
    """Return how many bits of a key tell its column."""
    return max(columns - 1, 1).bit_length()


def _rank(arrays: Sequence[Floats], literals: tuple[float, ...], out: Floats) -> Task:  # noqa: ARG001
    from apps.strategies.kernel import loops

    (x,), columns = arrays, out.shape[1]
    bits = key_bits(columns)

    def task(low: int, high: int) -> None:
        keys = np.empty((SORTED_ROWS, columns))
        for top in range(low, high, SORTED_ROWS):
            part = keys[: min(SORTED_ROWS, high - top)]
            loops.keys_2d(x, top, bits, part)
            part.sort(axis=1)
            loops.ranks_2d(x, top, bits, part, out)

    return task


def _loop(
    name: str, *kinds: type
) -> Callable[[Sequence[Floats], tuple[float, ...], Floats], Task]:
    """Return what makes the task of a compiled loop; ``kinds`` are the types of its literals."""

    def made(arrays: Sequence[Floats], literals: tuple[float, ...], out: Floats) -> Task:
        from apps.strategies.kernel import loops

        numbers = [kind(value) for kind, value in zip(kinds, literals, strict=True)]
        function = getattr(loops, name)
        return lambda low, high: function(*arrays, *numbers, out, low, high)

    return made


def _sum(arrays: Sequence[Floats], literals: tuple[float, ...], out: Floats) -> Task:
    from apps.strategies.kernel import loops

    (x,), window = arrays, int(literals[0])
    return lambda low, high: loops.sum_2d(x, window, 1.0, out, low, high)


def _mean(arrays: Sequence[Floats], literals: tuple[float, ...], out: Floats) -> Task:
    from apps.strategies.kernel import loops

    (x,), window = arrays, int(literals[0])
    return lambda low, high: loops.sum_2d(x, window, float(window), out, low, high)


_WHOLE: dict[str, Callable[[Sequence[Floats], tuple[float, ...], Floats], Task]] = {
    "rank": _rank,
    "zscore": _loop("zscore_2d"),
    "demean": _loop("demean_2d"),
    "scale": _loop("scale_2d", float),
    "truncate": _loop("truncate_2d", float),
    "group_mean": _loop("group_mean_2d"),
    "group_rank": _loop("group_rank_2d"),
    "ts_sum": _sum,
    "ts_mean": _mean,
    "ts_min": _loop("min_2d", int),
    "ts_max": _loop("max_2d", int),
    "ts_std": _loop("std_2d", int),
    "ts_argmin": _loop("argmin_2d", int),
    "ts_argmax": _loop("argmax_2d", int),
    "ts_rank": _loop("rank_2d", int),
    "ts_product": _loop("product_2d", int),
    "decay_linear": _loop("decay_linear_2d", int),
    "correlation": _loop("correlation_2d", int),
    "covariance": _loop("covariance_2d", int),
    "rank_correlation": _loop("rank_correlation_2d", int),
}
