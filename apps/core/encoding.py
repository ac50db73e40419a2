"""JSON as the lab writes it: quick, with times in ISO form, and never NaN."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel


def to_json(data: Any) -> bytes:
    """Return ``data`` as JSON; NaN and infinity become null."""
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(data, default=plain, option=options)


def plain(value: Any) -> Any:
    """Return ``value`` as something JSON has."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"  # never 0E-8
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, None | bool | int | float | str):
        return value
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
