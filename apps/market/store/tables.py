"""Which table holds the bars of a series: those of a minute have one of their own.

Chunks, retention and aggregates go by table, and minutes ask for other ones than days.
"""

from __future__ import annotations

from collections.abc import Iterable

MINUTE = "1m"
LONGER = "market_bar"
MINUTES = "market_bar_minute"
TABLES = (LONGER, MINUTES)


def table_of(timeframe: str) -> str:
    """Return the table that bars of a timeframe are kept in."""
    return MINUTES if timeframe == MINUTE else LONGER


def by_table(timeframes: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    """Return ids by table, of pairs of a series' id and its timeframe; no empty ones."""
    found: dict[str, list[int]] = {}
    for series_id, timeframe in timeframes:
        found.setdefault(table_of(timeframe), []).append(series_id)
    return found
