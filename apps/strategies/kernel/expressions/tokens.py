"""From text to tokens, each with its column."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.core.errors import Invalid

MAX_LENGTH = 2000
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<symbol>\|\||&&|<=|>=|==|!=|[-+*/^<>?:(),]))"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A number, name, symbol or the end, with its column counted from 1."""

    kind: str
    text: str
    column: int

    @property
    def shown(self) -> str:
        """How messages name the token."""
        return "the end" if self.kind == "end" else repr(self.text)


def refuse(code: str, column: int, message: str) -> Invalid:
    """Return the error for a fault at ``column``."""
    details: dict[str, object] = {"field": "expression", "column": column}
    return Invalid(f"Column {column}: {message}", code=f"expression.{code}", details=details)


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of ``text`` and an end. Raises ``Invalid`` at a foreign character."""
    if len(text) > MAX_LENGTH:
        message = f"the text has {len(text)} characters; at most {MAX_LENGTH} are read."
        raise refuse("too_long", MAX_LENGTH + 1, message)
    out, at = [], 0
    stop = len(text.rstrip())
    while at < stop:
        found = _TOKEN.match(text, at)
        if found is None:
            column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            message = (
                f"found {text[column - 1]!r}, which the language does not know; "
                "it has names, numbers, + - * / ^ comparisons, brackets and commas."
            )
            raise refuse("syntax", column, message)
        kind = str(found.lastgroup)
        out.append(Token(kind, found.group(kind), found.start(kind) + 1))
        at = found.end()
    return [*out, Token("end", "", stop + 1)]
