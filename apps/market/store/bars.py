"""Bars into the database: copied where nothing is, compared and superseded where bars are.

Bars of a minute have a table of their own; ``{table}`` is the one of the series written.

A bar that changes or is withdrawn moves to ``market_bar_history`` in the same statement, with the
batch and the time that ended it, so that it can be read ``as_of`` a time before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.market.kernel.columns import Columns
from apps.market.kernel.periods import moment_of
from apps.market.models import Series
from apps.market.store.access import check_batch, check_owner, lock_dataset, series_of
from apps.market.store.copying import VALUES, copy_in, stream_of
from apps.market.store.reading import read_ranges
from apps.market.store.tables import table_of

BAR_FIELDS = "series_id, ts, open, high, low, close, volume, batch_id"
COPY_BARS = f"COPY {{table}} ({BAR_FIELDS}) FROM STDIN (FORMAT BINARY)"
COPY_STAGE = f"COPY stage_bar ({BAR_FIELDS}) FROM STDIN (FORMAT BINARY)"
MAKE_STAGE = """
CREATE TEMP TABLE IF NOT EXISTS stage_bar (LIKE market_bar) ON COMMIT DROP;
TRUNCATE stage_bar;
"""
DIFFER = """(b.open, b.high, b.low, b.close, b.volume)
    <> ({new}.open, {new}.high, {new}.low, {new}.close, {new}.volume)"""
# A batch that corrects itself leaves no trace: nobody could have asked for what was in between.
UPSERT = f"""
WITH kept AS (
    INSERT INTO market_bar_history ({BAR_FIELDS}, superseded_by, superseded_at)
    SELECT b.series_id, b.ts, b.open, b.high, b.low, b.close, b.volume, b.batch_id,
        s.batch_id, %s
    FROM stage_bar s JOIN {{table}} b ON b.series_id = s.series_id AND b.ts = s.ts
    WHERE {DIFFER.format(new="s")} AND b.batch_id <> s.batch_id
    ON CONFLICT DO NOTHING
), merged AS (
    INSERT INTO {{table}} AS b ({BAR_FIELDS}) SELECT {BAR_FIELDS} FROM stage_bar
    ON CONFLICT (series_id, ts) DO UPDATE SET
        open = EXCLUDED.open, high = EXCLUDED.high, low = EXCLUDED.low,
        close = EXCLUDED.close, volume = EXCLUDED.volume, batch_id = EXCLUDED.batch_id
    WHERE {DIFFER.format(new="EXCLUDED")}
    RETURNING b.series_id, b.ts, (xmax = 0) AS added
)
SELECT series_id, count(*) FILTER (WHERE added), count(*) FILTER (WHERE NOT added),
    (extract(epoch FROM min(ts) FILTER (WHERE NOT added)) * 1000000)::int8,
    (extract(epoch FROM max(ts) FILTER (WHERE NOT added)) * 1000000)::int8
