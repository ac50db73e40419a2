"""Reference data: index members, renames, rates."""

from __future__ import annotations

from datetime import date, datetime

from ninja import Field, Schema

from apps.core.reading import Moment


class IndexOut(Schema):
    """An index, the dataset that knows its members, and how many spells of membership it has."""

    name: str
    dataset: str
    spells: int


class MembersOut(Schema):
    """Who was in an index on a day."""

    index: str
    on: date
    as_of: str | None = None
    symbols: list[str]


class RenameOut(Schema):
    """A ticker that became another one; ``on`` is the first day of the new one."""

    before: str
    after: str
    on: date
    place: str


class RateQuery(Schema):
    """Which rate, and when; ``at`` is now when it is left out."""

    base: str
    quote: str
    at: Moment | None = None
    as_of: str | None = None


class RateOut(Schema):
    """What one unit of ``base`` was worth in ``quote``."""

    base: str
    quote: str
    at: datetime
    rate: float


class MembersIn(Schema):
    """Who is to be asked for the members of an index, and where they go."""

    provider: str
    dataset: str = Field("", max_length=64)
