"""What would be, as pages show it: rows of before and after, or why there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.core.errors import LabError
from apps.risk.selectors.what_if import get_what_if, what_if_proposed

LINES = (
    ("Held, gross", "gross", False),
    ("Held, gross, share of equity", "gross_share", True),
    ("Held, net, share of equity", "net_share", True),
    ("Equity", "equity", False),
)
SHOWN_PARTS = 8
DEEPEST = "es_99"


def show_orders(
    *, team_id: int, subject: str, orders: Sequence[Mapping[str, Any]], now: datetime
) -> dict[str, Any]:
    """Return what the block on a page shows of orders; why there is nothing to show."""
    return _shown(lambda: get_what_if(team_id=team_id, subject=subject, orders=orders, now=now))


def show_proposed(
    *, team_id: int, kind: str, terms: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return what the block on a page shows of a proposal; why there is nothing to show."""
    return _shown(
        lambda: what_if_proposed(team_id=team_id, kind=kind, terms=terms, title="", now=now)
    )


def _shown(find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        found = find()
    except LabError as error:
        return {"why_not": error.message, "code": error.code}
    before, after = found["before"], found["after"]
    return {
        **{name: found[name] for name in ("title", "timeframe", "currency", "colour", "guard")},
        "model": after["model"],
        "orders": found["orders"],
        "stress": found["stress"],
        "rows": [*_levels(before, after, found["currency"]), *_lines(before, after)],
        "parts": _parts(before, after),
        "said": _said(found),
    }


def _lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_row(name, before[key], after[key], is_share=share) for name, key, share in LINES]


def _row(name: str, before: Any, after: Any, *, is_share: bool) -> dict[str, Any]:
    known = before is not None and after is not None
    change = after - before if known else None
    return {
        "name": name,
        "before": before,
        "after": after,
        "change": change,
        "is_share": is_share,
    }


def _levels(
    before: Mapping[str, Any], after: Mapping[str, Any], currency: str
) -> list[dict[str, Any]]:
    """Return VaR and ES by level; a book that holds nothing loses nothing."""
    levels = [one["level"] for one in (after["levels"] or before["levels"])]
    rows = []
    for level in reversed(levels):
        was, will = _at(before, level), _at(after, level)
        for what, word in (("es", "ES"), ("var", "VaR")):
            money = f"{what}_money"
            label = f"{word} {level:.0%}".replace("%", " %")
            pair = was.get(money), will.get(money)
            rows.append(_row(f"{label}, {currency}", *pair, is_share=False))
            rows.append(_row(f"{label}, of equity", was.get(what), will.get(what), is_share=True))
    return rows


def _at(figures: Mapping[str, Any], level: float) -> Mapping[str, Any]:
    if not figures["positions"]:
        return dict.fromkeys(("var", "es", "var_money", "es_money"), 0.0)
    return next((one for one in figures["levels"] if one["level"] == level), {})


def _parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the positions that are traded, the largest change of their shortfall first."""
    was = {row["symbol"]: row for row in before["parts"]}
    will = {row["symbol"]: row for row in after["parts"]}
    rows = [
        {
            "symbol": name,
            "weight_before": was.get(name, {}).get("weight", 0.0),
            "weight_after": will.get(name, {}).get("weight", 0.0),
            "es_before": was.get(name, {}).get(DEEPEST),
            "es_after": will.get(name, {}).get(DEEPEST),
        }
        for name in dict.fromkeys([*will, *was])
        if was.get(name, {}).get("quantity") != will.get(name, {}).get("quantity")
    ]
    return sorted(rows, key=_moved, reverse=True)[:SHOWN_PARTS]


def _moved(row: Mapping[str, Any]) -> float:
    return abs(float(row["es_after"] or 0.0) - float(row["es_before"] or 0.0))


def _said(found: Mapping[str, Any]) -> list[str]:
    """Return what must be said of the figures, each once."""
    told = list(found["notes"])
    if found["cost"]:
        told.append(f"Trading costs {found['cost']:,.2f} {found['currency']}, taken off with it.")
    for figures in (found["before"], found["after"]):
        told += [figures["model_note"], figures["why_not"] if figures["positions"] else ""]
        out = [f"{row['symbol']} ({row['why']})" for row in figures["unmeasured"]]
        told.append(f"Not in VaR and ES: {', '.join(out)}." if out else "")
    if not found["stress"]:
        told.append("No scenario is kept, so none is shown.")
    return [line for line in dict.fromkeys(told) if line]
