"""One bar of the full loop, called from Python: the arrays handed over by address, once.

Handing over two dozen arrays costs a call several times what the bar itself costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core.cgutils import voidptr_t
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from apps.backtests.kernel.loops.compiled import compiled
from apps.backtests.kernel.loops.market import step_bar
from apps.backtests.kernel.loops.orders import (
    CASH,
    EQUITY,
    FAULT,
    FIRST,
    GROSS,
    N_ACCOUNT,
    N_COLUMNS,
    N_FILLS,
    N_FLOWS,
    N_ORDERS,
    N_SCALARS,
    N_STATE,
    NET,
)
from apps.backtests.kernel.loops.steps import N_TERMS

# What stands before the addresses.
BARS, ASSETS, FUNDED, SPLIT, PAYING, SCHEDULES, ORDERS, FILL_ROOM, FLOW_ROOM = range(9)
N_SIZES = 9
DONE, NO_ROOM, FAULTY = range(3)


def _as_pointer(_context: Any, address: Any) -> Any:
    """Turn a number into a pointer."""

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], voidptr_t)

    return types.voidptr(address), build


_pointer: Any = intrinsic(_as_pointer)


@compiled
def _floats(address: int, rows: int, columns: int) -> Any:
    return carray(_pointer(address), (rows, columns), np.float64)


@compiled
def step_at(i: int, at: Any) -> int:
    """Play bar ``i`` of the session whose sizes and addresses ``at`` holds, and log it.

    Answers ``NO_ROOM`` when a table has to grow first, ``FAULTY`` when the bar can't be played.
    """
    n_bars, n_assets = at[BARS], at[ASSETS]
    a = at[N_SIZES:]
    account = carray(_pointer(a[14]), (N_ACCOUNT,), np.float64)
    working = int(account[N_ORDERS] - account[FIRST])
    if account[N_FILLS] + 4 * n_assets + 2 * working + 4 > at[FILL_ROOM]:
        return NO_ROOM
    if account[N_FLOWS] + 4 * n_assets + 4 > at[FLOW_ROOM]:
        return NO_ROOM
    row = carray(_pointer(a[19]), (n_assets,), np.float64)
    state = _floats(a[13], N_STATE, n_assets)
    step_bar(
        i,
        row,
        carray(_pointer(a[0]), (n_bars,), np.int64),
        _floats(a[1], n_bars, n_assets),
        _floats(a[2], n_bars, n_assets),
        _floats(a[3], n_bars, n_assets),
        _floats(a[4], n_bars, n_assets),
        _floats(a[5], n_bars, n_assets),
        _floats(a[6], n_bars, n_assets),
        _floats(a[7], at[FUNDED], n_assets),
        _floats(a[8], at[SPLIT], n_assets),
        _floats(a[9], at[PAYING], n_assets),
        carray(_pointer(a[10]), (n_bars,), np.int64),
        carray(_pointer(a[11]), (at[SCHEDULES], N_TERMS, n_assets), np.float64),
        carray(_pointer(a[12]), (N_SCALARS,), np.float64),
        state,
        account,
        _floats(a[15], at[ORDERS], N_COLUMNS),
        carray(_pointer(a[16]), (at[FILL_ROOM], 4), np.int64),
        _floats(a[17], at[FILL_ROOM], 4),
        _floats(a[18], at[FLOW_ROOM], 4),
    )
    row[:] = np.nan
    if account[FAULT] > 0.0:
        return FAULTY
    curve = carray(_pointer(a[20]), (n_bars, 4), np.float64)
    curve[i, 0], curve[i, 1] = account[EQUITY], account[CASH]
    curve[i, 2], curve[i, 3] = account[GROSS], account[NET]
    _floats(a[21], n_bars, n_assets)[i] = state[0]
    return DONE
