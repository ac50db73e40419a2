"""Two texts side by side: which lines belong together, and which words in them differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

AROUND = 3
MOST_LINES = 4000
_WORD = re.compile(r"\w+|\s+|.")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a line; ``changed`` when the other side lacks it."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of both texts: ``same``, ``changed``, ``removed``, ``added``, or ``skipped`` lines.

    A side without a line has number None and no parts. ``skipped`` says in ``hidden`` how many
    equal lines are left out.
    """

    kind: str
    old: int | None = None
    new: int | None = None
    before: tuple[Part, ...] = ()
    after: tuple[Part, ...] = ()
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, with how many lines were added and removed (a changed line is both)."""

    rows: list[Row]
    added: int
    removed: int


def compare(before: str, after: str, *, around: int | None = AROUND) -> Comparison:
    """Return how two texts differ, with ``around`` equal lines about each change (None: all).

    Notes
    -----
    Lines are matched by ``difflib.SequenceMatcher`` without its rule for popular lines; within a
    stretch that was replaced they are paired in order, and paired lines are compared by words.
    Texts of more than 4,000 lines are matched with that rule, or it would take too long.
    """
    old, new = before.splitlines(), after.splitlines()
    quick = len(old) + len(new) > MOST_LINES
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=quick)
    rows = [row for code in matcher.get_opcodes() for row in _rows(code, old, new)]
    added = sum(row.kind in {"added", "changed"} for row in rows)
    removed = sum(row.kind in {"removed", "changed"} for row in rows)
    return Comparison(list(_folded(rows, around)), added, removed)


def _rows(code: tuple[str, int, int, int, int], old: list[str], new: list[str]) -> Iterator[Row]:
    tag, i, i_end, j, j_end = code
    pairs = min(i_end - i, j_end - j)
    for at in range(pairs):
        one, other = old[i + at], new[j + at]
        if tag == "equal":
            parts = (Part(one, changed=False),)
            yield Row("same", i + at + 1, j + at + 1, parts, parts)
        else:
            left, right = _words(one, other)
            yield Row("changed", i + at + 1, j + at + 1, left, right)
    for at in range(i + pairs, i_end):
        yield Row("removed", at + 1, None, (Part(old[at], changed=False),))
    for at in range(j + pairs, j_end):
        yield Row("added", None, at + 1, (), (Part(new[at], changed=False),))


def _words(one: str, other: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    left, right = _WORD.findall(one), _WORD.findall(other)
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    codes = matcher.get_opcodes()
    before = [Part("".join(left[i:k]), tag != "equal") for tag, i, k, _, _ in codes if k > i]
    after = [Part("".join(right[j:m]), tag != "equal") for tag, _, _, j, m in codes if m > j]
    return tuple(before), tuple(after)


def _folded(rows: list[Row], around: int | None) -> Iterator[Row]:
    """Leave out equal lines that are further than ``around`` from any change."""
    if around is None:
        yield from rows
        return
    changes = [at for at, row in enumerate(rows) if row.kind != "same"]
    near = {at + step for at in changes for step in range(-around, around + 1)}
    hidden = 0
    for at, row in enumerate(rows):
        if at not in near:
            hidden += 1
            continue
        if hidden:
            yield Row("skipped", hidden=hidden)
            hidden = 0
        yield row
    if hidden and changes:
        yield Row("skipped", hidden=hidden)
