"""How a form asks for a parameter, as the page part ``_field.html`` takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.strategies.kernel.interface import Parameter

TYPES = {
    "int": "number",
    "float": "number",
    "bool": "checkbox",
    "choice": "select",
    "text": "textarea",
}
WIDE = {"text", "bool"}


def field_of(parameter: Parameter, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's field with its value, or its default, unit, range and help."""
    return {
        "name": parameter.name,
        "label": parameter.name.replace("_", " ").capitalize(),
        "type": TYPES[parameter.kind],
        "is_wide": parameter.kind in WIDE,
        "value": values.get(parameter.name, parameter.default),
        "min": "" if parameter.low is None else f"{parameter.low:g}",
        "max": "" if parameter.high is None else f"{parameter.high:g}",
        "step": "1" if parameter.kind == "int" else "any",
        "unit": parameter.unit,
        "help": f"{parameter.about}." if parameter.about else "",
        "options": [(choice, choice.capitalize()) for choice in parameter.choices],
    }
