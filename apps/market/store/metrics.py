"""Figures by time in and out of the database, such as funding rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.market.kernel import copy_format
from apps.market.kernel.periods import moment_of
from apps.market.store.access import check_instruments_readable, check_instruments_writable
from apps.market.store.copying import copy_in, copy_out, in_time_order

READ_METRIC = """
COPY (
    SELECT int8send(instrument_id), string_agg(timestamptz_send(ts), ''),
        string_agg(float8send(value), '')
    FROM (
        SELECT * FROM market_metric
        WHERE instrument_id = ANY(%s) AND kind = %s AND ts >= %s AND ts <= %s
        ORDER BY instrument_id, ts
    ) figures GROUP BY instrument_id
) TO STDOUT (FORMAT BINARY)
"""
METRIC_FIELDS = "instrument_id, kind, ts, value, batch_id"
MAKE_METRIC_STAGE = """
CREATE TEMP TABLE IF NOT EXISTS stage_metric (LIKE market_metric) ON COMMIT DROP;
TRUNCATE stage_metric;
"""
COPY_METRIC_STAGE = f"COPY stage_metric ({METRIC_FIELDS}) FROM STDIN (FORMAT BINARY)"
UPSERT_METRIC = f"""
WITH merged AS (
    INSERT INTO market_metric AS m ({METRIC_FIELDS}) SELECT {METRIC_FIELDS} FROM stage_metric
    ON CONFLICT (instrument_id, kind, ts)
    DO UPDATE SET value = EXCLUDED.value, batch_id = EXCLUDED.batch_id
    WHERE m.value <> EXCLUDED.value
    RETURNING m.instrument_id
)
UPDATE market_series SET stamp = gen_random_uuid()
WHERE instrument_id IN (SELECT instrument_id FROM merged)
"""  # noqa: S608 the names are constants of this module


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one instrument by time, such as its funding rates."""

    instrument_id: int
    ts: NDArray[np.int64]
    value: NDArray[np.float64]


def write_metric(kind: str, figures: Sequence[Figures], batch_id: int) -> None:
    """Store figures of one kind; the same time again replaces them.

    Raises
    ------
    Denied
        ``dataset.foreign_instrument`` unless all are of the batch's dataset, and it one's own.
    """
    figures = [item for item in figures if len(item.ts)]
    if not figures:
        return
    check_instruments_writable([item.instrument_id for item in figures], batch_id)
    sizes = [len(item.ts) for item in figures]
    ids = np.array([item.instrument_id for item in figures], np.int64)
    rows = sum(sizes)
    stream = copy_format.pack(
        [
            np.repeat(ids, sizes),
            np.full(rows, kind.encode()),
            copy_format.to_server(np.concatenate([item.ts for item in figures])),
            np.concatenate([item.value for item in figures]),
            np.full(rows, batch_id, np.int32),
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute(MAKE_METRIC_STAGE)
        copy_in(COPY_METRIC_STAGE, stream)
        cursor.execute(UPSERT_METRIC)


def read_metric(
    instrument_ids: Sequence[int], kind: str, start: int, end: int
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return times and values of ``kind`` for each instrument that has any.

    Raises
    ------
    Denied
        ``dataset.foreign_instrument`` for one that may not be seen from here.
    """
    check_instruments_readable(instrument_ids)
    found: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    asked = [list(instrument_ids), kind, moment_of(start), moment_of(end)]
    for key, ts, value in copy_format.unpack(copy_out(READ_METRIC, asked)):
        times = copy_format.from_server(copy_format.integers(ts))
        pair = in_time_order(times, copy_format.floats(value))
        found[int(copy_format.integers(key)[0])] = pair
    return found
