"""Uploaded files on disk: streamed there once, found again by their digest, gone after a day."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from django.conf import settings

from apps.core.errors import Invalid, NotFound

KEPT_FOR = timedelta(days=1)
DIGEST = re.compile(r"[0-9a-f]{64}")


class Sent(Protocol):
    """A file as a request brings it: in pieces, from memory or from disk."""

    name: str | None

    def chunks(self) -> Iterable[bytes]:
        """Return its pieces."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a team on disk; its id is its digest."""

    id: str
    name: str
    path: Path
    size: int


def keep(*, team_id: int, sent: Sent, now: datetime) -> Kept:
    """Write a file to disk, piece by piece. Raises ``Invalid`` when it is empty or too large."""
    folder = _folder(team_id)
    forget(folder, now=now)
    target, sha, size = folder / f"{uuid.uuid4().hex}.part", hashlib.sha256(), 0
    name = Path((sent.name or "file").replace("\\", "/")).name[:200]
    try:
        with target.open("wb") as out:
            for chunk in sent.chunks():
                size += len(chunk)
                if size > settings.UPLOAD_MAX_BYTES:
                    message = (
                        f"{name} has more than {settings.UPLOAD_MAX_BYTES:,} bytes; cut it into "
                        "smaller files."
                    )
                    raise Invalid(message, code="upload.size", details={"field": "file"})
                sha.update(chunk)
                out.write(chunk)
        if not size:
            message = f"{name} is empty."
            raise Invalid(message, code="upload.unreadable", details={"field": "file"})
        kept = Kept(sha.hexdigest(), name, folder / sha.hexdigest(), size)
        target.rename(kept.path)
    finally:
        target.unlink(missing_ok=True)
    kept.path.with_suffix(".json").write_text(json.dumps({"name": name}), encoding="utf-8")
    return kept


def find(*, team_id: int, file_id: str) -> Kept:
    """Return a file that was sent before. Raises ``NotFound`` when it is gone."""
    path = _folder(team_id) / file_id
    if not DIGEST.fullmatch(file_id) or not path.is_file():
        message = f"There is no file {file_id[:12]} any more; files are kept for a day. Send it."
        raise NotFound(message, code="upload.gone", details={"field": "file"})
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Kept(file_id, facts["name"], path, path.stat().st_size)


def forget(folder: Path, *, now: datetime) -> None:
    """Remove what was sent more than a day ago."""
    oldest = (now - KEPT_FOR).timestamp()
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Return an empty folder that is removed afterwards."""
    folder = Path(settings.UPLOAD_ROOT) / "scratch" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(team_id: int) -> Path:
    folder = Path(settings.UPLOAD_ROOT) / str(team_id)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
