"""Fields for parameters, as the page part ``_field.html`` takes them."""

from __future__ import annotations

from typing import Any

from apps.strategies.kernel.expressions import EXTRAS, FIELDS, functions
from apps.strategies.kernel.expressions.operators import GROUPS
from apps.strategies.kernel.interface import Parameter, Spec

KINDS = (("", "All kinds"), ("library", "Library"), ("expression", "Expression"))
TYPES = {
    "int": "number",
    "float": "number",
    "bool": "checkbox",
    "choice": "select",
    "text": "textarea",
}


def fields_of(spec: Spec, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one field per parameter with its value, unit, range and help."""
    return [_field(parameter, values) for parameter in spec.parameters]


def _field(parameter: Parameter, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "label": parameter.name.replace("_", " ").capitalize(),
        "type": TYPES[parameter.kind],
        "value": values.get(parameter.name, parameter.default),
        "min": "" if parameter.low is None else f"{parameter.low:g}",
        "max": "" if parameter.high is None else f"{parameter.high:g}",
        "step": "1" if parameter.kind == "int" else "any",
        "unit": parameter.unit,
        "help": f"{parameter.about}." if parameter.about else "",
        "options": [(choice, choice.capitalize()) for choice in parameter.choices],
    }


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
