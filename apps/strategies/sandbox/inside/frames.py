"""Messages over a pipe: a length, a JSON head, and the bytes of the arrays that the head names.

Never pickle: whoever reads takes from it numbers and texts and nothing else.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

HEAD = struct.Struct("<I")
AT_ONCE = 1 << 20


def write_frame(fd: int, head: dict[str, Any], arrays: dict[str, Any] | None = None) -> None:
    """Write a message; arrays are C-contiguous and little-endian."""
    given = arrays or {}
    named = [[name, array.dtype.str, list(array.shape)] for name, array in given.items()]
    text = json.dumps({**head, "arrays": named}).encode()
    write_all(fd, HEAD.pack(len(text)) + text)
    for array in given.values():
        if array.nbytes:
            write_all(fd, array.reshape(-1).view("u1").data)


def write_all(fd: int, content: bytes | memoryview) -> None:
    """Write all of it, however many calls that takes."""
    left = memoryview(content)
    while len(left):
        left = left[os.write(fd, left[:AT_ONCE]) :]


def read_exactly(fd: int, count: int) -> bytearray:
    """Read ``count`` bytes. Raises ``EOFError`` when the other end has closed."""
    out = bytearray(count)
    view, at = memoryview(out), 0
    while at < count:
        got = os.readv(fd, [view[at : at + AT_ONCE]])
        if not got:
            raise EOFError
        at += got
    return out
