"""Which files may be put beside a run, and what they are served as: by name, never by content."""

from __future__ import annotations

import re

from apps.core.errors import Invalid

MOST_BYTES = 20 * 2**20
MOST_FILES = 50
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
BYTES = "application/octet-stream"
# Nothing that a browser would run; models are handed out as they came and never opened here.
MEDIA = {
    ".bin": BYTES,
    ".csv": "text/csv; charset=utf-8",
    ".gz": "application/gzip",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".joblib": BYTES,
    ".jsonl": "application/jsonl",
    ".md": "text/markdown; charset=utf-8",
    ".npy": BYTES,
    ".npz": "application/zip",
    ".onnx": BYTES,
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".pickle": BYTES,
    ".pkl": BYTES,
    ".png": "image/png",
    ".pt": BYTES,
    ".safetensors": BYTES,
    ".skops": "application/zip",
    ".txt": "text/plain; charset=utf-8",
    ".zip": "application/zip",
}


def check_file(name: str, size: int, reserved: frozenset[str] = frozenset()) -> str:
    """Return the media type of a file to be kept. Raises ``Invalid`` with what is wrong."""
    details: dict[str, object] = {"field": "file"}
    if not NAME.fullmatch(name) or ".." in name:
        message = (
            f"{name!r} is no name of a file here: letters, digits, dots, - and _, at most 120, "
            "beginning with a letter or a digit."
        )
        raise Invalid(message, code="artifact.name", details=details)
    if name in reserved:
        message = f"{name} is what the lab draws itself; choose another name."
        raise Invalid(message, code="artifact.reserved", details=details)
    media = MEDIA.get("." + name.rpartition(".")[2].lower()) if "." in name else None
    if media is None:
        message = f"{name} has none of the endings that are kept: {', '.join(MEDIA)}."
        raise Invalid(message, code="artifact.type", details=details)
    if not 0 < size <= MOST_BYTES:
        message = f"{name} has {size:,} bytes; 1 to {MOST_BYTES:,} are kept."
        raise Invalid(message, code="artifact.size", details=details)
    return media
