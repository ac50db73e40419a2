"""Bars and metrics in and out of the database as arrays, by binary COPY."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.core.errors import Denied
from apps.market.kernel import copy_format
from apps.market.kernel.columns import Columns
from apps.market.models import Dataset, Series

BAR_FIELDS = "series_id, ts, open, high, low, close, volume, batch_id"
VALUES = ("open", "high", "low", "close", "volume")
COPY_BARS = f"COPY market_bar ({BAR_FIELDS}) FROM STDIN (FORMAT BINARY)"
COPY_STAGE = f"COPY stage_bar ({BAR_FIELDS}) FROM STDIN (FORMAT BINARY)"
MAKE_STAGE = """
CREATE TEMP TABLE IF NOT EXISTS stage_bar (LIKE market_bar) ON COMMIT DROP;
TRUNCATE stage_bar;
"""
OVERLAP = """
SELECT EXISTS (
    SELECT 1 FROM unnest(%s::int4[], %s::int8[], %s::int8[]) AS q (id, low, high)
    JOIN market_bar b ON b.series_id = q.id
     AND b.ts BETWEEN to_timestamp(q.low / 1e6) AND to_timestamp(q.high / 1e6)
)
"""
UPSERT = f"""
WITH merged AS (
    INSERT INTO market_bar AS b ({BAR_FIELDS}) SELECT {BAR_FIELDS} FROM stage_bar
    ON CONFLICT (series_id, ts) DO UPDATE SET
        open = EXCLUDED.open, high = EXCLUDED.high, low = EXCLUDED.low,
        close = EXCLUDED.close, volume = EXCLUDED.volume, batch_id = EXCLUDED.batch_id
    WHERE (b.open, b.high, b.low, b.close, b.volume)
       <> (EXCLUDED.open, EXCLUDED.high, EXCLUDED.low, EXCLUDED.close, EXCLUDED.volume)
    RETURNING (xmax = 0) AS added
)
SELECT count(*) FILTER (WHERE added), count(*) FILTER (WHERE NOT added) FROM merged
"""  # noqa: S608 the names are constants of this module
COUNT = """
UPDATE market_series s SET rows = n.rows, first_at = n.first_at, last_at = n.last_at
FROM (
    SELECT series_id, count(*) AS rows, min(ts) AS first_at, max(ts) AS last_at
    FROM market_bar WHERE series_id = ANY(%s) GROUP BY series_id
) n WHERE s.id = n.series_id
"""
READ_BARS = """
COPY (
    SELECT int8send(series_id), string_agg(timestamptz_send(ts), ''),
        string_agg(float8send(open), ''), string_agg(float8send(high), ''),
        string_agg(float8send(low), ''), string_agg(float8send(close), ''),
        string_agg(float8send(volume), '')
    FROM (
        SELECT * FROM market_bar
        WHERE series_id = ANY(%s) AND ts >= to_timestamp(%s / 1e6) AND ts <= to_timestamp(%s / 1e6)
        ORDER BY series_id, ts
    ) bars GROUP BY series_id
) TO STDOUT (FORMAT BINARY)
"""
READ_METRIC = """
COPY (
    SELECT int8send(instrument_id), string_agg(timestamptz_send(ts), ''),
        string_agg(float8send(value), '')
    FROM (
        SELECT * FROM market_metric
        WHERE instrument_id = ANY(%s) AND kind = %s
          AND ts >= to_timestamp(%s / 1e6) AND ts <= to_timestamp(%s / 1e6)
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
INSERT INTO market_metric ({METRIC_FIELDS}) SELECT {METRIC_FIELDS} FROM stage_metric
ON CONFLICT (instrument_id, kind, ts)
DO UPDATE SET value = EXCLUDED.value, batch_id = EXCLUDED.batch_id
"""  # noqa: S608 the names are constants of this module


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: rows received, added, and changed in place."""

    received: int
    added: int
    changed: int


def check_owner(dataset_id: int, team_id: int | None) -> None:
    """Raise ``Denied`` unless the dataset belongs to exactly this team (None: shared)."""
    owner = Dataset.objects.filter(pk=dataset_id).values_list("team_id", flat=True)
    if list(owner) != [team_id]:
        message = f"Dataset {dataset_id} is shared or another team's: it can't be written to."
        raise Denied(message, code="dataset.foreign", details={"dataset": dataset_id})


def check_series(dataset_id: int, series_ids: Sequence[int]) -> None:
    """Raise ``Denied`` unless every series belongs to the dataset."""
    mine = Series.objects.filter(pk__in=series_ids, instrument__dataset_id=dataset_id).count()
    if mine != len(set(series_ids)):
        message = f"Some of the series {sorted(series_ids)[:5]} are not of dataset {dataset_id}."
        raise Denied(message, code="dataset.foreign_series", details={"dataset": dataset_id})


def write_bars(
    *,
    team_id: int | None,
    dataset_id: int,
    batch_id: int,
    blocks: Sequence[tuple[int, Columns]],
) -> Written:
    """Store bars by series id, each block in time order without duplicates.

    Bars that are there already with the same figures are left alone, so the same write twice
    adds nothing. Must run inside a transaction. Raises ``Denied`` for a foreign dataset.
    """
    check_owner(dataset_id, team_id)
    blocks = [(series_id, bars) for series_id, bars in blocks if len(bars)]
    if not blocks:
        return Written(0, 0, 0)
    ids = [series_id for series_id, _ in blocks]
    check_series(dataset_id, ids)
    stream = _stream(blocks, batch_id)
    received = sum(len(bars) for _, bars in blocks)
    with connection.cursor() as cursor:
        lows = [int(bars.ts[0]) for _, bars in blocks]
        highs = [int(bars.ts[-1]) for _, bars in blocks]
        cursor.execute(OVERLAP, [ids, lows, highs])
        if cursor.fetchone()[0]:
            cursor.execute(MAKE_STAGE)
            _copy_in(COPY_STAGE, stream)
            cursor.execute(UPSERT)
            added, changed = cursor.fetchone()
        else:
            _copy_in(COPY_BARS, stream)
            added, changed = received, 0
        cursor.execute(COUNT, [ids])
    return Written(received, int(added), int(changed))


def _stream(blocks: Sequence[tuple[int, Columns]], batch_id: int) -> bytes:
    sizes = [len(bars) for _, bars in blocks]
    series = np.repeat(np.array([series_id for series_id, _ in blocks], np.int32), sizes)
    ts = copy_format.to_server(np.concatenate([bars.ts for _, bars in blocks]))
    values = [np.concatenate([getattr(bars, name) for _, bars in blocks]) for name in VALUES]
    batch = np.full(len(series), batch_id, np.int32)
    return copy_format.pack([series, ts, *values, batch])


def _copy_in(statement: str, stream: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(stream)


def _copy_out(statement: str, params: Sequence[object]) -> bytes:
    with connection.cursor() as cursor, cursor.copy(statement, params) as copy:
        return b"".join(copy)


def read_bars(series_ids: Sequence[int], start: int, end: int) -> dict[int, Columns]:
    """Return the bars of each series with ``start <= ts <= end`` (microseconds since 1970)."""
    found: dict[int, Columns] = {}
    stream = _copy_out(READ_BARS, [list(series_ids), start, end])
    for key, ts, *values in copy_format.unpack(stream):
        series_id = int(copy_format.integers(key)[0])
        times = copy_format.from_server(copy_format.integers(ts))
        found[series_id] = in_order(Columns(times, *map(copy_format.floats, values)))
    return found


def in_order(bars: Columns) -> Columns:
    """Return bars in time order; a server may hand on groups in any order."""
    if np.all(bars.ts[1:] > bars.ts[:-1]):
        return bars
    return bars.take(np.argsort(bars.ts, kind="stable"))


def write_cards(instrument_ids: Sequence[int]) -> None:
    """Write the lines under which instruments appear in lists anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE market_instrument SET card = market_instrument_card(id) WHERE id = ANY(%s)",
            [list(instrument_ids)],
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one instrument by time, such as its funding rates."""

    instrument_id: int
    ts: NDArray[np.int64]
    value: NDArray[np.float64]


def write_metric(kind: str, figures: Sequence[Figures], batch_id: int) -> None:
    """Store figures of one kind; the same time again replaces them."""
    figures = [item for item in figures if len(item.ts)]
    if not figures:
        return
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
        _copy_in(COPY_METRIC_STAGE, stream)
        cursor.execute(UPSERT_METRIC)


def read_metric(
    instrument_ids: Sequence[int], kind: str, start: int, end: int
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return times and values of ``kind`` for each instrument that has any."""
    found: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    stream = _copy_out(READ_METRIC, [list(instrument_ids), kind, start, end])
    for key, ts, value in copy_format.unpack(stream):
        times = copy_format.from_server(copy_format.integers(ts))
        order = np.argsort(times, kind="stable")
        values = copy_format.floats(value)
        found[int(copy_format.integers(key)[0])] = (times[order], values[order])
    return found
