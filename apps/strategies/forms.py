"""Fields for parameters, as the page part ``_field.html`` takes them."""

from __future__ import annotations

from typing import Any

from apps.strategies.kernel.expressions import FIELDS, functions
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


def language() -> dict[str, Any]:
    """Return the expression language as the page lists it."""
    return {"fields": FIELDS, "functions": functions()}
