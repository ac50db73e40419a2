"""How bars are kept on this server, for the health page: what is on, off, or not offered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from apps.market.kernel.resample import LADDER
from apps.market.models import Rollup, StorageStep
from apps.market.store.edition import Edition, find_edition
from apps.market.store.longer import view_of
from apps.market.store.tables import LONGER, MINUTES

ON, OFF, NOT_OFFERED = "on", "off", "not offered by this server"
OURS = [LONGER, MINUTES, "market_bar_history", "market_metric"]
TABLES = """
SELECT h.hypertable_name, d.time_interval::text, h.num_chunks::int, h.compression_enabled
FROM timescaledb_information.hypertables h
JOIN timescaledb_information.dimensions d
    ON d.hypertable_name = h.hypertable_name AND d.hypertable_schema = h.hypertable_schema
WHERE h.hypertable_name = ANY(%s) ORDER BY 1
"""
VIEWS = "SELECT view_name FROM timescaledb_information.continuous_aggregates"
POLICIES = """
SELECT j.job_id, j.proc_name, j.hypertable_name, j.config ->> 'drop_after',
    s.last_run_status, s.last_run_started_at, s.total_failures::int
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
WHERE j.proc_name IN ('policy_compression', 'policy_retention',
    'policy_refresh_continuous_aggregate')
ORDER BY 1
"""
# Made where there are policies; their errors are told to their owner alone.
CAN_TELL = "SELECT to_regproc('market_policy_errors') IS NOT NULL"
ERRORS = "SELECT policy, at, message FROM market_policy_errors()"


@dataclass(frozen=True, slots=True)
class Hypertable:
    """A table in chunks."""

    name: str
    chunk_length: str
    chunks: int
    compressed: bool


@dataclass(frozen=True, slots=True)
class Storage:
    """How bars are kept: features are ``on``, ``off`` or ``not offered by this server``."""

    edition: Edition
    hypertables: list[Hypertable] = field(default_factory=list)
    compression: str = NOT_OFFERED
    aggregates: dict[str, str] = field(default_factory=dict)
    retention: str = OFF
    policies: list[dict[str, object]] = field(default_factory=list)
    errors: list[dict[str, object]] = field(default_factory=list)
    failed_steps: dict[str, str] = field(default_factory=dict)
    held_until: dict[str, datetime] = field(default_factory=dict)


def describe_storage(*, minutes_kept_days: int) -> Storage:
    """Ask the server how bars are kept."""
    edition = find_edition()
    kept = f"minutes for {minutes_kept_days} days" if minutes_kept_days > 0 else OFF
    if not edition.has_hypertables:
        return Storage(edition, aggregates=dict.fromkeys(LADDER, NOT_OFFERED), retention=kept)
    hypertables = [Hypertable(*row) for row in _rows(TABLES, [OURS])]
    steps = StorageStep.objects.exclude(error="").values_list("name", "error")
    if not edition.is_community:
        return Storage(
            edition,
            hypertables,
            aggregates=dict.fromkeys(LADDER, NOT_OFFERED),
            retention=kept,
            failed_steps=dict(steps),
        )
    views = {row[0] for row in _rows(VIEWS)}
    compressed = [table.name for table in hypertables if table.compressed]
    return Storage(
        edition,
        hypertables,
        compression=ON if {LONGER, MINUTES} <= set(compressed) else OFF,
        aggregates={name: ON if view_of(name) in views else OFF for name in LADDER},
        retention=kept,
        policies=_policies(),
        errors=_errors(),
        failed_steps=dict(steps),
        held_until=_held(),
    )


def _policies() -> list[dict[str, object]]:
    names = ("id", "policy", "table", "drop_after", "last_status", "last_at", "failures")
    return [dict(zip(names, row, strict=True)) for row in _rows(POLICIES)]


def _errors() -> list[dict[str, object]]:
    if not _rows(CAN_TELL)[0][0]:
        return []
    return [dict(zip(("policy", "at", "message"), row, strict=True)) for row in _rows(ERRORS)]


def _held() -> dict[str, datetime]:
    """Return until when each aggregate provably holds everything."""
    found: dict[str, datetime] = {}
    for row in Rollup.objects.order_by("holds_before"):
        found[row.timeframe] = row.holds_before
    return found


def _rows(statement: str, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params or [])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
