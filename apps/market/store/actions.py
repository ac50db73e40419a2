"""Dividends and splits into the database, all at once; what they replace is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from apps.market.kernel.columns import Actions
from apps.market.kernel.resample import DAY
from apps.market.store.access import check_instruments_writable
from apps.market.store.touched import Touched

# The bars that are read differently: of a changed action all adjusted ones before it; of one that
# came after bars of its day were stored, those of whoever had read across that day. One that comes
# with its day is news: it changes no return that was read.
TOUCHED = """
touched AS (
    SELECT s.instrument_id, s.id, m.kind, count(*) AS changed,
        min(CASE WHEN m.added THEN m."on"::timestamp AT TIME ZONE 'UTC' ELSE s.first_at END),
        max(m."on"::timestamp AT TIME ZONE 'UTC'
            - CASE WHEN m.added THEN interval '0' ELSE interval '1 microsecond' END)
    FROM merged m JOIN market_series s ON s.instrument_id = m.instrument_id
    WHERE m."on"::timestamp AT TIME ZONE 'UTC' > s.first_at
      AND (NOT m.added OR m."on"::timestamp AT TIME ZONE 'UTC' <= s.last_at)
    GROUP BY s.instrument_id, s.id, m.kind
)
SELECT * FROM touched ORDER BY id, kind
"""
# A version that held for no time at all is not kept: nobody could ask for it.
UPSERT_ACTIONS = f"""
WITH given AS (
    SELECT q.id, q.kind, date '1970-01-01' + q.day AS "on", q.value, q.factor
    FROM unnest(%s::int8[], %s::text[], %s::int4[], %s::float8[], %s::float8[])
        AS q (id, kind, day, value, factor)
), kept AS (
    INSERT INTO market_actionhistory (instrument_id, kind, "on", value, factor, batch_id,
        known_at, superseded_by_id, superseded_at)
    SELECT a.instrument_id, a.kind, a."on", a.value, a.factor, a.batch_id, a.known_at, %s, %s
    FROM given g JOIN market_action a
        ON a.instrument_id = g.id AND a.kind = g.kind AND a."on" = g."on"
    WHERE (a.value, a.factor) <> (g.value, g.factor) AND a.known_at < %s
), merged AS (
    INSERT INTO market_action AS a
        (instrument_id, kind, "on", value, factor, batch_id, known_at)
    SELECT id, kind, "on", value, factor, %s, %s FROM given
    ON CONFLICT (instrument_id, kind, "on") DO UPDATE
    SET value = EXCLUDED.value, factor = EXCLUDED.factor, batch_id = EXCLUDED.batch_id,
        known_at = EXCLUDED.known_at
    WHERE (a.value, a.factor) <> (EXCLUDED.value, EXCLUDED.factor)
    RETURNING a.instrument_id, a.kind, a."on", (xmax = 0) AS added
), {TOUCHED}
"""  # noqa: S608 the names are constants of this module
WITHDRAW_ACTIONS = f"""
WITH gone AS (
    DELETE FROM market_action
    WHERE instrument_id = %s AND kind = %s AND "on" = ANY(%s) RETURNING *
), kept AS (
    INSERT INTO market_actionhistory (instrument_id, kind, "on", value, factor, batch_id,
        known_at, superseded_by_id, superseded_at)
    SELECT instrument_id, kind, "on", value, factor, batch_id, known_at, %s, %s
    FROM gone WHERE known_at < %s
), merged AS (
    SELECT instrument_id, kind, "on", false AS added FROM gone
), {TOUCHED}
"""  # noqa: S608 the names are constants of this module
ACTIONS = """
SELECT instrument_id, "on", kind, {column} FROM market_action
WHERE instrument_id = ANY(%(ids)s) AND kind = ANY(%(kinds)s)
    AND (%(as_of)s::timestamptz IS NULL OR known_at <= %(as_of)s)
