"""Names of instruments as files write them: one spelling each, look-alikes told apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_LENGTH = 40
PUNCTUATION = frozenset(".-_^=/:@&+*$#!%() '")
FORMULA = frozenset("=+-@\t\r")
FOLDS = str.maketrans({"0": "O", "1": "I", "l": "I", "|": "I", "5": "S", "8": "B", "2": "Z"})
TICKER = re.compile(r"\^?[A-Z0-9][A-Z0-9.=^_-]{0,14}")


def normalise(text: str) -> str:
    """Return the one spelling under which a symbol is stored (NFKC, without outer blanks)."""
    return unicodedata.normalize("NFKC", text).strip()


def fault(symbol: str) -> str:
    """Return what is wrong with a normalised symbol, or nothing."""
    if not symbol:
        return "nothing"
    if len(symbol) > MAX_LENGTH:
        return f"{symbol[:20]!r}… of {len(symbol)} characters"
    if symbol[0] in FORMULA:
        return f"{symbol!a}, which a spreadsheet would run as a formula"
    strange = [letter for letter in symbol if not _is_plain(letter)]
    if strange:
        return f"{symbol!a} with {_name(strange[0])}"
    return _disguise(symbol)


def _is_plain(letter: str) -> bool:
    if letter.isascii():
        return letter.isalnum() or letter in PUNCTUATION
    return unicodedata.category(letter) in {"Lu", "Ll", "Lo", "Lt", "Nd", "Mn", "Mc"}


def _name(letter: str) -> str:
    return f"U+{ord(letter):04X} {unicodedata.name(letter, 'a control character')}"


def _disguise(symbol: str) -> str:
    """Return why a symbol with foreign letters may be taken for another one (Unicode TR39)."""
    if symbol.isascii():
        return ""
    from confusable_homoglyphs import confusables

    foreign = [letter for letter in symbol if letter.isalpha() and not letter.isascii()]
    alike = [x for x in foreign if confusables.is_confusable(x, preferred_aliases=["latin"])]
    if alike and (len(alike) == len(foreign) or confusables.is_mixed_script(symbol)):
        return f"{symbol!a}, a look-alike: it holds {_name(alike[0])}"
    if confusables.is_mixed_script(symbol, allowed_aliases=["COMMON", "INHERITED"]):
        return f"{symbol!a}, which mixes scripts: it holds {_name(foreign[0])}"
    return ""


def look_alikes(symbols: Sequence[str], known: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return pairs of different symbols that read alike, such as ``GO0G`` and ``GOOG``.

    Parameters
    ----------
    known
        Symbols that are stored already; pairs among these alone are left out.
    """
    seen: dict[str, str] = {}
    for symbol in known:
        seen.setdefault(_fold(symbol), symbol)
    pairs = []
    for symbol in symbols:
        other = seen.setdefault(_fold(symbol), symbol)
        if other != symbol:
            pairs.append((symbol, other))
    return pairs


def _fold(symbol: str) -> str:
    return symbol.translate(FOLDS).upper().translate(FOLDS).replace("RN", "M")


def from_file_name(name: str) -> str:
    """Return the symbol that a file is named after, such as ``AAPL.csv``; else nothing."""
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].split(".csv")[0].split(".parquet")[0]
    return stem if TICKER.fullmatch(stem) else ""
