"""Curves of runs in and out of the database as arrays, by binary COPY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.market.kernel import copy_format

Floats = NDArray[np.float64]
CURVES = ("equity", "cash", "drawdown", "exposure", "net_exposure", "benchmark")
COLUMNS = ", ".join(CURVES)
COPY_IN = f"COPY backtests_equity (run_id, ts, {COLUMNS}) FROM STDIN (FORMAT BINARY)"
PARTS = ", ".join(f"string_agg(float8send({name}), '')" for name in CURVES)
COPY_OUT = f"""
COPY (
    SELECT string_agg(timestamptz_send(ts), ''), {PARTS}
    FROM (
        -- Through the run, which row security guards; it can't guard this table (decision 41).
        SELECT * FROM backtests_equity
        WHERE run_id = (SELECT id FROM backtests_run WHERE id = %s) ORDER BY ts
    ) bars
    HAVING count(*) > 0
) TO STDOUT (FORMAT BINARY)
"""  # noqa: S608 the names are constants of this module


COPY_MANY = """
COPY (
    SELECT uuid_send(run_id), string_agg(timestamptz_send(ts), '' ORDER BY ts),
        string_agg(float8send(equity), '' ORDER BY ts)
    FROM backtests_equity
    WHERE run_id IN (SELECT id FROM backtests_run WHERE id = ANY(%s)) GROUP BY run_id
) TO STDOUT (FORMAT BINARY)
"""


def write_curves(run_id: UUID, ts: NDArray[np.int64], curves: Mapping[str, Floats]) -> None:
    """Store a run's curves by bar in place of what was there; inside a transaction."""
    key = np.full(len(ts), run_id.bytes, dtype="S16")
    values = [np.asarray(curves[name], dtype=np.float64) for name in CURVES]
    stream = copy_format.pack([key, copy_format.to_server(ts), *values])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM backtests_equity WHERE run_id = %s", [run_id])
        with cursor.copy(COPY_IN) as copy:
            copy.write(stream)


def read_equity(run_ids: Sequence[UUID]) -> dict[UUID, tuple[NDArray[np.int64], Floats]]:
    """Return times and equity of several runs in one question; those without any left out."""
    with connection.cursor() as cursor, cursor.copy(COPY_MANY, [list(run_ids)]) as copy:
        rows = list(copy_format.unpack(b"".join(copy)))
    found = {}
    for key, ts, equity in rows:
        times = copy_format.from_server(copy_format.integers(ts))
        found[UUID(bytes=bytes(key))] = times, copy_format.floats(equity)
    return found


def read_curves(run_id: UUID) -> tuple[NDArray[np.int64], dict[str, Floats]]:
    """Return times and curves of a run; empty arrays when there are none."""
    with connection.cursor() as cursor, cursor.copy(COPY_OUT, [run_id]) as copy:
        rows = list(copy_format.unpack(b"".join(copy)))
    if not rows:
        return np.empty(0, np.int64), {name: np.empty(0) for name in CURVES}
    ts = copy_format.from_server(copy_format.integers(rows[0][0]))
    curves = map(copy_format.floats, rows[0][1:])
    order = np.argsort(ts, kind="stable")
    return ts[order], {name: curve[order] for name, curve in zip(CURVES, curves, strict=True)}
