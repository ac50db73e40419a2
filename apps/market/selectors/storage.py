"""How bars are kept on this server."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from apps.market import store


def get_storage() -> store.Storage:
    """Return how bars are kept: edition, chunks, compression, aggregates, retention, errors."""
    return store.describe_storage(minutes_kept_days=settings.MINUTES_KEPT_DAYS)


def storage_as_dict(found: store.Storage) -> dict[str, Any]:
    """Return it as clients see it."""
    return {
        "edition": found.edition.title,
        "postgresql": found.edition.postgresql,
        "timescaledb": found.edition.timescaledb,
        "licence": found.edition.licence,
        "hypertables": [
            {"name": table.name, "chunk_length": table.chunk_length, "chunks": table.chunks}
            for table in found.hypertables
        ],
        "compression": found.compression,
        "aggregates": found.aggregates,
        "retention": found.retention,
        "policies": [_plain(row) for row in found.policies],
        "errors": [_plain(row) for row in found.errors],
        "failed_steps": found.failed_steps,
        "held_until": {name: at.isoformat() for name, at in found.held_until.items()},
    }


def _plain(row: dict[str, object]) -> dict[str, object]:
    return {
        key: value.isoformat() if hasattr(value, "isoformat") else value
        for key, value in row.items()
    }


def judge_storage(found: store.Storage) -> tuple[str, str, str]:
    """Return status, words and advice for the health page."""
    words = [found.edition.title]
    if found.hypertables:
        chunks = ", ".join(f"{table.name} by {table.chunk_length}" for table in found.hypertables)
        words.append(f"chunks: {chunks}")
    aggregates = sorted(set(found.aggregates.values()))
    words.append(f"compression {found.compression}")
    words.append(f"aggregates {' and '.join(aggregates)}")
    words.append(f"retention {found.retention}")
    failing = [row for row in found.policies if row["last_status"] == "Failed"]
    if not found.failed_steps and not failing:
        return "ok", "; ".join(words), ""
    words.append(f"{len(found.failed_steps)} steps and {len(failing)} policies failed")
    advice = (
        "Read the errors under Storage, mend the cause, then run manage.py set_up_storage with "
        "DB_ROLE=migrate. Bars are read and written all the same."
    )
    return "degraded", "; ".join(words), advice
