"""What a reader of Python would remark on in a strategy's text; it is parsed, never run."""

from __future__ import annotations

import ast

from apps.strategies.kernel.user_code import MOST_BYTES, Finding, check

MOST_FINDINGS = 200


def lint(text: str) -> list[Finding]:
    """Return what is wrong with a text and what is remarkable in it, by line.

    The first are those of ``user_code.check``; the others (names that nothing defines, imports
    and values that nothing uses) are found by pyflakes and keep nobody from saving.
    """
    found = check(text)
    if not any(one.code in {"code.syntax", "code.too_long"} for one in found):
        found += _remarks(text)
    return sorted(found, key=lambda one: (one.line, one.column, one.code))[:MOST_FINDINGS]


def _remarks(text: str) -> list[Finding]:
    # Brings doctest and more: only who edits code needs it.
    from pyflakes.checker import Checker

    if len(text.encode(errors="replace")) > MOST_BYTES:
        return []
    try:
        messages = Checker(ast.parse(text)).messages
    except (RecursionError, MemoryError, ValueError, SyntaxError):
        return []
    return [
        Finding(
            one.lineno,
            one.col + 1,
            f"lint.{_snake(type(one).__name__)}",
            one.message % one.message_args,
            "warning",
        )
        for one in messages
    ]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]
