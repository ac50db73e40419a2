"""Fields for parameters, as the page part ``_field.html`` takes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from apps.strategies.kernel.asking import field_of
from apps.strategies.kernel.expressions import EXTRAS, FIELDS, functions
from apps.strategies.kernel.expressions.operators import GROUPS
from apps.strategies.kernel.interface import Spec
from apps.strategies.selectors import list_strategies
from apps.strategies.selectors.scans import SignalFilter

KINDS = (
    ("", "All kinds"),
    ("library", "Library"),
    ("expression", "Expression"),
    ("python", "Python"),
)


def fields_of(spec: Spec, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one field per parameter with its value, unit, range and help."""
    return [field_of(parameter, values) for parameter in spec.parameters]


# An expression has an editor; what comes with a request is no strategy to keep.
NOT_TO_MAKE = {"expression", "given"}


def library_form(plug: str) -> dict[str, Any]:
    """Return the page of a new strategy with the fields of a member of the library."""
    specs = [spec for spec in list_strategies() if spec.name not in NOT_TO_MAKE]
    spec = next((one for one in specs if one.name == plug), None)
    spec = spec or next(one for one in specs if one.parameters)
    return {"specs": specs, "spec": spec, "fields": fields_of(spec, {})}


def expression_form(page: dict[str, Any]) -> dict[str, Any]:
    """Return the page of the expression editor with its fields and what completion offers."""
    spec, places = page["spec"], page["universes"]
    fields = [one for one in fields_of(spec, page["draft"].params) if one["name"] != "expression"]
    return {
        **page,
        "fields": fields,
        "language": language(),
        "words": completion_words(page["catalogue"]),
        "universe_options": [
            (one.name, f"{one.title} ({len(one.symbols)}, {one.timeframe})") for one in places
        ],
        "chosen": next((one.name for one in places if one.timeframe == "1d"), ""),
        "target_options": [("", "A new strategy"), *page["targets"]],
    }


def code_form(page: dict[str, Any]) -> dict[str, Any]:
    """Return the page of the code editor with its choices, each version with the one before."""
    shown = page["versions"]
    before = [*(one.id for one in shown[1:]), None]
    return {
        **page,
        "versions": [
            {**asdict(one), "before": last} for one, last in zip(shown, before, strict=False)
        ],
        "universe_options": [
            (one.name, f"{one.title} ({len(one.symbols)}, {one.timeframe})")
            for one in page["universes"]
        ],
        "chosen": next((one.name for one in page["universes"] if one.timeframe == "1d"), ""),
    }


def completion_words(catalogue: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the names of the language with what each means, and the published formulas."""
    words = {**FIELDS, "vwap": "the volume-weighted average price, or the typical price"}
    words |= {name: name.replace("_", " ") for name in EXTRAS if name not in words}
    return {
        "fields": words,
        "functions": [
            {"name": usage.split("(")[0], "usage": usage, "words": meaning}
            for usage, meaning in functions()
        ],
        "groups": list(GROUPS),
        "catalogue": [
            {name: one[name] for name in ("name", "expression", "words", "needs")}
            for one in catalogue
        ],
    }


def language() -> dict[str, Any]:
    """Return the expression language as the page lists it."""
    return {"fields": FIELDS, "functions": functions()}


WANTS = (("", "Long or short"), ("long", "Long"), ("short", "Short"))
ORDERS = (("-signal_at", "Latest turn first"), ("-score", "Highest score first"))


def signal_filter(values: Mapping[str, Any]) -> SignalFilter:
    """Return the filter of a page's address; what it does not know is left out."""
    try:
        least = float(values.get("min_score") or "nan")
    except ValueError:
        least = math.nan
    sort = str(values.get("sort", ""))
    return SignalFilter(
        strategy=str(values.get("strategy", "")),
        symbol=str(values.get("symbol", "")).strip(),
        side=str(values.get("side", "")),
        min_score=least if math.isfinite(least) else None,
        sort=sort if sort in dict(ORDERS) else ORDERS[0][0],
    )


def scanner_choices(strategies: Iterable[str]) -> dict[str, Any]:
    """Return what the filters of the scanner's page offer."""
    names = [(name, name.replace("_", " ").capitalize()) for name in strategies]
    return {
        "strategy_options": [("", "All strategies"), *names],
        "side_options": WANTS,
        "sort_options": ORDERS,
    }


def alert_choices(universes: Iterable[Any]) -> dict[str, Any]:
    """Return what the form of a rule offers."""
    specs = [spec for spec in list_strategies() if not spec.passive]
    return {
        "strategy_options": [("", "Any"), *((spec.name, spec.title) for spec in specs)],
        "universe_options": [("", "Any"), *((one.name, one.title) for one in universes)],
    }
