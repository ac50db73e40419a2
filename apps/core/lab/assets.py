"""Static files: collected again only when one of them changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.contrib.staticfiles.finders import get_finders

from apps.core.lab.home import write_private


def digest_sources() -> str:
    """Return a digest of name, size and time of every static source file."""
    lines = []
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            lines.append(f"{name} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def are_collected(root: Path, note: Path, digest: str) -> bool:
    """Tell whether the collected files are those of the digest."""
    return (
        root.is_dir()
        and (root / "staticfiles.json").is_file()
        and note.is_file()
        and note.read_text(encoding="utf-8") == digest
    )


def remember(note: Path, digest: str) -> None:
    """Note what was collected."""
    write_private(note, digest)
