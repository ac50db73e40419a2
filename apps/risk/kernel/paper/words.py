"""How figures and words are written on paper."""

from __future__ import annotations

from html import escape
from typing import Any

MINUS, DASH, THIN = "\u2212", "\u2013", "\u00a0"


def percent(value: Any, places: int = 2) -> str:
    """Return a fraction as percent; a dash for what is missing."""
    if value is None:
        return DASH
    return _signed(f"{100.0 * float(value):.{places}f}") + THIN + "%"


def number(value: Any, places: int = 2) -> str:
    """Return a number with spaces between thousands; a dash for what is missing."""
    if value is None:
        return DASH
    return _signed(f"{float(value):,.{places}f}".replace(",", THIN))


def _signed(text: str) -> str:
    if text.startswith("-"):
        # What rounds to nothing has no sign.
        return text[1:] if not any(c in "123456789" for c in text) else MINUS + text[1:]
    return text


def spelled(code: str) -> str:
    """Return a name of the code as words."""
    return str(code).replace("_", " ")


def safe(text: Any, known: frozenset[int]) -> str:
    """Return words as markup, with a question mark for signs that the type face lacks."""
    kept = "".join(c if ord(c) in known or c == "\n" else "?" for c in str(text))
    return escape(kept, quote=False)


def moment(iso: str) -> str:
    """Return an ISO time in UTC to the minute."""
    return f"{iso[:10]} {iso[11:16]} UTC"
