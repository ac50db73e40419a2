"""The compiler of this folder's loops, its cache keyed by all of the folder's sources.

numba keys a cached function by the file it stands in alone. A loop here calls functions of other
files, and would keep an old copy of them when only those changed.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit


def _stamp() -> tuple[str, int]:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    content = b"".join(source.read_bytes() for source in sources)
    return sha256(content).hexdigest(), len(content)


STAMP = _stamp()


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function at its first call and keep the machine code on disk."""
    if function is None:
        return lambda inner: compiled(inner, **options)
    found = njit(cache=True, error_model="numpy", **options)(function)
    files = getattr(getattr(found, "_cache", None), "_cache_file", None)
    if files is not None:
        files._source_stamp = STAMP
    return found
