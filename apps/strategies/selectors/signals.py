"""Signals over scans: what was wanted of a symbol, and when that changed."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.strategies.models import Signal

HISTORY_ROWS = 200
SHOWN = (
    "scan_id",
    "strategy",
    "symbol",
    "side",
    "signal_at",
    "bar_at",
    "bars_since",
    "price",
    "score",
    "components",
    "missing",
    "state",
    "refusal",
    "reason",
)


def list_signal_history(
    *, team_id: int, symbol: str, strategy: str = "", universe: str = ""
) -> QuerySet[Signal]:
    """Return what was read of a symbol, the newest scan first."""
    rows = Signal.objects.filter(team_id=team_id, symbol=symbol).select_related("scan")
    rows = rows.filter(strategy=strategy) if strategy else rows
    rows = rows.filter(scan__universe=universe) if universe else rows
    return rows.order_by("-id")


def history_row(row: Signal) -> dict[str, Any]:
    """Return a reading with the scan it is of."""
    return {
        **{name: getattr(row, name) for name in SHOWN},
        "id": row.pk,
        "universe": row.scan.universe,
        "scanned_at": row.scan.created_at,
    }


def history_page(team_id: int, symbol: str, strategy: str) -> dict[str, Any]:
    """Return what the page of a symbol's history shows: readings, and which are changes."""
    found = list_signal_history(team_id=team_id, symbol=symbol, strategy=strategy)
    rows = [history_row(row) for row in found[:HISTORY_ROWS]]
    before: dict[str, int] = {}
    for row in reversed(rows):
        known = before.get(row["strategy"])
        row["is_change"] = not row["refusal"] and row["side"] != (known or 0)
        if not row["refusal"]:
            before[row["strategy"]] = row["side"]
    names = Signal.objects.filter(team_id=team_id, symbol=symbol).order_by("strategy")
    return {
        "symbol": symbol,
        "strategy": strategy,
        "rows": rows,
        "scored": [row for row in reversed(rows) if row["score"] is not None],
        "strategies": list(names.values_list("strategy", flat=True).distinct()),
    }
