"""Memberships and renames into the database, all at once; what they replace is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from apps.market.store.access import check_batch

# Whoever says the same again becomes its source, without a new version.
UPSERT_MEMBERS = """
WITH given AS (
    SELECT * FROM unnest(%(symbols)s::text[], %(joined)s::date[], %(left)s::date[])
        AS q (symbol, joined_on, left_on)
), kept AS (
    INSERT INTO market_membershiphistory (dataset_id, index, symbol, joined_on, left_on, source,
        batch_id, known_at, superseded_by_id, superseded_at)
    SELECT m.dataset_id, m.index, m.symbol, m.joined_on, m.left_on, m.source, m.batch_id,
        m.known_at, %(batch)s, %(now)s
    FROM given g JOIN market_membership m ON m.dataset_id = %(dataset)s AND m.index = %(index)s
        AND m.symbol = g.symbol AND m.joined_on IS NOT DISTINCT FROM g.joined_on
    WHERE m.left_on IS DISTINCT FROM g.left_on AND m.known_at < %(now)s
      AND (NOT %(only_own)s OR m.source = %(source)s)
)
INSERT INTO market_membership AS m
    (dataset_id, index, symbol, joined_on, left_on, source, batch_id, known_at)
SELECT %(dataset)s, %(index)s, symbol, joined_on, left_on, %(source)s, %(batch)s, %(now)s
FROM given
ON CONFLICT (dataset_id, index, symbol, joined_on) DO UPDATE SET
    left_on = EXCLUDED.left_on, source = EXCLUDED.source,
    batch_id = CASE WHEN m.left_on IS DISTINCT FROM EXCLUDED.left_on
        THEN EXCLUDED.batch_id ELSE m.batch_id END,
    known_at = CASE WHEN m.left_on IS DISTINCT FROM EXCLUDED.left_on
        THEN EXCLUDED.known_at ELSE m.known_at END
WHERE (m.left_on, m.source) IS DISTINCT FROM (EXCLUDED.left_on, EXCLUDED.source)
  AND (NOT %(only_own)s OR m.source = %(source)s)
"""
WITHDRAW_MEMBERS = """
WITH given AS (
    SELECT * FROM unnest(%(symbols)s::text[], %(joined)s::date[]) AS q (symbol, joined_on)
), gone AS (
    DELETE FROM market_membership m
    WHERE m.dataset_id = %(dataset)s AND m.index = %(index)s AND m.source = %(source)s
      AND NOT EXISTS (
        SELECT 1 FROM given g
        WHERE g.symbol = m.symbol AND g.joined_on IS NOT DISTINCT FROM m.joined_on)
    RETURNING *
), kept AS (
    INSERT INTO market_membershiphistory (dataset_id, index, symbol, joined_on, left_on, source,
        batch_id, known_at, superseded_by_id, superseded_at)
    SELECT dataset_id, index, symbol, joined_on, left_on, source, batch_id, known_at,
        %(batch)s, %(now)s
    FROM gone WHERE known_at < %(now)s
)
SELECT count(*) FROM gone
"""
UPSERT_RENAMES = """
WITH given AS (
    SELECT * FROM unnest(%(before)s::text[], %(after)s::text[], %(on)s::date[])
        AS q (before, after, "on")
), kept AS (
    INSERT INTO market_renamehistory (dataset_id, before, after, "on", batch_id, known_at,
        superseded_by_id, superseded_at)
    SELECT r.dataset_id, r.before, r.after, r."on", r.batch_id, r.known_at, %(batch)s, %(now)s
    FROM given g JOIN market_rename r
        ON r.dataset_id = %(dataset)s AND r.before = g.before AND r."on" = g."on"
    WHERE r.after <> g.after AND r.known_at < %(now)s
)
INSERT INTO market_rename AS r (dataset_id, before, after, "on", batch_id, known_at)
SELECT %(dataset)s, before, after, "on", %(batch)s, %(now)s FROM given
ON CONFLICT (dataset_id, before, "on") DO UPDATE
SET after = EXCLUDED.after, batch_id = EXCLUDED.batch_id, known_at = EXCLUDED.known_at
WHERE r.after <> EXCLUDED.after
"""


@dataclass(frozen=True, slots=True)
class Spell:
    """A symbol in an index from one day until before another; open ends are None."""

    symbol: str
    joined_on: date | None
    left_on: date | None


@dataclass(frozen=True, slots=True)
class Ticker:
    """A ticker that became another one on a day."""

    before: str
    after: str
    on: date


def write_members(
    *,
    dataset_id: int,
    batch_id: int,
    index: str,
    source: str,
    spells: Sequence[Spell],
    now: datetime,
    only_own: bool = False,
) -> None:
    """Store spells in an index; one that began the same day and differs moves to the history.

    ``only_own`` leaves alone what another source said of the same spell. Raises ``Denied``
    (``dataset.foreign_batch``).
    """
    if not spells:
        return
    check_batch(dataset_id, batch_id)
    asked: dict[str, Any] = {
        "dataset": dataset_id,
        "batch": batch_id,
        "index": index,
        "source": source,
        "now": now,
        "only_own": only_own,
        "symbols": [item.symbol for item in spells],
        "joined": [item.joined_on for item in spells],
        "left": [item.left_on for item in spells],
    }
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_MEMBERS, asked)


def withdraw_members(
    *,
    dataset_id: int,
    batch_id: int,
    index: str,
    source: str,
    but: Sequence[Spell],
    now: datetime,
) -> int:
    """Take out what a source said of an index and says no longer; return how many spells.

    They stay in the history. Raises ``Denied`` (``dataset.foreign_batch``).
    """
    check_batch(dataset_id, batch_id)
    asked: dict[str, Any] = {
        "dataset": dataset_id,
        "batch": batch_id,
        "index": index,
        "source": source,
        "now": now,
        "symbols": [item.symbol for item in but],
        "joined": [item.joined_on for item in but],
    }
    with connection.cursor() as cursor:
        cursor.execute(WITHDRAW_MEMBERS, asked)
        return int(cursor.fetchone()[0])


def write_renames(
    *, dataset_id: int, batch_id: int, tickers: Sequence[Ticker], now: datetime
) -> None:
    """Store changes of tickers; one of the same ticker and day that differs is kept.

    Raises ``Denied`` (``dataset.foreign_batch``).
    """
    if not tickers:
        return
    check_batch(dataset_id, batch_id)
    asked: dict[str, Any] = {
        "dataset": dataset_id,
        "batch": batch_id,
        "now": now,
        "before": [item.before for item in tickers],
        "after": [item.after for item in tickers],
        "on": [item.on for item in tickers],
    }
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_RENAMES, asked)