FROM merged GROUP BY series_id ORDER BY series_id
"""  # noqa: S608 the names are constants of this module
WITHDRAW = f"""
WITH gone AS (
    DELETE FROM {{table}} b USING unnest(%s::int8[]) AS q (at)
    WHERE b.series_id = %s
      AND b.ts = timestamptz 'epoch' + q.at * interval '1 microsecond'
    RETURNING b.*
), kept AS (
    INSERT INTO market_bar_history ({BAR_FIELDS}, superseded_by, superseded_at)
    SELECT {BAR_FIELDS}, %s, %s FROM gone
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM gone
"""  # noqa: S608 the names are constants of this module
COUNT_IN = """
UPDATE market_series s SET rows = s.rows + q.added, stamp = gen_random_uuid(),
    first_at = least(s.first_at, q.first_at), last_at = greatest(s.last_at, q.last_at)
FROM unnest(%s::int4[], %s::int4[], %s::timestamptz[], %s::timestamptz[])
    AS q (id, added, first_at, last_at)
WHERE s.id = q.id
"""
COUNT_OUT = """
UPDATE market_series s SET rows = s.rows - %s, stamp = gen_random_uuid(),
    first_at = (SELECT min(ts) FROM {table} WHERE series_id = s.id),
    last_at = (SELECT max(ts) FROM {table} WHERE series_id = s.id)
WHERE s.id = %s
"""
# Bars are compared in memory unless far more are stored in the series than are written.
COMPARED_PER_WRITTEN = 4
COMPARED_ALWAYS = 100_000
Block = tuple[int, Columns]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: rows received, added, and changed in place.

    ``revisions`` tells of each changed series: its id, how many bars, and the open of the first
    and of the last of them in microseconds since 1970.
    """

    received: int
    added: int
    changed: int
    revisions: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(slots=True)
class _Parts:
    """Bars to write, by what is stored of them: nothing, or something that may differ."""

    fresh: list[Block] = field(default_factory=list)
    staged: list[Block] = field(default_factory=list)


def write_bars(
    *,
    team_id: int | None,
    dataset_id: int,
    batch_id: int,
    blocks: Sequence[Block],
    now: datetime,
) -> Written:
    """Store bars by series id, each block in time order without duplicates, one per series.

    Bars that are there already with the same figures are left alone, so the same write twice
    adds nothing; others move to the history. Must run inside a transaction, best the one that
    made the batch: a bar counts as known from its batch's ``created_at``.

    Raises
    ------
    Denied
        ``dataset.foreign``, ``dataset.foreign_series``, ``dataset.foreign_batch``.
    """
    check_owner(dataset_id, team_id)
    blocks = [(series_id, bars) for series_id, bars in blocks if len(bars)]
    if not blocks:
        return Written(0, 0, 0)
    check_batch(dataset_id, batch_id)
    lock_dataset(dataset_id)
    stored = series_of(dataset_id, [series_id for series_id, _ in blocks])
    added: dict[int, int] = {}
    revisions: list[tuple[int, int, int, int]] = []
    tables = {key: table_of(row.timeframe) for key, row in stored.items()}
    for table in sorted(set(tables.values())):
        mine = [block for block in blocks if tables[block[0]] == table]
        for series_id, new, changed, first, last in _write(table, mine, stored, batch_id, now):
            added[series_id] = added.get(series_id, 0) + new
            if changed:
                revisions.append((series_id, changed, first, last))
    _count_in(blocks, added, {series_id for series_id, *_ in revisions})
    received = sum(len(bars) for _, bars in blocks)
    changed = sum(bars for _, bars, *_ in revisions)
    return Written(received, sum(added.values()), changed, tuple(revisions))


def _write(
    table: str, blocks: Sequence[Block], stored: dict[int, Series], batch_id: int, now: datetime
) -> list[tuple[int, int, int, int, int]]:
    """Write bars of one table; return what ``_upsert`` does, and what was copied as added."""
    parts = _sort_out(table, blocks, stored)
    if parts.fresh:
        copy_in(COPY_BARS.format(table=table), stream_of(parts.fresh, batch_id))
    copied = [(series_id, len(bars), 0, 0, 0) for series_id, bars in parts.fresh]
    return copied + _upsert(table, parts.staged, batch_id, now)


def _sort_out(table: str, blocks: Sequence[Block], stored: dict[int, Series]) -> _Parts:
    """Tell bars that can be copied from those that must be compared in the database."""
    parts, compared = _Parts(), []
    for series_id, bars in blocks:
        known = stored[series_id]
        if _is_outside(bars, known):
            parts.fresh.append((series_id, bars))
        elif known.rows <= COMPARED_PER_WRITTEN * len(bars) + COMPARED_ALWAYS:
            compared.append((series_id, bars))
        else:
            parts.staged.append((series_id, bars))
    ranges = [(series_id, int(bars.ts[0]), int(bars.ts[-1])) for series_id, bars in compared]
    held = read_ranges(table, ranges)
    for series_id, bars in compared:
        _compare(series_id, bars, held.get(series_id), parts)
    return parts


def _is_outside(bars: Columns, known: Series) -> bool:
    if known.first_at is None or known.last_at is None:
        return True
    return moment_of(int(bars.ts[-1])) < known.first_at or (
        moment_of(int(bars.ts[0])) > known.last_at
    )


def _compare(series_id: int, bars: Columns, held: Columns | None, parts: _Parts) -> None:
    """Leave out bars that are stored as they are; sort the others."""
    if held is None:
        parts.fresh.append((series_id, bars))
        return
    at = np.minimum(np.searchsorted(held.ts, bars.ts), len(held) - 1)
    there = held.ts[at] == bars.ts
    same = there.copy()
    for name in VALUES:
        same &= getattr(held, name)[at] == getattr(bars, name)
    if not there.all():
        parts.fresh.append((series_id, bars.take(~there)))
    if not same[there].all():
        parts.staged.append((series_id, bars.take(there & ~same)))


def _upsert(
    table: str, blocks: Sequence[Block], batch_id: int, now: datetime
) -> list[tuple[int, int, int, int, int]]:
    """Return series id, bars added, bars changed, and the first and last changed, by series."""
    if not blocks:
        return []
    with connection.cursor() as cursor:
        cursor.execute(MAKE_STAGE)
        copy_in(COPY_STAGE, stream_of(blocks, batch_id))
        cursor.execute(UPSERT.format(table=table), [now])
        rows: list[tuple[int, int, int, int, int]] = cursor.fetchall()
    return rows


def _count_in(blocks: Sequence[Block], added: dict[int, int], changed: set[int]) -> None:
    """Bring rows, ends and stamp of the series that changed up to date."""
    touched = [
        (
            series_id,
            added.get(series_id, 0),
            moment_of(int(bars.ts[0])),
            moment_of(int(bars.ts[-1])),
        )
        for series_id, bars in blocks
        if added.get(series_id) or series_id in changed
    ]
    if touched:
        with connection.cursor() as cursor:
            cursor.execute(COUNT_IN, [list(column) for column in zip(*touched, strict=True)])


def withdraw_bars(
    *,
    team_id: int | None,
    dataset_id: int,
    series_id: int,
    ts: NDArray[np.int64],
    batch_id: int,
    now: datetime,
) -> int:
    """Take bars out by their open (microseconds since 1970); they stay in the history.

    Must run inside a transaction. Returns how many were there.

    Raises
    ------
    Denied
        ``dataset.foreign``, ``dataset.foreign_series``, ``dataset.foreign_batch``.
    """
    check_owner(dataset_id, team_id)
    check_batch(dataset_id, batch_id)
    lock_dataset(dataset_id)
    table = table_of(series_of(dataset_id, [series_id])[series_id].timeframe)
    with connection.cursor() as cursor:
        cursor.execute(WITHDRAW.format(table=table), [ts.tolist(), series_id, batch_id, now])
        gone = int(cursor.fetchone()[0])
        if gone:
            cursor.execute(COUNT_OUT.format(table=table), [gone, series_id])
    return gone
