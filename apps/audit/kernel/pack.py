"""The evidence pack: one zip that a third party checks without the lab, byte by byte.

``tools/verify_evidence.py`` is the other half; the same names and formats stand in both. Files are
stored, in the order of their names, under one time, so that the zip of given files is one string
of bytes. ``manifest.json`` names every file with its digest; the digest of the manifest stands in
an event of the ledger, whose proof is ``seal.json`` under the head ``seal_checkpoint.txt``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from apps.core.kernel.hashing import canonical_json

FORMAT = "quantsite-evidence/v2"
SAME_TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3
MODE = 0o600 << 16
MANIFEST, SEAL, SEAL_HEAD = "manifest.json", "seal.json", "seal_checkpoint.txt"


@dataclass(frozen=True, slots=True)
class PackedEvent:
    """An event of the ledger with what proves it."""

    event_id: str
    leaf_index: int
    leaf_data: str
    path: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the event as it stands in the pack."""
        return {
            "id": self.event_id,
            "leaf_index": self.leaf_index,
            "leaf_data": self.leaf_data,
            "path": list(self.path),
        }


@dataclass(frozen=True, slots=True)
class EarlierHead:
    """A head signed before, and what shows that the pack's head extends it."""

    note: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seal:
    """The event that names the manifest, under a head that extends the pack's."""

    event: PackedEvent
    checkpoint: str
    consistency: tuple[str, ...]


def proof_files(
    events: Sequence[PackedEvent], earlier: Sequence[EarlierHead], checkpoint: str, keys: str
) -> dict[str, bytes]:
    """Return the files that prove: events, older heads, the head they lie under, the keys."""
    files = {"checkpoint.txt": checkpoint.encode(), "keys.txt": keys.encode()}
    for number, event in enumerate(events):
        files[f"events/{number:05d}.json"] = canonical_json(event.as_json())
    for number, head in enumerate(earlier):
        row = {"checkpoint": head.note, "path": list(head.path)}
        files[f"consistency/{number:05d}.json"] = canonical_json(row)
    return files


def stretch_files(
    first: int, last: int, peaks: Sequence[bytes], leaves: Sequence[bytes]
) -> dict[str, bytes]:
    """Return the files that show every leaf from ``first`` to before ``last`` by its hash."""
    told = {"first": first, "last": last, "peaks": [peak.hex() for peak in peaks]}
    return {"range.json": canonical_json(told), "leaves.bin": b"".join(leaves)}


def make_manifest(kind: str, about: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return what names every file of a pack with its size and digest."""
    rows = [
        {"name": name, "size": len(data), "sha256": sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    ]
    return canonical_json({"format": FORMAT, "kind": kind, "about": dict(about), "files": rows})


def make_pack(files: Mapping[str, bytes], manifest: bytes, seal: Seal) -> bytes:
    """Return the zip."""
    row = {**seal.event.as_json(), "consistency": list(seal.consistency)}
    return zip_files(
        {
            **files,
            MANIFEST: manifest,
            SEAL: canonical_json(row),
            SEAL_HEAD: seal.checkpoint.encode(),
        }
    )


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """Return the one zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as pack:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, SAME_TIME)
            entry.create_system, entry.external_attr = UNIX, MODE
            pack.writestr(entry, data)
    return out.getvalue()
