"""Panels kept in files: found by a digest of the question, mapped into memory, checked.

An entry is a folder ``KEY`` with ``ts.npy``, ``figures.npy`` of shape ``(n_fields, n_bars,
n_assets)`` and ``facts.json``. It is written beside and renamed, so that no process ever sees
half of one. The key holds the stamps of the series read: what changed is never found again, and
goes when room is needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

FACTS = "facts.json"
FILES = ("ts.npy", "figures.npy")
BESIDE = "beside-"
ABANDONED_SECONDS = 3600.0
# When an entry that must go makes room, a tenth more does, so that not every write clears up.
LEFT_AFTER_CLEARING = 0.9
# Entries whose content this process has checked: path by inode and time of change.
_checked: dict[str, tuple[int, int]] = {}


@dataclass(frozen=True, slots=True)
class Laid:
    """Figures on one axis: ``arrays`` are ``(n_bars, n_assets)`` by name."""

    ts: NDArray[np.int64]
    arrays: dict[str, NDArray[np.float64]]
    digest: str = ""


def find_panel(key: str) -> Laid | None:
    """Return what is kept under a key, mapped from the files; None when nothing sound is.

    Writing to the arrays changes this process's copy only, never the files.
    """
    if not _limit():
        return None
    place = _root() / key
    if not place.is_dir():
        return None
    try:
        facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
        _check(place, facts)
        ts, figures = (np.asarray(np.load(place / name, mmap_mode="c")) for name in FILES)
        arrays = dict(zip(facts["names"], figures, strict=True))
        place.touch()
    except (OSError, ValueError, KeyError, TypeError):
        _remove(place)
        return None
    return Laid(ts, arrays, facts["digest"])


def keep_panel(key: str, laid: Laid) -> None:
    """Keep a panel under a key unless it is too large; another process may have done so."""
    limit = _limit()
    size = laid.ts.nbytes + sum(array.nbytes for array in laid.arrays.values())
    if size > limit:
        return
    root = _root()
    beside = root / f"{BESIDE}{uuid.uuid4().hex}"
    try:
        beside.mkdir(parents=True)
        np.save(beside / FILES[0], laid.ts)
        np.save(beside / FILES[1], np.stack(list(laid.arrays.values())))
        facts = {
            "digest": laid.digest,
            "names": list(laid.arrays),
            "sha256": {name: _sha256(beside / name) for name in FILES},
        }
        (beside / FACTS).write_text(json.dumps(facts), encoding="utf-8")
        beside.rename(root / key)
    except OSError:
        # A full disk, or a twin that was faster: the panel is there without being kept.
        shutil.rmtree(beside, ignore_errors=True)
    _clear(root, limit)


def _limit() -> int:
    return int(settings.PANEL_CACHE_MB) * 2**20


def _root() -> Path:
    return Path(settings.PANEL_CACHE)


def _check(place: Path, facts: dict[str, Any]) -> None:
    """Raise ValueError unless the files are those that were written; once per process."""
    state = place.stat().st_ino, (place / FILES[1]).stat().st_mtime_ns
    if _checked.get(str(place)) == state:
        return
    for name in FILES:
        if _sha256(place / name) != facts["sha256"][name]:
            raise ValueError(f"{name} of {place.name} is not what was written.")
    _checked[str(place)] = state


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(place: Path) -> None:
    """Take an entry away at once for everybody; maps of it stay valid."""
    aside = place.with_name(f"{BESIDE}{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        place.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
    _checked.pop(str(place), None)


def _clear(root: Path, limit: int) -> None:
    """Remove what was used longest ago until the rest fits, and what a crash left beside."""
    entries = sorted(_entries(root))
    total = sum(size for _, size, _ in entries)
    if total <= limit:
        return
    for _, size, place in entries:
        _remove(place)
        total -= size
        if total <= limit * LEFT_AFTER_CLEARING:
            return


def _entries(root: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield when an entry was used last, its bytes, and where it is."""
    for place in root.iterdir():
        with contextlib.suppress(OSError):
            used = place.stat().st_mtime
            if not place.name.startswith(BESIDE):
                yield used, sum(file.stat().st_size for file in place.iterdir()), place
            elif time.time() - used > ABANDONED_SECONDS:
                shutil.rmtree(place, ignore_errors=True)
