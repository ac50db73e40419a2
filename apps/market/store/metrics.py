"""Figures by time in and out of the database, such as funding rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.market.kernel import copy_format
from apps.market.kernel.periods import moment_of
from apps.market.store.access import check_instruments_readable, check_instruments_writable
from apps.market.store.copying import copy_in, copy_out, in_time_order
from apps.market.store.touched import Touched

READ_METRIC = """
COPY (
    SELECT int8send(instrument_id), string_agg(timestamptz_send(ts), ''),
        string_agg(float8send(value), '')
    FROM (
        {figures}
        ORDER BY instrument_id, ts
    ) figures GROUP BY instrument_id
) TO STDOUT (FORMAT BINARY)
"""
CURRENT = """
        SELECT instrument_id, ts, value FROM market_metric
        WHERE instrument_id = ANY(%s) AND kind = %s AND ts >= %s AND ts <= %s
"""
# As with bars: the version that was superseded first after the time asked for held then, unless
# its batch came later still.
AS_OF = """
        SELECT v.instrument_id, v.ts, v.value FROM (
            SELECT DISTINCT ON (instrument_id, ts) * FROM (
                SELECT instrument_id, ts, value, batch_id, timestamptz 'infinity' AS until
                FROM market_metric
                WHERE instrument_id = ANY(%s) AND kind = %s AND ts >= %s AND ts <= %s
                UNION ALL
                SELECT instrument_id, ts, value, batch_id, superseded_at
                FROM market_metric_history
                WHERE instrument_id = ANY(%s) AND kind = %s AND ts >= %s AND ts <= %s
                  AND superseded_at > %s
            ) versions ORDER BY instrument_id, ts, until
        ) v JOIN market_batch k ON k.id = v.batch_id AND k.created_at <= %s
"""
KINDS = "SELECT DISTINCT kind FROM market_metric WHERE instrument_id = %s"
METRIC_FIELDS = "instrument_id, kind, ts, value, batch_id"
MAKE_METRIC_STAGE = """
CREATE TEMP TABLE IF NOT EXISTS stage_metric (LIKE market_metric) ON COMMIT DROP;
TRUNCATE stage_metric;
"""
COPY_METRIC_STAGE = f"COPY stage_metric ({METRIC_FIELDS}) FROM STDIN (FORMAT BINARY)"
# A batch that corrects itself leaves no trace, as with bars.
UPSERT_METRIC = f"""
WITH kept AS (
    INSERT INTO market_metric_history ({METRIC_FIELDS}, superseded_by, superseded_at)
    SELECT m.instrument_id, m.kind, m.ts, m.value, m.batch_id, s.batch_id, %s
    FROM stage_metric s JOIN market_metric m
        ON m.instrument_id = s.instrument_id AND m.kind = s.kind AND m.ts = s.ts
    WHERE m.value <> s.value AND m.batch_id <> s.batch_id
    ON CONFLICT DO NOTHING
), merged AS (
    INSERT INTO market_metric AS m ({METRIC_FIELDS}) SELECT {METRIC_FIELDS} FROM stage_metric
    ON CONFLICT (instrument_id, kind, ts)
    DO UPDATE SET value = EXCLUDED.value, batch_id = EXCLUDED.batch_id
    WHERE m.value <> EXCLUDED.value
    RETURNING m.instrument_id, m.kind, m.ts, (xmax = 0) AS added
), stamped AS (
    UPDATE market_series SET stamp = gen_random_uuid()
    WHERE instrument_id IN (SELECT instrument_id FROM merged)
), changed AS (
    SELECT instrument_id, kind, count(*) AS n, min(ts) AS low, max(ts) AS high
    FROM merged WHERE NOT added GROUP BY instrument_id, kind
)
SELECT c.instrument_id, s.id, c.kind, c.n, c.low, c.high
FROM changed c LEFT JOIN market_series s ON s.instrument_id = c.instrument_id
ORDER BY c.instrument_id, s.id
"""  # noqa: S608 the names are constants of this module


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one instrument by time, such as its funding rates."""

    instrument_id: int
    ts: NDArray[np.int64]
    value: NDArray[np.float64]


def write_metric(
    kind: str, figures: Sequence[Figures], batch_id: int, now: datetime
) -> tuple[Touched, ...]:
    """Store figures of one kind; those of the same time that differ move to the history.

    Must run inside the transaction that made the batch, as for bars. Returns what changed of
    what was stored before.

    Raises
    ------
    Denied
        ``dataset.foreign_instrument`` unless all are of the batch's dataset, and it one's own.
    """
    figures = [item for item in figures if len(item.ts)]
    if not figures:
        return ()
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
        cursor.execute(UPSERT_METRIC, [now])
        return tuple(Touched(*row) for row in cursor.fetchall())


def metric_kinds(instrument_id: int) -> list[str]:
    """Return which kinds of figures are stored of an instrument.

    Raises ``Denied`` for one that may not be seen from here.
    """
    check_instruments_readable([instrument_id])
    with connection.cursor() as cursor:
        cursor.execute(KINDS, [instrument_id])
        return sorted(row[0] for row in cursor.fetchall())


def read_metric(
    instrument_ids: Sequence[int],
    kind: str,
    start: int,
    end: int,
    as_of: datetime | None = None,
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return times and values of ``kind`` for each instrument that has any.

    Parameters
    ----------
    as_of
        The figures as they were known at this time; None is now.

    Raises
    ------
    Denied
        ``dataset.foreign_instrument`` for one that may not be seen from here.
    """
    check_instruments_readable(instrument_ids)
    found: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    asked: list[object] = [list(instrument_ids), kind, moment_of(start), moment_of(end)]
    figures = CURRENT if as_of is None else AS_OF
    params = asked if as_of is None else [*asked, *asked, as_of, as_of]
    statement = READ_METRIC.format(figures=figures)
    for key, ts, value in copy_format.unpack(copy_out(statement, params)):
        times = copy_format.from_server(copy_format.integers(ts))
        pair = in_time_order(times, copy_format.floats(value))
        found[int(copy_format.integers(key)[0])] = pair
    return found
