"""The fields of a setting's form: each is one place in its value, with a kind and a range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

NUMBER, CHOICE, CHECK = "number", "select", "checkbox"
ON = "on"


@dataclass(frozen=True, slots=True)
class Field:
    """A place in a value: the keys and indexes that lead there, and what may stand there.

    An empty choice takes the key away; a check box tells whether a word is in a list.
    """

    name: str
    label: str
    path: tuple[str | int, ...] = ()
    kind: str = NUMBER
    minimum: float | None = None
    maximum: float | None = None
    is_whole: bool = False
    unit: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    word: str = ""
    group: str = ""


def text_of(field: Field, value: Any) -> str:
    """Return what a field shows of a value."""
    found = _find(field, value)
    if field.kind == CHECK:
        return ON if field.word in found else ""
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None else f"{found}"


def read_fields(
    fields: Sequence[Field], sent: Mapping[str, str], value: Any
) -> tuple[Any, dict[str, str]]:
    """Return the value with what was sent in its places, and what is wrong by field."""
    made, errors = deepcopy(value), {}
    for field in fields:
        try:
            made = _put(field, made, sent.get(field.name, "").strip())
        except ValueError as error:
            errors[field.name] = f"{error}."
    return made, errors


def _find(field: Field, value: Any) -> Any:
    for step in field.path:
        value = value.get(step) if isinstance(value, dict) else value[step]
    return value


def _put(field: Field, value: Any, text: str) -> Any:
    if not field.path:
        return _read(field, text)
    *way, last = field.path
    place = value
    for step in way:
        place = place[step]
    if field.kind == CHECK:
        others = [word for word in place[last] if word != field.word]
        kept = place[last] if field.word in place[last] else [*others, field.word]
        place[last] = kept if text else others
    elif field.kind == CHOICE and not text:
        _read(field, text)
        place.pop(last, None)
    else:
        place[last] = _read(field, text)
    return value


def _read(field: Field, text: str) -> Any:
    if field.kind == NUMBER:
        return _number(field, text)
    if text not in dict(field.choices):
        message = f"{text!r} is not one of {', '.join(key for key, _ in field.choices if key)}"
        raise ValueError(message)
    return {"true": True, "false": False}.get(text, text)


def _number(field: Field, text: str) -> float:
    kind = "a whole number" if field.is_whole else "a number"
    try:
        found = int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        message = f"{text!r} is not {kind}" if text else f"Give {kind}"
        raise ValueError(message) from None
    if not math.isfinite(found) or (field.is_whole and found != int(found)):
        message = f"{text!r} is not {kind}"
        raise ValueError(message)
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    if not low <= found <= high:
        message = f"{text} is not {kind}{_range(field)}"
        raise ValueError(message)
    return int(found) if field.is_whole else found


def _range(field: Field) -> str:
    if field.minimum is None:
        return "" if field.maximum is None else f" up to {field.maximum:,g}"
    if field.maximum is None:
        return f" from {field.minimum:,g}"
    return f" from {field.minimum:,.15g} to {field.maximum:,.15g}"
