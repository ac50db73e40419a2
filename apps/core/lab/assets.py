"""What the code is made of, as digests: work is done again only when they change."""

from __future__ import annotations

import hashlib
from pathlib import Path

LOCK = "requirements/base.txt"


def digest_static(base: Path, settings: str) -> str:
    """Return a digest of every static source: ours by name, size and time, others by the lock."""
    lines = [settings]
    for path in sorted((base / "static").rglob("*")):
        if path.is_file():
            found = path.stat()
            lines.append(f"{path.relative_to(base)} {found.st_size} {found.st_mtime_ns}")
    return _digest(base, lines)


def digest_schema(base: Path, settings: str) -> str:
    """Return a digest of every migration: ours by name, others by the lock."""
    names = sorted(str(path.relative_to(base)) for path in base.glob("apps/*/migrations/0*.py"))
    return _digest(base, [settings, *names])


def _digest(base: Path, lines: list[str]) -> str:
    lock = (base / LOCK).read_bytes()
    return hashlib.sha256("\n".join(lines).encode() + b"\0" + lock).hexdigest()


def are_collected(root: Path, note: Path, digest: str) -> bool:
    """Tell whether the collected files are those of the digest."""
    return (
        (root / "staticfiles.json").is_file()
        and note.is_file()
        and note.read_text(encoding="utf-8") == digest
    )
