"""The evidence pack: one zip that a third party checks without the lab.

``tools/verify_evidence.py`` is the other half; the same names and formats stand in both.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.kernel.hashing import canonical_json

FORMAT = "quantsite-evidence/v1"
SAME_TIME = (1980, 1, 1, 0, 0, 0)
READ_ME = """\
What was proposed, what was decided, and the proof that the lab's ledger holds both.

content.json    exactly what the deciders were shown; its sha-256 is the digest they signed for
proposal.json   the outcome and the decisions, in short
events/         the ledger's events of this proposal: bytes of each leaf, place, audit path
checkpoint.txt  the signed head of the ledger (C2SP checkpoint, Ed25519)
public_key.txt  the key the lab says it signs with; get it from another source before you trust it

Check it: python verify_evidence.py THIS.zip --key KEY_FILE
"""


@dataclass(frozen=True, slots=True)
class PackedEvent:
    """An event of the ledger with what proves it."""

    event_id: str
    leaf_index: int
    leaf_data: str
    path: tuple[str, ...]


def make_pack(
    *,
    content: bytes,
    summary: Mapping[str, Any],
    events: Sequence[PackedEvent],
    checkpoint: str,
    public_key: str,
) -> bytes:
    """Return the zip; the same arguments give the same bytes."""
    files = {
        "README.txt": READ_ME.encode(),
        "content.json": content,
        "proposal.json": canonical_json({"format": FORMAT, **summary}),
        "checkpoint.txt": checkpoint.encode(),
        "public_key.txt": f"{public_key}\n".encode(),
    }
    for number, event in enumerate(events):
        files[f"events/{number:04d}.json"] = canonical_json(
            {
                "id": event.event_id,
                "leaf_index": event.leaf_index,
                "leaf_data": event.leaf_data,
                "path": list(event.path),
            }
        )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in files.items():
            pack.writestr(zipfile.ZipInfo(name, SAME_TIME), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()
