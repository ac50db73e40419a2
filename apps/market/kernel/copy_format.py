"""PostgreSQL's binary COPY format, whole columns at a time.

References
----------
PostgreSQL manual, COPY, "Binary Format": a header, then per row the number of fields and per
field its length and big-endian bytes, then a trailer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
EPOCH_MICROS = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970


def to_server(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times counted from 1970 as the server counts them, from 2000."""
    return ts - EPOCH_MICROS


def from_server(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times counted from 2000 as the lab counts them, from 1970."""
    return ts + EPOCH_MICROS


def pack(columns: Sequence[NDArray[np.generic]]) -> bytes:
    """Return columns of equal length as a whole binary COPY stream.

    Parameters
    ----------
    columns
        int32, int64 or float64 for int4, int8, timestamptz (see ``to_server``) and float8; fixed
        bytes (``S``) for text of one length.

    Returns
    -------
    bytes
        What ``COPY … FROM STDIN (FORMAT BINARY)`` reads.
    """
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for i, column in enumerate(columns):
        code = column.dtype.str[1:]
        fields += [(f"length{i}", ">i4"), (f"value{i}", f">{code}" if code[0] != "S" else code)]
    rows = np.empty(len(columns[0]), dtype=np.dtype(fields))
    rows["fields"] = len(columns)
    for i, column in enumerate(columns):
        rows[f"length{i}"] = column.dtype.itemsize
        rows[f"value{i}"] = column
    return HEADER + rows.tobytes() + TRAILER


def unpack(stream: bytes | Iterable[bytes]) -> Iterator[list[memoryview]]:
    """Yield the raw fields of each row, as soon as the row is there.

    Parameters
    ----------
    stream
        The whole of it, or blocks of it one after another, cut anywhere.

    Raises
    ------
    ValueError
        When this is no such stream, or one that is cut short.
    """
    rest = b""
    is_begun = False
    for block in [stream] if isinstance(stream, bytes) else stream:
        rest = rest + block if rest else block
        view = memoryview(rest)
        at = 0
        if not is_begun and len(view) >= len(HEADER):
            if bytes(view[:11]) != HEADER[:11]:
                raise ValueError("This is no binary COPY stream.")
            is_begun, at = True, len(HEADER)
        while is_begun and at + 2 <= len(view):
            if _integer(view, at, 2) < 0:
                return
            row, end = _row(view, at)
            if row is None:
                break
            yield row
            at = end
        rest = rest[at:]
    message = "ends in the middle of a row" if is_begun else "is no binary COPY stream"
    raise ValueError(f"The COPY stream {message}.")


def _row(view: memoryview, at: int) -> tuple[list[memoryview] | None, int]:
    """Return the fields of the row that begins here and where it ends; None: it is cut."""
    row: list[memoryview] = []
    count = _integer(view, at, 2)
    at += 2
    for _ in range(count):
        if at + 4 > len(view):
            return None, at
        end = at + 4 + max(_integer(view, at, 4), 0)
        if end > len(view):
            return None, at
        row.append(view[at + 4 : end])
        at = end
    return row, at


def _integer(view: memoryview, at: int, size: int) -> int:
    return int.from_bytes(view[at : at + size], "big", signed=True)


def floats(field: memoryview) -> NDArray[np.float64]:
    """Return concatenated float8 values as an array."""
    return np.frombuffer(field, dtype=">f8").astype(np.float64)


def integers(field: memoryview) -> NDArray[np.int64]:
    """Return concatenated int8 values as an array."""
    return np.frombuffer(field, dtype=">i8").astype(np.int64)
