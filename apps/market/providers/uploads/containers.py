"""Out of zip, gz and bz2 into plain files, never more than was promised."""

from __future__ import annotations

import bz2
import gzip
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

from apps.core.errors import Invalid

MAX_UNPACKED = 2 * 2**30
MAX_RATIO = 60  # text that repeats itself packs 10 to 20 fold; a bomb a thousand fold
FREE = 16 * 2**20  # what may be unpacked whatever the ratio
MAX_MEMBERS = 2000
CHUNK = 2**20
FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"ARROW1": "a Feather (Arrow IPC) file",
    b"FEA1": "an old Feather file",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"SQLite": "an SQLite database",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x1f\x8b": "an archive in an archive",
    b"BZh": "an archive in an archive",
    b"Rar!": "a RAR archive",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"{": "JSON",
    b"[": "JSON",
    b"<": "HTML or XML",
}


class Readable(Protocol):
    """What an opened archive hands out."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file that was uploaded, by itself or inside an archive."""

    name: str
    path: Path
    form: str  # csv or parquet


def unpack(path: Path, name: str, folder: Path) -> list[Member]:
    """Return the plain files in an upload; packed ones are written below ``folder``.

    Raises
    ------
    Invalid
        ``upload.archive`` for a bomb, a link or a name that leaves the folder;
        ``upload.unreadable``.
    """
    with path.open("rb") as stream:
        head = stream.read(512)
    if not head:
        raise Invalid(f"{name} is empty.", code="upload.unreadable", details={"field": "file"})
    if zipfile.is_zipfile(path) and head[:2] == b"PK":
        return list(_zipped(path, name, folder))
    if head[:2] == b"\x1f\x8b" or head[:3] == b"BZh":
        opener = gzip.open if head[:2] == b"\x1f\x8b" else bz2.open
        target = folder / "0"
        with path.open("rb") as packed, opener(packed, "rb") as stream:
            _copy(stream, target, name, packed.tell, MAX_UNPACKED)
        inner = name.removesuffix(".gz").removesuffix(".bz2")
        return [_member(inner, target)]
    return [_member(name, path)]


def _zipped(path: Path, name: str, folder: Path) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not _is_noise(entry)]
            _check_entries(entries, name, path.stat().st_size)
            left = MAX_UNPACKED
            for number, entry in enumerate(entries):
                target = folder / str(number)
                with archive.open(entry) as stream:
                    size, limit = entry.compress_size, min(left, entry.file_size)
                    left -= _copy(stream, target, entry.filename, partial(int, size), limit)
                yield _member(entry.filename, target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _bad(f"{name} is a damaged or encrypted zip: {error}") from None


def _is_noise(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    return entry.is_dir() or "__MACOSX" in path.parts or path.name in {".DS_Store", "Thumbs.db"}


def _check_entries(entries: list[zipfile.ZipInfo], name: str, size: int) -> None:
    if not entries:
        raise _bad(f"{name} holds no files")
    if len(entries) > MAX_MEMBERS:
        raise _bad(f"{name} holds {len(entries):,} files; at most {MAX_MEMBERS:,} are taken")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_UNPACKED or (total > FREE and total > MAX_RATIO * size):
        raise _bad(
            f"{name} says it unpacks to {total:,} bytes, {total // max(size, 1)} times its size; "
            f"at most {MAX_UNPACKED:,} bytes and {MAX_RATIO} times are taken"
        )
    seen: set[str] = set()
    for entry in entries:
        _check_entry(entry)
        if entry.filename in seen:
            raise _bad(f"{name} holds {entry.filename!a} twice")
        seen.add(entry.filename)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    shown = ascii(entry.filename)[:120]
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\0" in shown:
        raise _bad(f"{shown} would be written outside its folder")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        raise _bad(f"{shown} is a link or a device, not a file")
    if entry.flag_bits & 1:
        raise _bad(f"{shown} is encrypted")


def _copy(stream: Readable, target: Path, name: str, taken: Callable[[], int], limit: int) -> int:
    """Write a stream to a file; return its bytes. Raises ``Invalid`` as soon as it is a bomb.

    Parameters
    ----------
    taken
        How many packed bytes the stream has used up.
    """
    done = 0
    try:
        with target.open("wb") as out:
            while chunk := stream.read(CHUNK):
                done += len(chunk)
                if done > limit or (done > FREE and done > MAX_RATIO * taken()):
                    raise _bad(
                        f"{ascii(name)[:120]} unpacks to {done:,} bytes and more from "
                        f"{taken():,}, or more than it says; it may be a bomb"
                    )
                out.write(chunk)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise _bad(f"{ascii(name)[:120]} can't be unpacked: {error}") from None
    return done


def _bad(what: str) -> Invalid:
    message = f"The archive was refused and nothing stored: {what}."
    return Invalid(message, code="upload.archive", details={"field": "file"})


def _member(name: str, path: Path) -> Member:
    with path.open("rb") as stream:
        head = stream.read(512)
    if head[:4] == b"PAR1":
        return Member(name, path, "parquet")
    what = next((what for start, what in FOREIGN.items() if head.startswith(start)), "")
    if head[:4] == b"PK\x03\x04":
        what = (
            "an Excel workbook" if name.lower().endswith(".xlsx") else "an archive in an archive"
        )
    if what or not head:
        message = (
            f"{name} is {what or 'empty'}; upload CSV or Parquet, plain, as .gz, or several in a "
            "zip. Nothing was stored."
        )
        raise Invalid(message, code="upload.unreadable", details={"field": "file"})
    return Member(name, path, "csv")
