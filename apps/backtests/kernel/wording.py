"""The terms of a run in words: what trading costs, how orders are executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Terms = Mapping[str, Any]


def costs_in_words(costs: Terms) -> list[str]:
    """Return a sentence for each cost that was asked for, one when trading is free."""
    said = [*_fees(costs), *_slippage(costs), *_holding(costs)]
    return said or ["Trading costs nothing."]


def _fees(costs: Terms) -> list[str]:
    fee, maker = costs.get("fee_bps", 0.0), costs.get("maker_bps")
    said = []
    if maker is not None and maker != fee:
        said.append(
            f"Fees: {maker:g} bps of the value of limit orders that rested, {fee:g} of all else."
        )
    elif fee:
        said.append(f"Fee: {fee:g} bps of the value traded.")
    if costs.get("per_unit"):
        said.append(f"Fee: {costs['per_unit']:g} on each unit, in the instrument's currency.")
    tiers = costs.get("schedule") or []
    if tiers:
        told = "; ".join(_tier(tier) for tier in tiers)
        said.append(f"Fees change: {told}.")
    return said


def _tier(tier: Terms) -> str:
    fee = tier.get("fee_bps", 0.0)
    maker = tier.get("maker_bps", fee)
    place = f" at {tier['venue']}" if tier.get("venue") else ""
    unit = f" and {tier['per_unit']:g} a unit" if tier.get("per_unit") else ""
    return f"from {tier['start']}{place} {fee:g} bps, makers {maker:g} bps{unit}"


def _slippage(costs: Terms) -> list[str]:
    said = []
    if costs.get("slippage_bps"):
        said.append(f"Slippage: every price {costs['slippage_bps']:g} bps worse than quoted.")
    if costs.get("spread_bps"):
        half = costs["spread_bps"] / 2.0
        said.append(f"Spread: half of {costs['spread_bps']:g} bps ({half:g} bps) on each trade.")
    if costs.get("impact_bps"):
        said.append(
            f"Impact: {costs['impact_bps']:g} bps times the square root of the trade's share of "
            "its bar's volume."
        )
    return said


def _holding(costs: Terms) -> list[str]:
    said = []
    if costs.get("borrow_bps"):
        said.append(f"Borrowing: {costs['borrow_bps']:g} bps a year on the value of shorts.")
    if costs.get("interest_bps"):
        said.append(f"Interest: {costs['interest_bps']:g} bps a year on cash owed.")
    if costs.get("funding"):
        said.append("Funding of perpetuals is paid and received at each close that settles it.")
    return said


def execution_in_words(execution: Terms) -> list[str]:
    """Return a sentence for each term of execution that was asked for."""
    said = []
    for name, words in EXECUTION_WORDS.items():
        value = execution.get(name)
        if value:
            said.append(words(value))
    return said


def _by_symbol(value: Any, what: str) -> str:
    if not isinstance(value, Mapping):
        return f"{what} {value:g}."
    return f"{what} " + ", ".join(f"{name} {number:g}" for name, number in value.items()) + "."


EXECUTION_WORDS: dict[str, Any] = {
    "participation": lambda v: f"A run fills at most {100 * v:g} % of a bar's volume in it.",
    "leverage": lambda v: f"Leverage: gross value up to {v:g} times the equity at a fill.",
    "maintenance": lambda v: (
        f"Margin call: equity below {100 * v:g} % of gross value at a close cuts positions."
    ),
    "stop_loss": lambda v: f"Stop loss {100 * v:g} % from the average price paid.",
    "take_profit": lambda v: f"Take profit {100 * v:g} % from the average price paid.",
    "trailing_stop": lambda v: f"Trailing stop {100 * v:g} % from the best price since entry.",
    "lot": lambda v: _by_symbol(v, "Lots of"),
    "tick": lambda v: _by_symbol(v, "Prices in ticks of"),
    "venues": lambda v: "Venues: " + ", ".join(f"{s} at {n}" for s, n in v.items()) + ".",
}


def limits_in_words(limits: Terms) -> list[str]:
    """Return a sentence for each limit on target weights that was asked for."""
    return [
        words.format(_limit(name, limits[name]))
        for name, words in LIMIT_WORDS.items()
        if limits.get(name)
    ]


def _limit(name: str, value: float) -> float:
    return value if name == "max_leverage" else 100.0 * value


LIMIT_WORDS = {
    "max_position_share": "No target above {:.4g} % of equity, either way.",
    "max_exposure": "Targets add up to {:.4g} % of equity at most, signs aside.",
    "max_leverage": "Targets add up to {:g} times the equity at most, signs aside.",
}
