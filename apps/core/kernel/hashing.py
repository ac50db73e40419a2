"""Digests of JSON and arrays: the same content gives the same text everywhere."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import rfc8785


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as canonical JSON (RFC 8785). Raises ValueError for NaN and infinity."""
    return rfc8785.dumps(value)


def digest_json(value: Any) -> str:
    """Return the hex sha-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def digest_arrays(**arrays: np.ndarray) -> str:
    """Return the hex sha-256 of named arrays: names, dtypes, shapes and bytes, in name order.

    NaNs are brought to one bit pattern and -0.0 to 0.0 first, so equal values digest equally.
    """
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        if array.dtype.kind == "f":
            array = np.where(np.isnan(array), np.nan, array + 0.0)
        header = f"{name}|{array.dtype.str}|{array.shape}|".encode()
        sha.update(header)
        sha.update(array.tobytes())
    return sha.hexdigest()
