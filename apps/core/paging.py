"""Lists by cursor: read by keyset, so that a page costs the same wherever it lies."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import orjson
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from ninja import Field, Schema

from apps.core.encoding import plain
from apps.core.errors import Invalid

MAX_LIMIT = 200
Row = TypeVar("Row")


class Page(Schema, Generic[Row]):
    """One page of a list; ``next`` is the cursor of the following page."""

    items: list[Row]
    next: str | None = None


class Paging(Schema):
    """Where in a list to read: the ``next`` of the page before, and how many rows."""

    cursor: str = ""
    limit: int = Field(50, ge=1, le=MAX_LIMIT)


def page(
    rows: QuerySet[Any] | Iterable[Any],
    request: HttpRequest,
    *,
    limit: int = 50,
    order: Sequence[str] = ("-created_at", "-id"),
    row: Callable[[Any], Any] | None = None,
) -> dict[str, Any]:
    """Return one page of ``rows`` as ``{"items", "next"}``, read by keyset, never by offset.

    ``order`` names fields that are never null and together unique; a leading ``-`` is descending.
    A list must already be in that order. ``row`` turns a row into JSON. Raises ``Invalid`` for a
    cursor or limit that can't be used.
    """
    size = _limit(request, limit)
    after = _read_cursor(request.GET.get("cursor", ""), order)
    found = (
        _of_query(rows, order, after)
        if isinstance(rows, QuerySet)
        else _of_list(rows, order, after)
    )
    taken = list(found[: size + 1])
    more, taken = len(taken) > size, taken[:size]
    return {
        "items": [row(item) for item in taken] if row else taken,
        "next": _write_cursor(taken[-1], order) if more else None,
    }


def _limit(request: HttpRequest, default: int) -> int:
    text = request.GET.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_LIMIT):
        message = f"limit is {text!r}; it is a whole number from 1 to {MAX_LIMIT}."
        raise Invalid(message, code="page.limit", details={"field": "limit"})
    return int(text)


def _of_query(rows: QuerySet[Any], order: Sequence[str], after: list[Any]) -> QuerySet[Any]:
    rows = rows.order_by(*order)
    if not after:
        return rows
    values = [
        _typed(rows, name.lstrip("-"), value) for name, value in zip(order, after, strict=True)
    ]
    reached, seen = Q(), Q()
    for name, value in zip(order, values, strict=True):
        field, sign = name.lstrip("-"), "lt" if name.startswith("-") else "gt"
        reached |= seen & Q(**{f"{field}__{sign}": value})
        seen &= Q(**{field: value})
    first, sign = order[0].lstrip("-"), "lte" if order[0].startswith("-") else "gte"
    # The first bound is implied by the rest; it lets the planner use the index.
    return rows.filter(Q(**{f"{first}__{sign}": values[0]}) & reached)


def _typed(rows: QuerySet[Any], name: str, value: Any) -> Any:
    try:
        return rows.model._meta.get_field(name).to_python(value)
    except FieldDoesNotExist:
        return value
    except (ValidationError, ValueError, TypeError) as error:
        raise _bad_cursor() from error


def _of_list(rows: Iterable[Any], order: Sequence[str], after: list[Any]) -> list[Any]:
    return [item for item in rows if not after or _is_after(_key(item, order), after, order)]


def _is_after(key: list[Any], after: list[Any], order: Sequence[str]) -> bool:
    for name, mine, theirs in zip(order, key, after, strict=True):
        if mine != theirs:
            try:
                return bool(mine < theirs) == name.startswith("-")
            except TypeError as error:
                raise _bad_cursor() from error
    return False


def _key(item: Any, order: Sequence[str]) -> list[Any]:
    return [plain(_value(item, name.lstrip("-"))) for name in order]


def _value(item: Any, name: str) -> Any:
    return item[name] if isinstance(item, dict) else getattr(item, name)


def _write_cursor(item: Any, order: Sequence[str]) -> str:
    text = orjson.dumps([",".join(order), *_key(item, order)])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _read_cursor(text: str, order: Sequence[str]) -> list[Any]:
    if not text:
        return []
    try:
        values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _bad_cursor() from error
    fits = isinstance(values, list) and len(values) == len(order) + 1
    if not fits or values[0] != ",".join(order):
        raise _bad_cursor()
    return list(values[1:])


def _bad_cursor() -> Invalid:
    message = "The cursor is not one of this list; leave it out to read from the start."
    return Invalid(message, code="page.cursor", details={"field": "cursor"})
