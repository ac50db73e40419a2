"""The tables of a run as its page shows them: trades, orders, fills, positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.backtests.kernel.sessions import ORDER_STATES

# Columns of the tables of a run: name, heading, how a cell is written.
RUN_TABLES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "trades": (
        ("symbol", "Instrument", "mono"),
        ("size", "Side", "side"),
        ("entry_ts", "Entry", "time"),
        ("exit_ts", "Exit", "time"),
        ("bars_held", "Bars", "0"),
        ("size", "Size", "4"),
        ("entry_price", "Entry price", "4"),
        ("exit_price", "Exit price", "4"),
        ("fees", "Fees", "2"),
        ("pnl", "P&L", "signed"),
        ("return", "Return, %", "percent"),
        ("mae", "MAE, %", "percent"),
        ("mfe", "MFE, %", "percent"),
    ),
    "orders": (
        ("number", "No.", "0"),
        ("symbol", "Instrument", "mono"),
        ("side", "Side", "text"),
        ("kind", "Kind", "words"),
        ("state", "State", "pill"),
        ("made_ts", "Made at the close of", "time"),
        ("ended_ts", "Ended", "time"),
        ("size", "Size", "4"),
        ("filled", "Filled", "4"),
        ("price", "Level", "4"),
        ("average_price", "Price got", "4"),
        ("weight", "Weight, %", "percent"),
        ("reason", "Why", "text"),
    ),
    "fills": (
        ("ts", "Bar", "time"),
        ("moment", "When in it", "text"),
        ("symbol", "Instrument", "mono"),
        ("side", "Side", "text"),
        ("quantity", "Quantity", "4"),
        ("price", "Price", "4"),
        ("value", "Value", "2"),
        ("fee", "Fee", "2"),
        ("order", "Order", "0"),
    ),
    "positions": (
        ("ts", "Close of", "time"),
        ("symbol", "Instrument", "mono"),
        ("quantity", "Held", "4"),
        ("change", "Change", "signed"),
        ("close", "Close", "4"),
        ("value", "Value", "2"),
        ("weight", "Weight, %", "percent"),
    ),
}
ABOUT_TABLES = {
    "trades": "round trips, first in first out, the latest first; open ones at the last close",
    "orders": "those placed, then what targets and protection led to",
    "fills": "the latest first",
    "positions": "after each change of a quantity, the latest first",
}
WORDY = {"mono", "side", "text", "words", "pill"}


def run_table(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return which table of a run a page shows, with its columns; trades unless it is asked."""
    name = asked.get("table", "")
    name = name if name in RUN_TABLES else "trades"
    heads = [
        {"name": key, "label": label, "how": how, "num": how not in WORDY}
        for key, label, how in RUN_TABLES[name]
    ]
    state = asked.get("state", "")
    return {
        "name": name,
        "columns": heads,
        "about": ABOUT_TABLES[name],
        "state": state if name == "orders" and state in ORDER_STATES else "",
        "order": ("n",) if name == "orders" else ("-n",),
        "names": list(RUN_TABLES),
    }


def table_cells(table: Mapping[str, Any], row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row as its cells; a run made before a column was kept has none in it."""
    return [
        {"value": _written(row.get(c["name"]), c["how"]), "how": c["how"], "row": row}
        for c in table["columns"]
    ]


def _written(value: Any, how: str) -> Any:
    if how == "time" and value:
        day, _, clock = str(value).partition("T")
        return day if clock.startswith("00:00:00") else f"{day} {clock[:5]}"
    if how == "percent" and value is not None:
        return 100.0 * value
    return value
