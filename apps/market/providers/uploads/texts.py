"""CSV as people and programs write it: encoding, delimiter, decimal sign, found and checked."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import Invalid

DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 2**18
CHUNK = 2**20
MAX_COLUMNS = 5000
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
DECIMAL_COMMA = re.compile(r"-?\d{1,3}(\.?\d{3})*,\d+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written; ``path`` is the file in plain UTF-8."""

    path: Path
    encoding: str
    delimiter: str
    decimal: str
    header: tuple[str, ...]


def recognise(path: Path, folder: Path, *, delimiter: str = "", decimal: str = "") -> Dialect:
    """Return how a CSV file is written; other encodings are written anew as UTF-8.

    Raises
    ------
    Invalid
        ``upload.unreadable``: binary, mixed encodings, no delimiter; row named where there is one.
    """
    with path.open("rb") as stream:
        head = stream.read(SAMPLE)
    encoding = next((name for bom, name in BOMS if head.startswith(bom)), "")
    if encoding in {"utf-16", "utf-32"}:
        path = _rewrite(path, folder / f"{path.name}.utf8", encoding)
    else:
        encoding = _checked(path, encoding)
        if encoding == "latin-1":
            path = _rewrite(path, folder / f"{path.name}.utf8", "cp1252")
    with path.open("rb") as stream:
        text = stream.read(SAMPLE).decode("utf-8-sig", "ignore")
    lines = [line for line in re.split(r"\r\n|\n|\r", text)[:60] if line.strip()]
    if len(text) >= SAMPLE // 4 and len(lines) > 1:
        lines = lines[:-1]  # cut off by the end of the sample
    found = delimiter or find_delimiter(lines)
    cells = [split(line, found) for line in lines]
    header = tuple(cell.strip() for cell in cells[0]) if cells else ()
    _check_header(header, cells[1] if len(cells) > 1 else [])
    sign = decimal or _find_decimal(cells[1:], found)
    return Dialect(path, encoding, found, sign, header)


def _checked(path: Path, encoding: str) -> str:
    """Return utf-8 or latin-1 after reading every byte. Raises ``Invalid`` for anything else."""
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    line, foreign_row, multibyte_row = 1, 0, 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            _check_chunk(chunk, line)
            if not chunk.isascii() and not multibyte_row and (match := MULTIBYTE.search(chunk)):
                multibyte_row = line + chunk[: match.start()].count(10)
            if decoder and (at := _first_foreign(decoder, chunk)) is not None:
                decoder, foreign_row = None, line + chunk[:at].count(10)
            line += chunk.count(10)
    if decoder:
        return encoding or "utf-8"
    if encoding or multibyte_row:
        other = f"line {multibyte_row} is" if multibyte_row else "the byte order mark is"
        raise _bad(
            f"it mixes encodings: {other} UTF-8, line {foreign_row} is not. Save it as UTF-8"
        )
    return "latin-1"


def _check_chunk(chunk: bytes, line: int) -> None:
    if (at := chunk.find(b"\0")) >= 0:
        raise _bad(f"line {line + chunk[:at].count(10)} holds a NUL byte; it is binary")
    if len(chunk) == CHUNK and b"\n" not in chunk and b"\r" not in chunk:
        raise _bad(f"line {line} is longer than {CHUNK:,} bytes")


def _first_foreign(decoder: codecs.IncrementalDecoder, chunk: bytes) -> int | None:
    """Return where a chunk stops being UTF-8; None where it is all of it."""
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError as error:
        return error.start
    return None


def _rewrite(path: Path, target: Path, encoding: str) -> Path:
    """Write a file anew as UTF-8, piece by piece."""
    line = 1
    try:
        with path.open(encoding=encoding, newline="") as text, target.open("wb") as out:
            while piece := text.read(CHUNK):
                if "\0" in piece:
                    raise _bad(f"line {line + piece[: piece.find(chr(0))].count(chr(10))} has NUL")
                if len(piece) == CHUNK and "\n" not in piece and "\r" not in piece:
                    raise _bad(f"line {line} is longer than {CHUNK:,} characters")
                line += piece.count("\n")
                out.write(piece.encode())
    except (UnicodeError, ValueError) as error:
        raise _bad(f"after line {line} it is no {encoding}: {error}") from None
    return target


def find_delimiter(lines: list[str]) -> str:
    """Return the delimiter that cuts the lines into as many cells as the first one."""
    if not lines:
        raise _bad("it holds no text")
    best, most = ",", 0.0
    for delimiter in DELIMITERS:
        counts = Counter(len(split(line, delimiter)) for line in lines)
        cells, agreeing = counts.most_common(1)[0]
        score = (cells > 1) * agreeing / len(lines) * (cells == len(split(lines[0], delimiter)))
        if score > most:
            best, most = delimiter, score
    return best


def split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line; quotes are honoured."""
    if '"' not in line:
        return line.split(delimiter)
    pattern = re.compile(
        rf'(?:^|{re.escape(delimiter)})("(?:[^"]|"")*"|[^{re.escape(delimiter)}]*)'
    )
    cells = [match.group(1) for match in pattern.finditer(line)]
    return [c[1:-1].replace('""', '"') if c[:1] == '"' == c[-1:] else c for c in cells]


def _find_decimal(rows: list[list[str]], delimiter: str) -> str:
    if delimiter == ",":
        return "."
    cells = [cell.strip() for row in rows for cell in row]
    commas = sum(bool(DECIMAL_COMMA.fullmatch(cell)) for cell in cells)
    points = sum(bool(re.fullmatch(r"-?\d+\.\d+", cell)) for cell in cells)
    return "," if commas > points else "."


def _check_header(header: tuple[str, ...], first: list[str]) -> None:
    if len(header) > MAX_COLUMNS:
        raise _bad(f"it has {len(header):,} columns; at most {MAX_COLUMNS:,} are taken")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise _bad(f"its header has the column {ascii(twice[0])[:60]} twice")
    if first and all(re.fullmatch(r"[-+.\d:/T Z]*", cell) for cell in header):
        raise _bad(
            f"its first line is data ({', '.join(header[:5])}); put the names of the columns there"
        )


def _bad(what: str) -> Invalid:
    message = f"The file was refused and nothing stored: {what}."
    return Invalid(message, code="upload.unreadable", details={"field": "file"})