"""
ACTIONS_BEFORE = """
UNION ALL
SELECT instrument_id, "on", kind, {column} FROM market_actionhistory
WHERE instrument_id = ANY(%(ids)s) AND kind = ANY(%(kinds)s)
    AND known_at <= %(as_of)s AND superseded_at > %(as_of)s
"""
IN_ORDER = 'ORDER BY instrument_id, "on", kind'


@dataclass(frozen=True, slots=True)
class Factored:
    """The actions of an instrument with what each multiplies earlier prices by."""

    instrument_id: int
    actions: Actions
    split_factors: NDArray[np.float64]
    dividend_factors: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noted:
    """What a write of actions did: how many were given, and which bars read differently now."""

    given: int
    touched: tuple[Touched, ...] = ()


def write_actions(items: Sequence[Factored], *, batch_id: int, now: datetime) -> Noted:
    """Store actions; those of the same instrument, kind and day move to the history.

    Best called before the bars that came with them are written: then what belongs to those bars
    counts as news and not as a correction of what was read.

    Raises
    ------
    Denied
        ``dataset.foreign_instrument`` unless all are of the batch's dataset, and it one's own.
    """
    columns = _columns(items)
    if not columns[0]:
        return Noted(0)
    check_instruments_writable(sorted({item.instrument_id for item in items}), batch_id)
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_ACTIONS, [*columns, batch_id, now, now, batch_id, now])
        touched = tuple(Touched(*row) for row in cursor.fetchall())
    return Noted(len(columns[0]), touched)


def _columns(items: Sequence[Factored]) -> list[list[object]]:
    columns: list[list[object]] = [[], [], [], [], []]
    for item in items:
        actions = item.actions
        for kind, values, factors, there in (
            ("dividend", actions.dividend, item.dividend_factors, actions.dividend > 0),
            ("split", actions.split, item.split_factors, actions.split != 1),
        ):
            keep = there & (factors > 0) & np.isfinite(factors)
            parts = (
                [item.instrument_id] * int(keep.sum()),
                [kind] * int(keep.sum()),
                (actions.ts[keep] // DAY).tolist(),
                values[keep].tolist(),
                factors[keep].tolist(),
            )
            for column, part in zip(columns, parts, strict=True):
                column.extend(part)
    return columns


def withdraw_actions(
    *, instrument_id: int, kind: str, on: Sequence[date], batch_id: int, now: datetime
) -> tuple[Touched, ...]:
    """Take actions out by their days; they stay in the history.

    Raises ``Denied`` as ``write_actions`` does.
    """
    check_instruments_writable([instrument_id], batch_id)
    with connection.cursor() as cursor:
        cursor.execute(WITHDRAW_ACTIONS, [instrument_id, kind, list(on), batch_id, now, now])
        return tuple(Touched(*row) for row in cursor.fetchall())


def read_factors(
    instrument_ids: Sequence[int], kinds: Sequence[str], as_of: datetime | None = None
) -> list[tuple[int, date, str, float]]:
    """Return instrument, day, kind and factor of actions, in this order.

    Parameters
    ----------
    as_of
        Those known at this time; None is now.

    Notes
    -----
    Both tables carry row-level security: what may not be seen is not there.
    """
    return _read("factor", instrument_ids, kinds, as_of)


def read_amounts(
    instrument_ids: Sequence[int], kinds: Sequence[str], as_of: datetime | None = None
) -> list[tuple[int, date, str, float]]:
    """Return the same with what happened in place of its factor.

    Cash per share of a dividend, new shares per old of a split.
    """
    return _read("value", instrument_ids, kinds, as_of)


def _read(
    column: str, instrument_ids: Sequence[int], kinds: Sequence[str], as_of: datetime | None
) -> list[tuple[int, date, str, float]]:
    statement = ACTIONS + (ACTIONS_BEFORE if as_of is not None else "") + IN_ORDER
    asked: dict[str, Any] = {"ids": list(instrument_ids), "kinds": list(kinds), "as_of": as_of}
    with connection.cursor() as cursor:
        cursor.execute(statement.format(column=column), asked)
        rows: list[tuple[int, date, str, float]] = cursor.fetchall()
    return rows
