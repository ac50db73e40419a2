"""What is guessed first: common passwords, words of this house, and both with a little around."""

from __future__ import annotations

import re
from collections.abc import Set

# Words an attacker who knows what this is would try; roles and the words of the trade.
HOUSE_WORDS = (
    "quantsite",
    "backtest",
    "portfolio",
    "strategy",
    "trading",
    "quant",
    "trader",
    "researcher",
    "validator",
    "riskmanager",
    "auditor",
    "viewer",
    "administrator",
    "admin",
    "bitcoin",
    "password",
    "passphrase",
    "welcome",
    "changeme",
    "letmein",
    "secret",
)
ROWS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
LOOK_ALIKE = str.maketrans("01345$@!7", "oieassait")
FEWEST_SIGNS = 5
FEWEST_LEFT = 5


def weakness(password: str, common: Set[str]) -> str:
    """Return why ``password`` would be guessed soon, or nothing.

    ``common`` holds passwords that many people use, in lower case. Nothing is asked of the kinds
    of characters.
    """
    if password.lower() in common:
        return "This password is too common."
    if len(set(password.lower())) < FEWEST_SIGNS:
        return f"This password has fewer than {FEWEST_SIGNS} different characters."
    if _is_row(password.lower()):
        return "This password is a row of neighbouring characters."
    if any(_is_guessed(core, common) for core in _cores(password)):
        return "This password is a common word, or one of this house, with a little around it."
    return ""


def _cores(password: str) -> set[str]:
    """Return the words left without what people put around and instead of letters."""
    plain = password.lower()
    spelled = {plain, plain.translate(LOOK_ALIKE)}
    once = {_period(word) for word in spelled}
    bare = {re.sub(r"[\W_]+", "", word) for word in spelled | once}
    return {core for word in spelled | once | bare for core in _without_edges(word)}


def _without_edges(word: str) -> set[str]:
    """Return the word without some or all of what is no letter at its ends."""
    letters = [number for number, sign in enumerate(word) if sign.isalpha()]
    if not letters:
        return {word}
    starts, ends = range(letters[0] + 1), range(letters[-1] + 1, len(word) + 1)
    return {word[start:end] for start in starts for end in ends}


def _is_guessed(core: str, common: Set[str]) -> bool:
    if not core:
        return False
    if len(core) >= FEWEST_LEFT - 1 and (core in common or _period(core) in common):
        return True
    rest = core
    for word in HOUSE_WORDS:
        rest = rest.replace(word, "")
    rest = re.sub(r"[\W\d_]", "", rest) if rest != core else rest
    return rest != core and (len(rest) < FEWEST_LEFT or rest in common)


def _period(text: str) -> str:
    """Return the shortest text of which ``text`` is a repetition."""
    return text[: (text + text).index(text, 1)] if text else text


def _is_row(text: str) -> bool:
    rows = [order for row in ROWS for order in (row * 3, row[::-1] * 3)]
    return any(text in row for row in rows)
