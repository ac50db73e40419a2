"""Fields of costs, execution, limits and given rows in the form of a new run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# name, label, unit, least, most, what it means. Units of % are sent as fractions.
Term = tuple[str, str, str, str, str, str]
COST_FIELDS: tuple[Term, ...] = (
    ("maker_bps", "Fee of makers", "bps", "0", "1000", "Limit orders that rested; else the fee."),
    ("per_unit", "Fee a unit", "per share", "0", "1000000", "In the instrument's currency."),
    ("spread_bps", "Spread", "bps", "0", "1000", "Half of it on each trade, beside slippage."),
    (
        "impact_bps",
        "Impact",
        "bps",
        "0",
        "100000",
        "Times the square root of the trade's share of the bar's volume.",
    ),
    ("borrow_bps", "Borrowing", "bps a year", "0", "100000", "On the value of shorts."),
    ("interest_bps", "Interest", "bps a year", "0", "100000", "On cash owed."),
    ("funding", "Pay and receive funding of perpetuals", "", "", "", "A missing rate is refused."),
    (
        "schedule",
        "Fees by venue and day",
        "",
        "",
        "",
        "One line each: start, venue, fee bps, makers' bps, a unit; 2020-01-01, kraken, 10, 8, 0",
    ),
)
EXECUTION_FIELDS: tuple[Term, ...] = (
    (
        "participation",
        "Share of a bar's volume",
        "%",
        "0",
        "100",
        "At most; the rest waits for the next bar.",
    ),
    (
        "leverage",
        "Leverage",
        "times",
        "0",
        "100",
        "Gross value over equity at a fill; empty: none.",
    ),
    (
        "maintenance",
        "Margin call below",
        "%",
        "0",
        "100",
        "Equity over gross value at a close; positions are then cut.",
    ),
    ("lot", "Lot", "units", "0", "1000000000", "Smallest quantity; empty: any."),
    ("tick", "Tick", "price", "0", "1000000000", "Smallest step of prices; empty: any."),
    ("venues", "Venues", "", "", "", "For fees by venue; one line each: symbol, venue."),
)
STOP_FIELDS: tuple[Term, ...] = (
    ("stop_loss", "Stop loss", "%", "0", "100", "From the average price paid."),
    ("take_profit", "Take profit", "%", "0", "10000", "From the average price paid."),
    ("trailing_stop", "Trailing stop", "%", "0", "100", "From the best price since entry."),
)
LIMIT_FIELDS: tuple[Term, ...] = (
    (
        "max_position_share",
        "Largest position",
        "%",
        "0",
        "10000",
        "Of equity, either way; a larger weight is cut to it.",
    ),
    (
        "max_exposure",
        "Largest exposure",
        "%",
        "0",
        "10000",
        "Sum of weights, signs aside; above it all are scaled down alike.",
    ),
    ("max_leverage", "Largest leverage", "times", "0", "100", "The same sum, as a multiple."),
)
KINDS_OF_FIELD = {"funding": "checkbox", "schedule": "textarea", "venues": "textarea"}
# name, label, what a row holds.
ROW_KINDS = (
    (
        "orders",
        "Orders",
        "ts, symbol, side, quantity, kind, price, limit, trail, bars, stop_loss, take_profit, …",
    ),
    ("targets", "Target weights", "ts, then one column per symbol; or ts, symbol, weight"),
    ("signals", "Signals -1, 0, 1", "ts, then one column per symbol; or ts, symbol, signal"),
)


def row_fields(given: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return a field for each kind of rows that may come with a run."""
    found = []
    for name, label, words in ROW_KINDS:
        rows = given.get(name) or {}
        note = rows.get("note") or f"Columns: {words}"
        found.append({"name": name, "label": label, "value": rows.get("text", ""), "help": note})
    return found


def term_fields(
    group: str, terms: Iterable[Term], given: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return one field per term of costs or execution; what is not given stays empty."""
    return [
        {
            "name": f"{group}.{name}",
            "label": label,
            "type": KINDS_OF_FIELD.get(name, "number"),
            "unit": unit,
            "value": _term_value(given.get(name), unit),
            "min": low,
            "max": high,
            "help": words,
        }
        for name, label, unit, low, high, words in terms
    ]


def _term_value(value: Any, unit: str) -> Any:
    if isinstance(value, list):
        names = ("start", "venue", "fee_bps", "maker_bps", "per_unit")
        return "\n".join(", ".join(str(tier.get(n, "")) for n in names) for tier in value)
    if isinstance(value, dict):
        texts = all(isinstance(one, str) for one in value.values())
        return "\n".join(f"{name}, {one}" for name, one in value.items()) if texts else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else value
    return percent_of(value) if unit == "%" else f"{value:.10g}"


def percent_of(fraction: float | None) -> str:
    """Return a fraction as the percent that is typed, nothing for none."""
    return "" if fraction is None else f"{100 * fraction:.10g}"


def kept_terms(execution: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lots and ticks by symbol of a run to begin from: no field shows them."""
    return {name: execution[name] for name in ("lot", "tick") if _is_table(execution.get(name))}


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)
