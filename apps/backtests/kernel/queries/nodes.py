"""The tree of a search; ``!=``, ``!~`` and ``not in`` are read as the opposite, negated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

Plain = str | float | bool | datetime


@dataclass(frozen=True, slots=True)
class Value:
    """What is compared with; ``text`` as it was written, ``until`` the end of a whole day."""

    plain: Plain
    text: str
    until: datetime | None = None

    @classmethod
    def of_day(cls, start: datetime, text: str) -> Value:
        """Return a day, which begins at midnight UTC."""
        return cls(start, text, start + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Name:
    """A field of a run, or what stands under ``key`` in its metrics, params or tags."""

    root: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Compare:
    """A field held against values: ``= < <= > >= ~ in``, or ``empty`` without any."""

    name: Name
    op: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """Text that stands in the title, strategy, labels or tags, or begins the digest."""

    text: str


@dataclass(frozen=True, slots=True)
class Flag:
    """What a run is or is not: archived, locked."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    parts: tuple[Node, ...]


Node = And | Or | Not | Compare | Words | Flag


def leaves(node: Node) -> Iterator[Compare | Words | Flag]:
    """Yield what a tree asks for, one by one."""
    if isinstance(node, Not):
        yield from leaves(node.part)
    elif isinstance(node, And | Or):
        for part in node.parts:
            yield from leaves(part)
    else:
        yield node


def mentions(node: Node | None, flag: str) -> bool:
    """Tell whether a search says anything of a flag."""
    if node is None:
        return False
    return any(isinstance(leaf, Flag) and leaf.name == flag for leaf in leaves(node))
