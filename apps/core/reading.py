"""What is read from a request: JSON as RFC 8259 has it, texts and times the database can hold.

A lone surrogate, NaN, Infinity and a number that no float holds are no JSON; orjson refuses them.
NUL is JSON and text, yet PostgreSQL cannot hold it. What is nested deeper than ``MAX_DEPTH``
nobody means.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any

import orjson
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser
from pydantic import AfterValidator

from apps.core.errors import Invalid

MAX_DEPTH = 100
# What clocks that count nanoseconds in 64 bits hold, with room to reckon on both sides.
FIRST_YEAR, LAST_YEAR = 1700, 2299
NUL = "\0"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class StrictParser(Parser):
    """Reads bodies, queries and forms of the REST interface."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the JSON of a body. Raises ``ValueError`` and ``Invalid``."""
        return from_json(request.body)

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> Any:
        """Return the values of a query or form. Raises ``Invalid``."""
        if isinstance(data, QueryDict):
            refuse_nul(data)
        return super().parse_querydict(data, list_fields, request)


def from_json(body: bytes) -> Any:
    """Return what a body says. Raises ``ValueError`` for no JSON, ``Invalid`` for NUL and depth.

    Only a body that may hold NUL, or may be deep, is walked through.
    """
    found = orjson.loads(body)
    if b"\\u0000" in body or body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _walk(found)
    return found


def _walk(found: Any) -> None:
    level, depth = [found], 0
    while level:
        if depth > MAX_DEPTH:
            message = f"The body is nested more than {MAX_DEPTH} deep; send flatter JSON."
            raise Invalid(message, code="invalid.depth")
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend([*value.keys(), *value.values()])
            elif isinstance(value, list):
                inner.extend(value)
            elif isinstance(value, str) and NUL in value:
                raise _holds_nul("The body")
        level, depth = inner, depth + 1


def refuse_nul(given: QueryDict) -> None:
    """Raise ``Invalid`` when a name or value of a query or form holds NUL."""
    for name, values in given.lists():
        if _has_nul((name, *values)):
            raise _holds_nul(f"The field {name.replace(NUL, '')!r}")


def refuse_nul_anywhere(request: HttpRequest, *, form: bool) -> None:
    """Raise ``Invalid`` when the address, the query or (where asked) the form holds NUL.

    Forms of the REST interface are read, and refused, only when the caller is known.
    """
    if NUL in request.path:
        raise _holds_nul("The address")
    refuse_nul(request.GET)
    if form and request.method == "POST" and request.content_type in FORMS:
        refuse_nul(request.POST)


def _has_nul(texts: Iterable[Any]) -> bool:
    return any(isinstance(text, str) and NUL in text for text in texts)


def _holds_nul(what: str) -> Invalid:
    message = f"{what} holds the character NUL, which no text of the lab can hold; leave it out."
    return Invalid(message, code="invalid.text")


def in_utc(given: datetime) -> datetime:
    """Return the time in UTC; one without an offset is in UTC. Raises ``ValueError``."""
    in_range(given)
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def in_range(given: date) -> date:
    """Return a day or time near which others can be counted. Raises ``ValueError``."""
    if not FIRST_YEAR <= given.year <= LAST_YEAR:
        message = f"the year is {given.year}; the lab knows {FIRST_YEAR} to {LAST_YEAR}"
        raise ValueError(message)
    return given


Moment = Annotated[datetime, AfterValidator(in_utc)]
Day = Annotated[date, AfterValidator(in_range)]
